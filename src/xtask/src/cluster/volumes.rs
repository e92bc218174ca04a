//! Volumes for whoever asks for one: folders of this machine, since nothing in a node makes any.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::Context as _;
use serde_json::{Value, json};

/// How many there are.
const COUNT: u32 = 16;

/// Makes the folders, and describes the volumes.
pub fn make(folder: &Path) -> anyhow::Result<Vec<Value>> {
    let volume = |number: u32| {
        let name = format!("volume-{number}");
        let path = folder.join(&name);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        // Whoever gets it is not root.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777))?;
        Ok(json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": path}},
        }))
    };
    (0..COUNT).map(volume).collect()
}
