//! What an agent is started with, and where it is scraped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tuning::{Draws, Problem};

/// Path of the Prometheus text for people.
pub const METRICS_PATH: &str = "/metrics";
/// Path of the exposition for the gatherer; takes `?from=STEP`.
pub const TRAJECTORY_PATH: &str = "/metrics/trajectory";
/// Path that takes [`Acknowledgement`]s.
pub const ACKNOWLEDGE_PATH: &str = "/v1/acknowledge";

/// What all agents of one batch of trajectories are started with; index and attempt come beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentConfig {
    /// Name of the experiment.
    pub experiment: String,
    /// Its unique id, under which certificates are issued.
    pub uid: String,
    /// What is tuned.
    pub problem: Problem,
    /// What seeds, tasks and starting values are drawn from.
    pub draws: Draws,
    /// Repetition, from 0.
    pub repetition: u32,
    /// Epoch, from 1.
    pub epoch: u32,
    /// Whether this is the final evaluation, which has draws of its own.
    pub final_evaluation: bool,
    /// How actions are chosen.
    pub mode: Mode,
    /// When a newly published policy takes over.
    pub policy_updates: PolicyUpdates,
    /// Address of the policy learner, `HOST:PORT`.
    pub learner: String,
    /// Seconds that the first decision may wait for a policy before everything is kept.
    pub policy_wait_seconds: f64,
    /// Where the trainer shows metrics that it need not report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<TrainerPage>,
}

/// The trainer's own page of Prometheus text, at a port on loopback that agent and trainer are told beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrainerPage {
    /// Path of the page.
    pub path: String,
    /// Name of each metric that stands there, and the sample that is meant, which a
    /// [`Selector`](crate::exposition::Selector) reads.
    pub metrics: BTreeMap<String, String>,
}

/// The number of an attempt whose pod has this unique id: its first 31 bits, which no other pod of the same index will have.
/// None if it is no such id.
pub fn attempt_of(pod_uid: &str) -> Option<u32> {
    let digits: String = pod_uid.chars().filter(|c| *c != '-').take(8).collect();
    (digits.len() == 8).then(|| u32::from_str_radix(&digits, 16).ok().map(|bits| bits >> 1)).flatten()
}

/// How actions are chosen from the policy's probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Drawn.
    #[default]
    Sampled,
    /// The most probable one.
    Greedy,
}

/// When a newly published policy takes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicyUpdates {
    /// A trajectory keeps the policy it started with.
    #[default]
    AtTrajectoryStart,
    /// From the next decision on.
    Immediate,
}

/// What an agent writes, as one JSON line to the file named by `--announce`, once it listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Announcement {
    /// The trainer's `TRAINPILOT_URL`.
    pub trainer_url: String,
    /// `HOST:PORT` of the endpoints under mutual TLS.
    pub address: String,
}

/// Tells an agent how far its trajectory is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Acknowledgement {
    /// Steps that are stored.
    pub next_step: u32,
    /// Whether the outcome is too: the agent may exit.
    pub ended: bool,
}
