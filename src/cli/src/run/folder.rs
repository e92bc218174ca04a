//! A run's folder: who works in it, which experiment it holds, and where everything lies.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use api::{TuningExperimentStatus, TuningPolicy};
use serde::{Deserialize, Serialize};
use wire::tls::Role;

/// What a run is, beside its experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identity {
    /// Unique id, under which certificates are issued.
    pub(crate) uid: String,
    /// Version of the program that made it.
    pub(crate) version: String,
    /// When it was made, in seconds since 1970.
    pub(crate) created: u64,
}

/// An open run folder, held by one process at a time.
#[derive(Debug)]
pub(super) struct RunFolder {
    root: PathBuf,
    pub(super) identity: Identity,
    /// Locked as long as it is open.
    _lock: File,
}

impl RunFolder {
    /// Opens the folder, making it if needed. Its experiment, if it has one, is given beside it.
    pub(super) fn open(root: &Path) -> anyhow::Result<(Self, Option<String>)> {
        fs::create_dir_all(root).with_context(|| format!("can't make the run's folder {}", root.display()))?;
        let root = root.canonicalize()?;
        let path = root.join("lock");
        let lock = File::create(&path).with_context(|| format!("can't write {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                bail!("another `trainpilot run` is working in {}", root.display())
            }
            Err(fs::TryLockError::Error(error)) => return Err(error).context("can't lock the run's folder"),
        }
        let identity = identity(&root)?;
        wire::tls::establish(&root.join("tls"), &identity.uid)?;
        let experiment = match fs::read_to_string(root.join("experiment.yaml")) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).context("can't read the run's experiment.yaml"),
        };
        Ok((Self { root, identity, _lock: lock }, experiment))
    }

    /// Keeps the planner's last status.
    pub(super) fn save_status(&self, status: &impl Serialize) -> io::Result<()> {
        self.put("status.json", &serde_json::to_vec_pretty(status)?)
    }

    /// Keeps what others are to find of the run, from wherever they look. Its dataset is the run itself.
    pub(super) fn save_policy(&self, policy: &TuningPolicy) -> anyhow::Result<()> {
        let mut policy = policy.clone();
        for artifact in policy.spec.artifacts.iter_mut().filter(|artifact| !artifact.url.contains("://")) {
            artifact.url = std::path::absolute(&artifact.url)?.display().to_string();
        }
        policy.spec.dataset = Some(self.root.display().to_string());
        Ok(self.put("tuning-policy.yaml", serde_saphyr::to_string(&policy)?.as_bytes())?)
    }

    /// The planner's last status, if there is one.
    pub(super) fn load_status(&self) -> anyhow::Result<Option<TuningExperimentStatus>> {
        let path = self.root.join("status.json");
        match fs::read(&path) {
            Ok(bytes) => {
                Ok(Some(serde_json::from_slice(&bytes).with_context(|| format!("{} is not a status", path.display()))?))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
        }
    }

    /// Folder with the certificates of `role`.
    pub(super) fn tls(&self, role: Role) -> PathBuf {
        self.root.join("tls").join(role.as_str())
    }

    /// Storage of the learner of a repetition.
    pub(super) fn learner(&self, repetition: u32) -> PathBuf {
        self.root.join(format!("repetition-{repetition}"))
    }

    /// Folder of a batch.
    pub(super) fn batch(&self, name: &str) -> PathBuf {
        self.root.join("batches").join(name)
    }

    /// Writes a file whole or not at all.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.root.join(name);
        let beside = path.with_extension("tmp");
        fs::write(&beside, bytes)?;
        fs::rename(&beside, &path)
    }

    /// The folder itself.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }
}

fn identity(root: &Path) -> anyhow::Result<Identity> {
    let path = root.join("run.json");
    if let Ok(bytes) = fs::read(&path) {
        return serde_json::from_slice(&bytes).with_context(|| format!("{} is not a run's identity", path.display()));
    }
    let created = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let identity =
        Identity { uid: uuid::Uuid::new_v4().to_string(), version: env!("CARGO_PKG_VERSION").to_owned(), created };
    fs::write(&path, serde_json::to_vec_pretty(&identity)?)
        .with_context(|| format!("can't write {}", path.display()))?;
    Ok(identity)
}
