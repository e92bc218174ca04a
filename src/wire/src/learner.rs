//! What a policy learner is told and asked, over mutual TLS.
//!
//! | route | roles | meaning |
//! |---|---|---|
//! | `PUT /v1/epochs/{epoch}` [`EpochOrder`] → [`LearnerState`] | operator | this epoch is being gathered; these indices are lost |
//! | `POST /v1/steps` [`Steps`] → [`Stored`] | operator, agent | steps of one attempt, to be stored durably |
//! | `GET /v1/history` [`Checkpoints`] → [`History`] | agent | where a trajectory can be taken up again |
//! | `GET /v1/state` → [`LearnerState`] | operator | where learning stands |
//! | `GET /v1/policy` → stream of [`Frame`]s | agent | the newest policy now, and every later one as it is published |
//! | `GET /metrics` | anyone with a certificate | Prometheus text |
//!
//! What it exchanges with a world-model learner is in [`crate::world_model`].

use serde::{Deserialize, Serialize};
pub use tuning::{History, Steps};

/// Environment that learners are started in. One thread for each operator of libtorch, since several processes share a
/// machine; and glibc keeps what a learner frees, which it soon wants again: to give it back to the kernel in between takes
/// a sixth of the time on large epochs.
pub const ENVIRONMENT: [(&str, &str); 3] =
    [("OMP_NUM_THREADS", "1"), ("MALLOC_MMAP_THRESHOLD_", "33554432"), ("MALLOC_TRIM_THRESHOLD_", "1000000000")];

/// Path of an epoch's order; the epoch's number follows.
pub const EPOCHS_PATH: &str = "/v1/epochs";
/// Path that takes [`Steps`].
pub const STEPS_PATH: &str = "/v1/steps";
/// Path of the [`History`].
pub const HISTORY_PATH: &str = "/v1/history";
/// Bytes of the longest body with [`Steps`] that a learner has to take.
pub const MAX_STEPS_BYTES: usize = 4 << 20;
/// Path of the [`LearnerState`].
pub const STATE_PATH: &str = "/v1/state";
/// Path of the stream of policies.
pub const POLICY_PATH: &str = "/v1/policy";

/// Tells a learner which epoch is being gathered. May be repeated and extended; it never shrinks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EpochOrder {
    /// Epoch, from 1; the one after the last is the final evaluation.
    pub epoch: u32,
    /// Trajectories it consists of.
    pub trajectories: u32,
    /// Indices whose attempts are used up.
    pub lost: Vec<u32>,
}

/// Query for a [`History`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Checkpoints {
    /// Epoch, from 1.
    pub epoch: u32,
    /// Place within the epoch, from 0.
    pub index: u32,
    /// Env steps that the trainer has checkpoints of, with commas between.
    pub checkpoints: String,
}

impl Checkpoints {
    /// The env steps.
    ///
    /// # Errors
    /// If something between commas is no number; it is given.
    pub fn steps(text: &str) -> Result<Vec<u32>, String> {
        let steps = text.split(',').map(str::trim).filter(|step| !step.is_empty());
        steps.map(|step| step.parse().map_err(|_| step.to_owned())).collect()
    }
}

/// How far a learner has an attempt durably.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    /// Steps stored: the next one it wants has this number.
    pub next_step: u32,
    /// Whether the outcome is stored as well, so that nothing more is wanted.
    pub ended: bool,
}

/// Where a learner stands. Counters only grow, across restarts too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LearnerState {
    /// Repetition it serves.
    pub repetition: u32,
    /// What it is doing.
    pub phase: LearnerPhase,
    /// Epochs gathered and learned from (the final evaluation included, which is only stored).
    pub epochs_learned: u32,
    /// Version of the newest policy published.
    pub policy_version: u64,
    /// The epoch being gathered, if it has been told of one.
    pub gathering: Option<EpochState>,
    /// What came out of each learned epoch, the latest last.
    pub epochs: Vec<EpochSummary>,
    /// Env steps really trained so far, those of failed attempts included.
    pub env_steps_trained: u64,
    /// What learning is about at the moment, in words, where it has several parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doing: Option<String>,
    /// What keeps it from going on at the moment, such as a full disk; it tries again by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The copy of the last policy that was to be left somewhere, once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publication: Option<Publication>,
}

/// A policy that lies where others find it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Publication {
    /// Path or URL of the artifact.
    pub place: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Version of the policy.
    pub version: u64,
}

/// What a policy learner is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LearnerPhase {
    /// Waiting for an epoch's order.
    #[default]
    Idle,
    /// Storing the steps of an epoch.
    Gathering,
    /// Training the policy.
    Learning,
    /// Stopped by a fault that it can't mend itself.
    Failed,
}

/// Outcomes so far of the epoch being gathered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochState {
    /// Epoch, from 1.
    pub epoch: u32,
    /// Trajectories it consists of.
    pub trajectories: u32,
    /// Indices with an outcome, by outcome.
    pub completed: u32,
    /// As above.
    pub diverged: u32,
    /// As above.
    pub lost: u32,
    /// Indices that have an outcome, ascending.
    pub ended: Vec<u32>,
}

/// One learned epoch in figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochSummary {
    /// Epoch, from 1.
    pub epoch: u32,
    /// Indices by outcome.
    pub completed: u32,
    /// As above.
    pub diverged: u32,
    /// As above.
    pub lost: u32,
    /// Mean of the objective at the end of the trajectories that were not lost; none if all were.
    pub mean: Option<f64>,
    /// Best of them.
    pub best: Option<f64>,
    /// Version of the policy that acted in it.
    pub policy_version: u64,
}

/// Head of one policy in the stream of `GET /v1/policy`: version and length as big-endian u64, then the artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Version of the policy; only grows within a stream.
    pub version: u64,
    /// Bytes of the artifact that follow.
    pub length: u64,
}

impl Frame {
    /// Bytes of an encoded head.
    pub const LENGTH: usize = 16;

    /// The head as it is sent.
    pub fn encode(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..8].copy_from_slice(&self.version.to_be_bytes());
        bytes[8..].copy_from_slice(&self.length.to_be_bytes());
        bytes
    }

    /// Inverse of [`Frame::encode`].
    pub fn decode(bytes: [u8; Self::LENGTH]) -> Self {
        let [mut version, mut length] = [[0; 8]; 2];
        version.copy_from_slice(&bytes[..8]);
        length.copy_from_slice(&bytes[8..]);
        Self { version: u64::from_be_bytes(version), length: u64::from_be_bytes(length) }
    }
}
