//! What a segment says of itself, as JSON in its footer.

use serde::{Deserialize, Serialize};
use tuning::{Outcome, Problem, Trajectory, TrajectoryKey};

use crate::error::Fault;

/// Version of the segment format written here; others are refused.
pub const FORMAT: u32 = 1;

/// Key in the Parquet metadata under which the header stands.
pub const METADATA_KEY: &str = "trainpilot";

/// What a dataset belongs to; segments of anything else are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Name of the experiment.
    pub experiment: String,
    /// Its unique id.
    pub uid: String,
    /// Repetition, from 0.
    pub repetition: u32,
    /// What was tuned.
    pub problem: Problem,
}

/// The header: what the rows belong to, and every trajectory, those without rows included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Header {
    pub format: u32,
    #[serde(flatten)]
    pub identity: Identity,
    pub epoch: u32,
    pub final_evaluation: bool,
    /// Sorted by index and attempt, as the rows are.
    pub trajectories: Vec<Entry>,
}

/// One trajectory of a segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    pub index: u32,
    pub attempt: u32,
    pub seed: u32,
    pub task: String,
    pub outcome: Outcome,
    /// Rows that it has.
    pub steps: u32,
}

/// The one field that every version of the format has.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

impl Header {
    /// Parses a header, after a look at its version.
    pub fn parse(json: &str) -> Result<Self, Fault> {
        let version: Version = serde_json::from_str(json).map_err(|error| Fault::Header(error.to_string()))?;
        if version.format != FORMAT {
            return Err(Fault::Format { found: version.format });
        }
        serde_json::from_str(json).map_err(|error| Fault::Header(error.to_string()))
    }

    /// Checks that the segment is of `epoch` of the dataset that `wanted` describes.
    pub fn check(&self, wanted: &Identity, epoch: u32) -> Result<(), Fault> {
        let foreign = |what, found: String, wanted: String| Err(Fault::Foreign { what, found, wanted });
        let found = &self.identity;
        if found.experiment != wanted.experiment {
            return foreign("experiment", found.experiment.clone(), wanted.experiment.clone());
        }
        if found.uid != wanted.uid {
            return foreign("experiment's uid", found.uid.clone(), wanted.uid.clone());
        }
        if found.repetition != wanted.repetition {
            return foreign("repetition", found.repetition.to_string(), wanted.repetition.to_string());
        }
        if self.epoch != epoch {
            return foreign("epoch", self.epoch.to_string(), epoch.to_string());
        }
        if found.problem != wanted.problem {
            return foreign("problem", found.problem.action_space_hash(), wanted.problem.action_space_hash());
        }
        Ok(())
    }
}

impl Entry {
    /// The trajectory, still without its steps.
    pub fn trajectory(&self, repetition: u32, epoch: u32) -> Trajectory {
        Trajectory {
            key: TrajectoryKey { repetition, epoch, index: self.index, attempt: self.attempt },
            seed: self.seed,
            task: self.task.clone(),
            outcome: Some(self.outcome),
            steps: Vec::with_capacity(self.steps as usize),
        }
    }
}
