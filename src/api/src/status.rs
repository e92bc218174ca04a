//! Where an experiment stands, for people and for `kubectl wait`. Its size does not depend on how many trajectories run.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a TuningExperiment stands. Written by the planner, read by people; nothing else is decided by it than what can
/// no longer be observed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TuningExperimentStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// In one word, for people; machines read `conditions`.
    #[serde(default)]
    pub phase: Phase,
    /// `Progressing`, `Complete`, `Failed`, `Suspended` and `Degraded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Which field of `spec.algorithm` is set.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub algorithm: String,
    /// Epochs learned by the slowest repetition, of all: `3/32`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub epoch: String,
    /// Trajectories of all repetitions.
    #[serde(default)]
    pub trajectories: TrajectoriesStatus,
    /// Objective over all repetitions: mean of their last epochs, and the best of all epochs.
    #[serde(default)]
    pub objective: ObjectiveStatus,
    /// Price so far in full trainings: env steps really trained, failed attempts included, divided by `envSteps`.
    #[serde(default)]
    pub fte: f64,
    /// When the experiment was first worked on; budgets in hours count from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it completed or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Selects the pods of its trajectories; for the scale subresource.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub selector: String,
    /// Trajectories running; for the scale subresource.
    #[serde(default)]
    pub replicas: u32,
    /// Each repetition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub repetitions: Vec<RepetitionStatus>,
    /// What the spec's references to TuningPolicies were when they were looked up; they are held to from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<ResolvedStatus>,
}

/// What references to TuningPolicies were when they were looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedStatus {
    /// The policy that is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<ResolvedArtifact>,
    /// Datasets that a world model begins with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub datasets: Vec<String>,
}

/// An artifact that was looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedArtifact {
    /// URL or path.
    pub url: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// An experiment in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Nothing has been gathered yet.
    #[default]
    Pending,
    /// It gathers, learns or is evaluated.
    Running,
    /// `spec.suspend` is set.
    Suspended,
    /// The final evaluation of every repetition is stored.
    Complete,
    /// The spec is invalid, or a repetition failed and none goes on.
    Failed,
}

/// Where one repetition stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepetitionStatus {
    /// Repetition, from 0.
    pub repetition: u32,
    /// In one word.
    #[serde(default)]
    pub phase: RepetitionPhase,
    /// Why it acts or waits, in one word.
    #[serde(default)]
    pub reason: String,
    /// The same in a sentence.
    #[serde(default)]
    pub message: String,
    /// Epochs that are over, the final evaluation included.
    #[serde(default)]
    pub epochs_over: u32,
    /// Epochs to learn from; fewer than asked for where a budget was used up.
    #[serde(default)]
    pub epochs: u32,
    /// Version of the newest policy published.
    #[serde(default)]
    pub policy_version: u64,
    /// Its trajectories.
    #[serde(default)]
    pub trajectories: TrajectoriesStatus,
    /// Objective at the end of trajectories: mean of the last epoch, best of all epochs.
    #[serde(default)]
    pub objective: ObjectiveStatus,
    /// Price so far in full trainings.
    #[serde(default)]
    pub fte: f64,
    /// Its policy as it was left for others, where `spec.publish` asks for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishedStatus>,
}

/// A policy as it was left for others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishedStatus {
    /// URL or path of the artifact.
    pub url: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Version of the policy.
    pub version: u64,
}

/// A repetition in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RepetitionPhase {
    /// Its learner has not answered yet.
    #[default]
    Pending,
    /// Trajectories of an epoch run.
    Gathering,
    /// The policy is trained.
    Learning,
    /// Trajectories of the final evaluation run.
    Evaluating,
    /// The final evaluation is stored.
    Complete,
    /// It can't go on.
    Failed,
}

/// Trajectories by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrajectoriesStatus {
    /// Running now.
    #[serde(default)]
    pub running: u32,
    /// Trained to the end.
    #[serde(default)]
    pub completed: u32,
    /// Ended by a metric that was no finite number.
    #[serde(default)]
    pub diverged: u32,
    /// Given up after all attempts.
    #[serde(default)]
    pub lost: u32,
}

/// The objective at the end of trajectories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectiveStatus {
    /// Mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<f64>,
}
