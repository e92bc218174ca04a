//! Where a policy learner keeps what it knows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wire::forecast::ForecastScores;
use wire::learner::EpochSummary;

use crate::LearnerError;
use crate::folder::Folder;

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

/// The folder of one policy learner.
#[derive(Debug)]
pub struct Storage(Folder);

impl Storage {
    /// Opens the folder, making it if needed.
    ///
    /// # Errors
    /// If it can't be made or written, or another learner has it open.
    pub fn open(root: &Path) -> Result<Self, LearnerError> {
        Ok(Self(Folder::open(root, &["checkpoints", "policies", "world-models", "learned"])?))
    }

    /// The folder itself: dataset and journal live beside the learner's own files.
    pub fn root(&self) -> &Path {
        self.0.root()
    }

    /// Keeps the learner's state after `epoch` and forgets those that a restart can no longer need.
    pub fn save_checkpoint(&self, epoch: u32, bytes: &[u8]) -> Result<(), LearnerError> {
        self.0.put(&checkpoint(epoch), bytes)?;
        // The one before stays: until `epoch` is recorded as learned, a restart starts from there.
        epoch.checked_sub(2).map_or(Ok(()), |old| self.0.remove(&checkpoint(old)))
    }

    /// State of the learner after `epoch`, if it was kept.
    pub fn load_checkpoint(&self, epoch: u32) -> Result<Option<Vec<u8>>, LearnerError> {
        self.0.read(&checkpoint(epoch))
    }

    /// Path under which the learner's state after `epoch` is kept.
    pub fn checkpoint(&self, epoch: u32) -> PathBuf {
        self.0.path(&checkpoint(epoch))
    }

    /// Keeps a published policy.
    pub fn save_policy(&self, version: u64, bytes: &[u8]) -> Result<(), LearnerError> {
        self.0.put(&policy(version), bytes)
    }

    /// A policy published earlier.
    pub fn load_policy(&self, version: u64) -> Result<Option<Vec<u8>>, LearnerError> {
        self.0.read(&policy(version))
    }

    /// Keeps the world model trained up to `epoch`.
    pub fn save_world_model(&self, epoch: u32, bytes: &[u8]) -> Result<(), LearnerError> {
        self.0.put(&world_model(epoch), bytes)
    }

    /// The world model trained up to `epoch`, if it was kept.
    pub fn load_world_model(&self, epoch: u32) -> Result<Option<Vec<u8>>, LearnerError> {
        self.0.read(&world_model(epoch))
    }

    /// Epoch of the newest world model; 0 where there is none.
    pub fn newest_world_model(&self) -> u32 {
        newest_world_model(self.root())
    }

    /// Commits an epoch as learned.
    pub fn save_learned(&self, epoch: &LearnedEpoch) -> Result<(), LearnerError> {
        let text = serde_json::to_vec_pretty(epoch).expect("plain data always serialises");
        self.0.put(&learned(epoch.summary.epoch), &text)
    }

    /// All epochs learned, in order and without gaps.
    pub fn load_learned(&self) -> Result<Vec<LearnedEpoch>, LearnerError> {
        let mut epochs = Vec::new();
        while let Some(bytes) = self.0.read(&learned(epochs.len() as u32 + 1))? {
            let epoch = serde_json::from_slice(&bytes).map_err(|source| LearnerError::Corrupt {
                path: self.0.path(&learned(epochs.len() as u32 + 1)),
                expected: "a learned epoch",
                source: Box::new(source),
            })?;
            epochs.push(epoch);
        }
        Ok(epochs)
    }
}

fn checkpoint(epoch: u32) -> String {
    format!("checkpoints/epoch-{epoch:06}.safetensors")
}

fn policy(version: u64) -> String {
    format!("policies/policy-{version:06}.safetensors")
}

/// Epoch of the newest world model in the folder of a policy learner, whoever works in it; 0 where there is none.
pub(crate) fn newest_world_model(root: &Path) -> u32 {
    (1..).take_while(|epoch| root.join(world_model(*epoch)).exists()).last().unwrap_or_default()
}

/// Where the world model trained up to `epoch` lies in that folder.
pub(crate) fn world_model(epoch: u32) -> String {
    format!("world-models/epoch-{epoch:06}.safetensors")
}

fn learned(epoch: u32) -> String {
    format!("learned/epoch-{epoch:06}.json")
}
