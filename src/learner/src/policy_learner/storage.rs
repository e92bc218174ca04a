//! Where a policy learner keeps what it knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use dataset::Journal;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use wire::forecast::ForecastScores;
use wire::learner::EpochSummary;

use super::course::Course;
use crate::LearnerError;
use crate::keep::{Keep, Space};

/// Folder of the world models.
const WORLD_MODELS: &str = "world-models";

/// File that says whose storage it is.
const OWNER: &str = "owner.json";

/// Whose storage it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// Name of the experiment.
    pub experiment: String,
    /// Its unique id.
    pub uid: String,
    /// Repetition, from 0.
    pub repetition: u32,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "repetition {} of {} ({})", self.repetition, self.experiment, self.uid)
    }
}

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
    /// What its trajectories did on their way.
    #[serde(default)]
    pub course: Course,
}

/// All that one policy learner keeps. Calls block, and must not be made by tasks of the runtime.
#[derive(Debug)]
pub struct Storage(Keep);

impl Storage {
    /// Opens `place`: a URL of an object store if it has a scheme, else a folder, which is made if needed.
    ///
    /// # Errors
    /// If a folder can't be made or written, or another learner has it open; if a URL can't be understood.
    pub fn open(place: &str, runtime: &Handle) -> Result<Self, LearnerError> {
        Ok(Self(Keep::open(place, &["checkpoints", "policies", WORLD_MODELS, "learned"], runtime)?))
    }

    /// Room there, if it is a disk.
    pub(crate) fn space(&self) -> Option<Space> {
        self.0.space()
    }

    /// Takes the place for a repetition of an experiment, unless it is another's: a volume that was kept is found again by its
    /// name, which an experiment made later may have too.
    ///
    /// # Errors
    /// If it is another's, or can't be read or written.
    pub fn claim(&self, owner: &Owner) -> Result<(), LearnerError> {
        let Some(bytes) = self.0.read(OWNER)? else {
            let text = serde_json::to_vec_pretty(owner).expect("plain data always serialises");
            return self.0.put(OWNER, &text);
        };
        let held: Owner = serde_json::from_slice(&bytes).map_err(|source| LearnerError::Corrupt {
            place: self.0.place_of(OWNER),
            expected: "whose storage it is",
            source: Box::new(source),
        })?;
        if held == *owner {
            return Ok(());
        }
        Err(LearnerError::Foreign { place: self.place(), held: held.to_string(), wanted: owner.to_string() })
    }

    /// The place itself: the dataset lies beside the learner's own files.
    pub fn place(&self) -> String {
        self.0.place()
    }

    /// The journal of an epoch, which lies there too.
    pub fn journal(&self, epoch: u32) -> Result<Journal, LearnerError> {
        self.0.journal(epoch)
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

    /// Path or URL under which the learner's state after `epoch` is kept.
    pub fn checkpoint(&self, epoch: u32) -> String {
        self.0.place_of(&checkpoint(epoch))
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
    pub fn newest_world_model(&self) -> Result<u32, LearnerError> {
        let names: BTreeSet<String> = self.0.names(WORLD_MODELS)?.into_iter().collect();
        let is_there = |epoch: &u32| names.contains(&world_model_file(*epoch));
        Ok((1..).take_while(is_there).last().unwrap_or_default())
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
                place: self.0.place_of(&learned(epochs.len() as u32 + 1)),
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
    format!("{WORLD_MODELS}/{}", world_model_file(epoch))
}

fn world_model_file(epoch: u32) -> String {
    format!("epoch-{epoch:06}.safetensors")
}

fn learned(epoch: u32) -> String {
    format!("learned/epoch-{epoch:06}.json")
}
