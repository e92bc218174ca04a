//! What a world-model learner and its policy learner exchange, and what it tells of itself, over mutual TLS. It dials the
//! policy learner, never the other way round: one address is enough, and it does not change.
//!
//! | served by | route | roles | meaning |
//! |---|---|---|---|
//! | policy learner | `GET /v1/segments/{epoch}` → Parquet | learner | the epoch's trajectories, once it is committed; 204 after some seconds without |
//! | policy learner | `PUT /v1/world-models/{epoch}` safetensors → [`Held`] | learner | the world model trained on all epochs up to this one |
//! | world-model learner | `GET /v1/state` → [`WorldModelState`] | operator | where training stands |
//! | world-model learner | `GET /metrics` | anyone with a certificate | Prometheus text |

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Path of a segment; the epoch's number follows.
pub const SEGMENTS_PATH: &str = "/v1/segments";
/// Path of a world model; the epoch's number follows.
pub const WORLD_MODELS_PATH: &str = "/v1/world-models";
/// How long a request for a segment that is not committed yet is kept waiting.
pub const SEGMENT_WAIT: Duration = Duration::from_secs(10);
/// Bytes of the largest segment: a thousand trajectories of a thousand env steps of a hundred numbers.
pub const MAX_SEGMENT_BYTES: usize = 1 << 30;
/// Bytes of the largest world model.
pub const MAX_WORLD_MODEL_BYTES: usize = 1 << 30;

/// What a policy learner answers to a world model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// Epoch of the newest one it has: more than that of one which came late.
    pub newest: u32,
}

/// Where a world-model learner stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorldModelState {
    /// Repetition it serves.
    pub repetition: u32,
    /// Epochs trained on and published; only grows, across restarts too.
    pub epochs_trained: u32,
    /// Whether it was stopped by a fault that it can't mend itself.
    pub failed: bool,
    /// What it is about at the moment, in words; none while it waits for trajectories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doing: Option<String>,
    /// What is wrong: with the last training, whose version before goes on, or with its policy learner, which it tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}
