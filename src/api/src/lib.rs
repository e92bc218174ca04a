//! The Kubernetes kinds of trainpilot: their fields, their validation, and what a spec means in plain numbers.
//!
//! Owns the words that users write, the rules about them (schema bounds and CEL, evaluated offline as the apiserver
//! evaluates them), presets and defaults. Must not know clients, clocks, I/O or tensors.
//! Start reading at [`TuningExperimentSpec`], then [`validate`] and [`meaning`]; [`TuningPolicySpec`] is what comes of one.

mod algorithm;
mod crd;
mod evaluation;
mod experiment;
pub mod labels;
pub mod meaning;
mod policy;
mod problem;
mod schema;
mod simple;
mod status;
mod trajectory;
mod validation;

pub use algorithm::{
    AdvantagesSpec, AlgorithmSpec, DecayShape, FixedSpec, InputsSpec, NetworkSpec, PolicyReference, PolicySource,
    PolicySpec, PpoSpec, PresetSpec, RandomSpec, SearchSpec,
};
pub use crd::{crd, crd_yaml, policy_crd_yaml};
pub use evaluation::{
    BudgetSpec, DatasetReference, FinalEvaluationSpec, InitialDataSpec, LearnerSpec, LearnersSpec, ModeSpec,
    PolicyUpdatesSpec, RetainSpec, StorageSpec,
};
pub use experiment::{TuningExperiment, TuningExperimentSpec};
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
pub use k8s_openapi::jiff::Timestamp;
pub use policy::{ArtifactSpec, FiguresSpec, OriginSpec, PublishSpec, TuningPolicy, TuningPolicySpec};
pub use problem::{
    ConstantSpec, DecaySpec, DirectionSpec, HyperparameterSpec, MetricSourceSpec, MetricSpec, ObjectiveSpec, ScaleSpec,
    ScheduleSpec,
};
pub use simple::{DrawsSpec, OrderSpec, OutputSpec, PolicyKindSpec, PrecisionSpec, SimpleSpec, WorldModelSpec};
pub use status::{
    ObjectiveStatus, Phase, PublishedStatus, RepetitionPhase, RepetitionStatus, ResolvedArtifact, ResolvedStatus,
    TrajectoriesStatus, TuningExperimentStatus,
};
pub use trajectory::{
    ContainerSpec, EnvSpec, MetricsPageSpec, PodSpec, TRAINER, TaskSpec, TemplateSpec, TrajectorySpec,
};
pub use validation::{Violation, check_update, validate, violations};
