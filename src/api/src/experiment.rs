//! The kind `TuningExperiment`.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::trajectory::TrajectorySpec;
use crate::{
    AlgorithmSpec, BudgetSpec, FinalEvaluationSpec, HyperparameterSpec, InitialDataSpec, LearnersSpec, MetricSpec,
    ObjectiveSpec, PolicyUpdatesSpec, PublishSpec, RetainSpec, TuningExperimentStatus,
};

/// Whether an experiment has a distribution of problems, for which PPO's defaults differ.
macro_rules! distribution {
    () => {
        "((has(self.trajectory.tasks) && size(self.trajectory.tasks) > 1) || self.hyperparameters.exists(h, has(h.initialRange)))"
    };
}

/// PPO's group, its default resolved as `wire::settings::PpoSettings::of` does (a test compares them).
macro_rules! group {
    () => {
        concat!(
            "(has(self.algorithm.ppo.group) ? self.algorithm.ppo.group : (self.algorithm.ppo.preset == 'default' && ",
            distribution!(),
            ") ? 8 : 1)"
        )
    };
}

/// PPO's trajectories per epoch, likewise.
macro_rules! trajectories_per_epoch {
    () => {
        concat!(
            "(has(self.algorithm.ppo.trajectoriesPerEpoch) ? self.algorithm.ppo.trajectoriesPerEpoch : self.algorithm.ppo.preset == 'talk' ? 128 : ",
            distribution!(),
            " ? 64 : 16)"
        )
    };
}

/// Whether PPO normalises advantages within groups, likewise.
macro_rules! per_group {
    () => {
        concat!(
            "(has(self.algorithm.ppo.advantages) ? self.algorithm.ppo.advantages == 'PerGroup' : (self.algorithm.ppo.preset == 'default' && ",
            distribution!(),
            "))"
        )
    };
}

/// Whether the starting values of all tasks at `$place` name hyperparameters and keep to their bounds.
macro_rules! starts_within_bounds {
    ($place:literal) => {
        concat!(
            "!has(self.",
            $place,
            ") || self.",
            $place,
            ".all(t, !has(t.initial) || t.initial.all(k, self.hyperparameters.exists(h, h.name == k && t.initial[k] >= h.min && t.initial[k] <= h.max)))"
        )
    };
}

const UNCHANGED: &str = "cannot be changed: expected what the experiment was made with";
const STARTS: &str = "initial of a task: expected names of hyperparameters, and values from their min to their max";

/// What a TuningExperiment should do: learn (or apply) a policy for a family of trainings.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "trainpilot.dev",
    version = "v1alpha1",
    kind = "TuningExperiment",
    plural = "tuningexperiments",
    shortname = "tx",
    category = "trainpilot",
    namespaced,
    status = "TuningExperimentStatus",
    derive = "PartialEq",
    doc = "Learns, from many trainings that run side by side, a policy that tunes the hyperparameters of trainings while they run.",
    scale(
        spec_replicas_path = ".spec.parallelism",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Algorithm", type_ = "string", json_path = ".status.algorithm"),
    printcolumn(name = "Epoch", type_ = "string", json_path = ".status.epoch"),
    printcolumn(name = "Running", type_ = "integer", json_path = ".status.trajectories.running"),
    printcolumn(name = "Completed", type_ = "integer", json_path = ".status.trajectories.completed"),
    printcolumn(name = "Best", type_ = "number", json_path = ".status.objective.best"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([a-z0-9-]*[a-z0-9])?$')")
        .message("metadata.name: expected at most 40 lower-case letters, digits and inner hyphens, a letter first, since other names are made from it")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.metrics.exists(m, m.name == self.objective.metric)")
    .message(Message::Expression("'objective.metric is %s: expected the name of one of metrics'.format([self.objective.metric])".into()))
    .field_path(".objective.metric"))]
#[x_kube(validation = Rule::new("self.metrics.exists(m, has(m.from)) == has(self.trajectory.metricsPage)")
    .message("expected metricsPage if, and only if, some of metrics have from: it is the page that they are read on")
    .field_path(".trajectory.metricsPage"))]
#[x_kube(validation = Rule::new(concat!("!has(self.algorithm.ppo) || ", trajectories_per_epoch!(), " % ", group!(), " == 0"))
    .message(Message::Expression(concat!("'group is %s: expected a divisor of trajectoriesPerEpoch, which is %s'.format([", group!(), ", ", trajectories_per_epoch!(), "])").into()))
    .field_path(".algorithm.ppo.group"))]
#[x_kube(validation = Rule::new(concat!("!has(self.algorithm.ppo) || !", per_group!(), " || ", group!(), " > 1"))
    .message("group is 1: expected at least 2 with advantages PerGroup, since a trajectory alone has no baseline")
    .field_path(".algorithm.ppo.group"))]
#[x_kube(validation = Rule::new("!has(self.algorithm.fixed) || !has(self.algorithm.fixed.overrides) || self.algorithm.fixed.overrides.all(k, self.hyperparameters.exists(h, h.name == k))")
    .message("overrides: expected names of hyperparameters")
    .field_path(".algorithm.fixed.overrides"))]
#[x_kube(validation = Rule::new("!has(self.algorithm.search) || !has(self.algorithm.search.startRange) || self.algorithm.search.startRange.all(k, self.hyperparameters.exists(h, h.name == k && h.min <= self.algorithm.search.startRange[k][0] && self.algorithm.search.startRange[k][0] < self.algorithm.search.startRange[k][1] && self.algorithm.search.startRange[k][1] <= h.max))")
    .message("startRange: expected names of hyperparameters, each with two values from its min to its max, the lower one first")
    .field_path(".algorithm.search.startRange"))]
#[x_kube(validation = Rule::new(starts_within_bounds!("trajectory.tasks")).message(STARTS).field_path(".trajectory.tasks"))]
#[x_kube(validation = Rule::new(starts_within_bounds!("finalEvaluation.tasks")).message(STARTS).field_path(".finalEvaluation.tasks"))]
#[x_kube(validation = Rule::new("!has(self.initialData) || has(self.algorithm.simple)")
    .message("initialData is set: expected none, except with algorithm simple")
    .field_path(".initialData"))]
#[x_kube(validation = Rule::new("!has(self.learners.worldModel) || has(self.algorithm.simple)")
    .message("worldModel is set: expected none, except with algorithm simple")
    .field_path(".learners.worldModel"))]
#[x_kube(validation = Rule::new("has(self.initialData) == has(oldSelf.initialData) && (!has(self.initialData) || self.initialData == oldSelf.initialData)").message(UNCHANGED).field_path(".initialData"))]
#[x_kube(validation = Rule::new("has(self.publish) == has(oldSelf.publish) && (!has(self.publish) || self.publish == oldSelf.publish)").message(UNCHANGED).field_path(".publish"))]
#[x_kube(validation = Rule::new("self.seed == oldSelf.seed").message(UNCHANGED).field_path(".seed"))]
#[x_kube(validation = Rule::new("self.repetitions == oldSelf.repetitions").message(UNCHANGED).field_path(".repetitions"))]
#[x_kube(validation = Rule::new("self.objective == oldSelf.objective").message(UNCHANGED).field_path(".objective"))]
#[x_kube(validation = Rule::new("self.metrics == oldSelf.metrics").message(UNCHANGED).field_path(".metrics"))]
#[x_kube(validation = Rule::new("self.hyperparameters == oldSelf.hyperparameters").message(UNCHANGED).field_path(".hyperparameters"))]
#[x_kube(validation = Rule::new("self.multipliers == oldSelf.multipliers").message(UNCHANGED).field_path(".multipliers"))]
#[x_kube(validation = Rule::new("self.trajectory == oldSelf.trajectory").message(UNCHANGED).field_path(".trajectory"))]
#[x_kube(validation = Rule::new("self.algorithm == oldSelf.algorithm").message(UNCHANGED).field_path(".algorithm"))]
#[x_kube(validation = Rule::new("self.learners == oldSelf.learners").message(UNCHANGED).field_path(".learners"))]
#[x_kube(validation = Rule::new("self.finalEvaluation == oldSelf.finalEvaluation").message(UNCHANGED).field_path(".finalEvaluation"))]
#[x_kube(validation = Rule::new("self.policyUpdates == oldSelf.policyUpdates").message(UNCHANGED).field_path(".policyUpdates"))]
#[x_kube(validation = Rule::new("self.retain == oldSelf.retain").message(UNCHANGED).field_path(".retain"))]
pub struct TuningExperimentSpec {
    /// Seed of everything that is drawn: seeds, tasks and starting values of trajectories, first weights of networks.
    /// Default: 0. Immutable.
    #[serde(default)]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub seed: u64,
    /// Independent copies of the experiment, each with its own draws, learner and policy. Default: 1. Immutable.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 64))]
    pub repetitions: u32,
    /// Trajectories running at once, over all repetitions; what `kubectl scale` changes. 0 starts none. Lowering it may
    /// stop running attempts, which are tried again later. Default: 8. Mutable.
    #[serde(default = "eight")]
    #[schemars(range(min = 0, max = 100_000))]
    pub parallelism: u32,
    /// Stops everything that runs and keeps everything learned; set to false again, it goes on where it was (and tries
    /// again what had failed). Default: false. Mutable.
    #[serde(default)]
    pub suspend: bool,
    /// What a policy is rewarded for. Immutable.
    pub objective: ObjectiveSpec,
    /// What the trainer measures; it reports every one of them at every env step. Immutable.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b.name == a.name))")
        .message("two metrics have the same name: expected different ones"))]
    pub metrics: Vec<MetricSpec>,
    /// What the policy steers. Immutable.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b.name == a.name))")
        .message("two hyperparameters have the same name: expected different ones"))]
    pub hyperparameters: Vec<HyperparameterSpec>,
    // Offline, a whole number is an integer: it has an order among fractions, but `==` would call it another kind.
    /// What an action multiplies a hyperparameter by (x, or 1 − x with `complement`), on top of its schedule. Exactly
    /// one of them is 1.0, which keeps it. Default: [0.5, 0.8, 0.95, 1.0, 1.05, 1.25, 2.0]. Immutable.
    #[serde(default = "seven")]
    #[schemars(length(min = 2, max = 32))]
    #[x_kube(validation = Rule::new("self.exists_one(m, m >= 1.0 && m <= 1.0)").message("expected exactly one multiplier that is 1.0, which keeps a value"))]
    #[x_kube(validation = Rule::new("self.all(m, m > 0.0)").message("expected only multipliers above 0"))]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b == a))").message("two multipliers are equal: expected different ones"))]
    pub multipliers: Vec<f64>,
    /// What one training is: how long, which tasks, how it is started. Immutable.
    pub trajectory: TrajectorySpec,
    /// How policies come about. Immutable.
    pub algorithm: AlgorithmSpec,
    /// Trajectories of earlier experiments, for algorithm `simple`. Default: none. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_data: Option<InitialDataSpec>,
    /// What learners run on. Default: nothing special. Immutable.
    #[serde(default)]
    pub learners: LearnersSpec,
    /// The trajectories gathered after the last epoch with the frozen policy. Default: 32, sampled. Immutable.
    #[serde(default)]
    pub final_evaluation: FinalEvaluationSpec,
    /// When a newly published policy takes over: `AtTrajectoryStart`, for trajectories that start later, or
    /// `Immediate`, from the next decision of every trajectory on. The algorithms of this version publish between epochs,
    /// when no trajectory of theirs runs: with them it makes no difference. Default: AtTrajectoryStart. Immutable.
    #[serde(default)]
    pub policy_updates: PolicyUpdatesSpec,
    /// What stays when the experiment is deleted: `Nothing`, or the `Volumes` of its learners. Without meaning on one machine.
    /// Default: Nothing. Immutable.
    #[serde(default)]
    pub retain: RetainSpec,
    /// Leaves the policies where other experiments find them, and writes a TuningPolicy that says where. Default: not.
    /// Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<PublishSpec>,
    /// When to stop learning early. Default: never. Mutable.
    #[serde(default)]
    pub budget: BudgetSpec,
}

fn one() -> u32 {
    1
}

fn eight() -> u32 {
    8
}

fn seven() -> Vec<f64> {
    vec![0.5, 0.8, 0.95, 1.0, 1.05, 1.25, 2.0]
}
