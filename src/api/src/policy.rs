//! The kind `TuningPolicy`: what an experiment learned, for others to use; and how an experiment asks for one.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{HyperparameterSpec, MetricSpec, ObjectiveSpec};

/// Where the policies of an experiment are left for others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishSpec {
    /// Name of the TuningPolicy that is written once the experiment is complete. Immutable.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')")
        .message("expected lower-case letters, digits and inner hyphens"))]
    pub name: String,
    /// Where policy learners write their artifacts before the experiment counts as complete: a folder, as they see it, or a URL
    /// such as s3://bucket/policies, reached with their `credentialsSecret`. File names are made of `name`, the experiment's
    /// unique id and the repetition, so that nothing is ever replaced. Immutable.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("!self.contains('://') || self.matches('^(file|s3|s3a|gs|az|abfs|abfss)://[^?#@]+$')")
        .message("expected a folder, or a URL such as s3://bucket/prefix, without user, query or fragment; schemes are file, s3, gs, az and abfss"))]
    pub to: String,
}

/// Policies that an experiment learned: where they are, and what they fit.
#[allow(clippy::duplicated_attributes, reason = "each column has its own, several of one type")]
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "trainpilot.dev",
    version = "v1alpha1",
    kind = "TuningPolicy",
    plural = "tuningpolicies",
    shortname = "tp",
    category = "trainpilot",
    namespaced,
    derive = "PartialEq",
    doc = "Policies that a TuningExperiment learned, for others to use: written by the operator where an experiment has spec.publish. It stays when the experiment goes.",
    printcolumn(name = "Algorithm", type_ = "string", json_path = ".spec.algorithm"),
    printcolumn(name = "Objective", type_ = "number", json_path = ".spec.figures.objective"),
    printcolumn(name = "FTE", type_ = "number", json_path = ".spec.figures.fte"),
    printcolumn(name = "Experiment", type_ = "string", json_path = ".spec.experiment.name"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.artifacts.exists(a, a.repetition == self.best)")
    .message("expected the repetition of one of artifacts")
    .field_path(".best"))]
pub struct TuningPolicySpec {
    /// One for each repetition.
    #[schemars(length(min = 1, max = 64))]
    pub artifacts: Vec<ArtifactSpec>,
    /// Repetition whose policy is meant where none is named: that with the best mean objective in the final evaluation.
    #[schemars(range(min = 0, max = 63))]
    pub best: u32,
    /// Digest of all that must agree where a policy is used.
    pub action_space: String,
    /// What the policies were rewarded for.
    pub objective: ObjectiveSpec,
    /// What they see.
    #[schemars(length(min = 1, max = 64))]
    pub metrics: Vec<MetricSpec>,
    /// What they steer.
    #[schemars(length(min = 1, max = 32))]
    pub hyperparameters: Vec<HyperparameterSpec>,
    /// What an action multiplies a hyperparameter by.
    #[schemars(length(min = 2, max = 32))]
    pub multipliers: Vec<f64>,
    /// Decisions of a training that they were learned in.
    #[schemars(range(min = 1))]
    pub env_steps: u32,
    /// Field of `spec.algorithm` that they came about by.
    pub algorithm: String,
    /// How good they are, and what they took.
    #[serde(default)]
    pub figures: FiguresSpec,
    /// Where they come from.
    pub experiment: OriginSpec,
    /// URL of the trajectories that were gathered, if they lie on an object store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
}

/// The policy of one repetition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactSpec {
    /// Repetition, from 0.
    #[schemars(range(min = 0, max = 63))]
    pub repetition: u32,
    /// URL or path of the artifact.
    #[schemars(length(min = 1, max = 4096))]
    pub url: String,
    /// SHA-256 of the artifact, in hexadecimal.
    #[schemars(length(min = 64, max = 64))]
    pub sha256: String,
    /// Version of the policy within its repetition.
    pub version: u64,
    /// Mean objective in the final evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<f64>,
}

/// How good policies are, and what they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FiguresSpec {
    /// Mean objective of the best repetition in the final evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<f64>,
    /// Full trainings that all repetitions took together, the final evaluation included.
    #[serde(default)]
    pub fte: f64,
}

/// The experiment that policies come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OriginSpec {
    /// Its name.
    pub name: String,
    /// Its unique id.
    pub uid: String,
}
