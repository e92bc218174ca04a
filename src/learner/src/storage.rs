//! Where a learner keeps what it knows: one folder, every file written whole or not at all.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wire::learner::{EpochSummary, ForecastScores};

use crate::LearnerError;

/// One epoch that is learned. Its file is the commit point: what came before it may be done again, what follows may
/// rely on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LearnedEpoch {
    /// Whether it was the final evaluation, from which nothing is learned.
    pub final_evaluation: bool,
    /// What was gathered.
    pub summary: EpochSummary,
    /// Env steps really trained for it, those of failed attempts included.
    pub env_steps: u64,
    /// Rows that it has in the dataset: one for each observation of an attempt.
    pub rows: u64,
    /// What learning gave, by name: loss terms, KL, seconds of each phase; empty where nothing is learned.
    pub figures: BTreeMap<String, f64>,
    /// How good the world model's forecasts are, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecasts: Option<ForecastScores>,
}

/// The folder of one learner, held by one process at a time.
#[derive(Debug)]
pub struct Storage {
    root: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

impl Storage {
    /// Opens the folder, making it if needed.
    ///
    /// # Errors
    /// If it can't be made or written, or another learner has it open.
    pub fn open(root: &Path) -> Result<Self, LearnerError> {
        for folder in ["checkpoints", "policies", "learned"] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(|source| LearnerError::Storage { path, source })?;
        }
        let path = root.join("lock");
        let lock = File::create(&path).map_err(|source| LearnerError::Storage { path: path.clone(), source })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root: root.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(LearnerError::InUse(root.to_owned())),
            Err(fs::TryLockError::Error(source)) => Err(LearnerError::Storage { path, source }),
        }
    }

    /// The folder itself: dataset and journal live beside the learner's own files.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Keeps the learner's state after `epoch` and forgets those that a restart can no longer need.
    pub fn save_checkpoint(&self, epoch: u32, bytes: &[u8]) -> Result<(), LearnerError> {
        self.put(&self.checkpoint(epoch), bytes)?;
        // The one before stays: until `epoch` is recorded as learned, a restart starts from there.
        if let Some(old) = epoch.checked_sub(2) {
            match fs::remove_file(self.checkpoint(old)) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(LearnerError::Storage { path: self.checkpoint(old), source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// State of the learner after `epoch`, if it was kept.
    pub fn load_checkpoint(&self, epoch: u32) -> Result<Option<Vec<u8>>, LearnerError> {
        read(&self.checkpoint(epoch))
    }

    /// Path under which the learner's state after `epoch` is kept.
    pub fn checkpoint(&self, epoch: u32) -> PathBuf {
        self.root.join(format!("checkpoints/epoch-{epoch:06}.safetensors"))
    }

    /// Keeps a published policy.
    pub fn save_policy(&self, version: u64, bytes: &[u8]) -> Result<(), LearnerError> {
        self.put(&self.policy(version), bytes)
    }

    /// A policy published earlier.
    pub fn load_policy(&self, version: u64) -> Result<Option<Vec<u8>>, LearnerError> {
        read(&self.policy(version))
    }

    fn policy(&self, version: u64) -> PathBuf {
        self.root.join(format!("policies/policy-{version:06}.safetensors"))
    }

    /// Commits an epoch as learned.
    pub fn save_learned(&self, epoch: &LearnedEpoch) -> Result<(), LearnerError> {
        let text = serde_json::to_vec_pretty(epoch).expect("plain data always serialises");
        self.put(&self.learned(epoch.summary.epoch), &text)
    }

    /// All epochs learned, in order and without gaps.
    pub fn load_learned(&self) -> Result<Vec<LearnedEpoch>, LearnerError> {
        let mut epochs = Vec::new();
        while let Some(bytes) = read(&self.learned(epochs.len() as u32 + 1))? {
            let epoch = serde_json::from_slice(&bytes).map_err(|source| LearnerError::Corrupt {
                path: self.learned(epochs.len() as u32 + 1),
                expected: "a learned epoch",
                source: Box::new(source),
            })?;
            epochs.push(epoch);
        }
        Ok(epochs)
    }

    fn learned(&self, epoch: u32) -> PathBuf {
        self.root.join(format!("learned/epoch-{epoch:06}.json"))
    }

    /// Writes a file whole or not at all: beside it first, to the disk, then into its place.
    fn put(&self, path: &Path, bytes: &[u8]) -> Result<(), LearnerError> {
        let beside = path.with_extension("tmp");
        let write = || {
            let mut file = File::create(&beside)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&beside, path)?;
            // The rename itself is durable only once the folder is.
            File::open(path.parent().unwrap_or(&self.root))?.sync_all()
        };
        write().map_err(|source| LearnerError::Storage { path: path.to_owned(), source })
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, LearnerError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LearnerError::Storage { path: path.to_owned(), source }),
    }
}
