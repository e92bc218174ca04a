//! The trainer's contract (design §6): plain JSON over loopback, `curl` is a sufficient client.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Environment variable that tells a trainer where its agent is; without it a trainer runs alone.
pub const URL_VARIABLE: &str = "TRAINPILOT_URL";

/// Environment variable with the port on loopback at which a trainer shows metrics that it does not report, where the experiment
/// reads some from there.
pub const METRICS_PORT_VARIABLE: &str = "TRAINPILOT_METRICS_PORT";

/// Environment variable with what each task adds to a trainer's start, a JSON object of [`TaskLaunch`]es by name. Only where
/// all trainers are started alike.
pub const TASKS_VARIABLE: &str = "TRAINPILOT_TASKS";

/// Path of the trajectory, below the trainer's URL.
pub const TRAJECTORY_PATH: &str = "/v1/trajectory";

/// Parameter of that path: the env steps that the trainer has checkpoints of, with commas between; given with none, it says
/// that the trainer keeps some. A checkpoint is of env step k if it holds what was trained when the report of k had been
/// answered.
pub const CHECKPOINTS_PARAMETER: &str = "checkpoints";

/// Path for reports, below the trainer's URL.
pub const STEPS_PATH: &str = "/v1/steps";

/// Answer to `GET /v1/trajectory`: what to train, and where the trajectory stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrajectoryInfo {
    /// Names the trajectory: the same for all attempts at it, and for no other one. Of letters, digits and hyphens, so that a
    /// folder with its checkpoints can have it.
    pub id: String,
    /// Env steps to train (T).
    pub env_steps: u32,
    /// Seed of the training, below 2³².
    pub seed: u32,
    /// Repetition, from 0.
    pub repetition: u32,
    /// Epoch, from 1.
    pub epoch: u32,
    /// Place within the epoch, from 0.
    pub index: u32,
    /// Name of the task drawn; empty where there is only one.
    pub task: String,
    /// Hyperparameter values to start (or go on) with.
    pub hyperparameters: BTreeMap<String, f64>,
    /// The step that the next report must have: 0, or the one after the latest checkpoint that can be taken up again.
    pub next_step: u32,
}

/// What a task adds to a trainer's start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskLaunch {
    /// Variables, over those of the same name.
    pub env: BTreeMap<String, String>,
    /// Arguments, after all others.
    pub args: Vec<String>,
}

/// Body of `POST /v1/steps`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepReport {
    /// Env steps trained so far; 0 is the evaluation before training.
    pub step: u32,
    /// Every metric of the experiment that is not read from the trainer's own page; `null` stands for a number that is not
    /// finite.
    #[serde(default)]
    pub metrics: BTreeMap<String, Option<f64>>,
    /// Values that were really in force during the env step.
    #[serde(default)]
    pub hyperparameters: BTreeMap<String, f64>,
    /// Why the training can't go on; ends the trajectory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverged: Option<String>,
}

/// Answer to `POST /v1/steps`: what to train the next env step with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepAnswer {
    /// The step that was reported.
    pub step: u32,
    /// Values for the next env step.
    pub hyperparameters: BTreeMap<String, f64>,
    /// Whether the trajectory is over, so that the trainer should end.
    pub done: bool,
    /// Version of the policy that decided; 0 where none had arrived.
    pub policy_version: u64,
    /// Why nothing was changed, where the policy had no say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_because: Option<String>,
}
