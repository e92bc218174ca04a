//! Volumes of learners: folders of this machine, since nothing here provides any.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use api::TuningExperiment;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

/// Names the folder that volumes are made in.
pub const VARIABLE: &str = "TRAINPILOT_TEST_VOLUMES";

/// The folder of a learner's volume: `NAME-rR-learner` or `NAME-rR-world-model`.
pub fn folder(namespace: &str, learner: &str) -> PathBuf {
    let all = std::env::var_os(VARIABLE).unwrap_or_else(|| panic!("{VARIABLE} is not set: `cargo xtask e2e` sets it"));
    PathBuf::from(all).join(format!("{namespace}-{learner}"))
}

/// A volume that takes little, and is filled and emptied on demand.
pub struct Small(PathBuf);

impl Small {
    /// Stands in the place of the volume that a learner is about to get.
    pub fn new(namespace: &str, learner: &str, mebibytes: u32) -> Self {
        let path = folder(namespace, learner);
        fs::create_dir_all(&path).unwrap();
        let options = format!("size={mebibytes}m,mode=777");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path).status();
        assert!(mount.unwrap().success(), "only root may mount");
        Self(path)
    }

    /// Leaves no room.
    pub fn fill(&self) {
        let mut filler = fs::File::create(self.filler()).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
    }

    /// Gives back what was taken.
    pub fn empty(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Pods that have it still may keep it as long as they are there.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Makes the volumes of all learners of an experiment, empty.
pub async fn make(client: &Client, namespace: &str, experiment: &TuningExperiment) {
    let name = experiment.name_any();
    let learners = (0..experiment.spec.repetitions)
        .flat_map(|r| ["learner", "world-model"].map(|kind| format!("{name}-r{r}-{kind}")));
    for learner in learners {
        make_one(client, namespace, &learner, &format!("storage-{learner}-0")).await;
    }
}

/// Makes a volume `name`, empty, for the claim `name`, which is made too; gives its folder.
pub async fn make_with_claim(client: &Client, namespace: &str, name: &str) -> PathBuf {
    make_one(client, namespace, name, name).await;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "",
            "volumeName": format!("{namespace}-{name}"),
        },
    });
    claims.patch(name, &PatchParams::apply("tests").force(), &Patch::Apply(claim)).await.unwrap();
    folder(namespace, name)
}

async fn make_one(client: &Client, namespace: &str, name: &str, claim: &str) {
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let path = folder(namespace, name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    // Learners are nobody in particular.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    let volume = format!("{namespace}-{name}");
    let _ = volumes.delete(&volume, &DeleteParams::default()).await;
    while volumes.get_opt(&volume).await.unwrap().is_some() {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let object = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume},
        "spec": {
            "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": path},
            "claimRef": {"namespace": namespace, "name": claim},
        },
    });
    let parameters = PatchParams::apply("tests").force();
    volumes.patch(&volume, &parameters, &Patch::Apply(object)).await.unwrap();
}
