//! How policies come about.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ScheduleSpec, SimpleSpec};

/// How policies come about. Exactly one of its fields is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.simple) ? 1 : 0) + (has(self.ppo) ? 1 : 0) + (has(self.fixed) ? 1 : 0) + (has(self.search) ? 1 : 0) + (has(self.random) ? 1 : 0) + (has(self.policy) ? 1 : 0) == 1")
    .message("expected exactly one of simple, ppo, fixed, search, random and policy"))]
pub struct AlgorithmSpec {
    /// Learn a Transformer policy by SimPLe (Kaiser et al. 2019): by PPO in trainings that a world model makes up, which
    /// is trained on all real ones so far. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simple: Option<SimpleSpec>,
    /// Learn a Transformer policy by PPO (Schulman et al. 2017) from real trajectories. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ppo: Option<PpoSpec>,
    /// Follow one recipe and learn nothing; only the final evaluation is gathered. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<FixedSpec>,
    /// Look for the best fixed recipe by random search; its trajectories are counted. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchSpec>,
    /// Draw every action with equal probability and learn nothing. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<RandomSpec>,
    /// Apply a policy that another experiment learned, and learn nothing. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicySpec>,
}

/// Named sets of defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PresetSpec {
    /// What was found to need the fewest trainings.
    #[default]
    Default,
    /// The talk and its code.
    Talk,
}

/// PPO. Every field that is not set takes the value of `preset`; three numbers in a description are those of `default`
/// on one training problem, of `default` on a distribution (several tasks, or an `initialRange`), and of `talk`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PpoSpec {
    /// Where values that are not set come from: `default` or `talk`. Default: default. Immutable.
    #[serde(default)]
    pub preset: PresetSpec,
    /// Rounds of gathering and learning. Default: 32, 64, 20. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub epochs: Option<u32>,
    /// Trajectories gathered in an epoch (B). Default: 16, 64, 128. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub trajectories_per_epoch: Option<u32>,
    /// Trajectories next to one another that share a task and starting values, so that their mean is a baseline for
    /// each; divides `trajectoriesPerEpoch`. Default: 1, 8, 1. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub group: Option<u32>,
    /// What the policy sees. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<InputsSpec>,
    /// Shape of the Transformer. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkSpec>,
    /// Adam's learning rate in the first epoch. Default: 0.01, 0.003, 0.001. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0), extend("exclusiveMinimum" = true))]
    pub learning_rate: Option<f64>,
    /// Adam's learning rate in the last epoch; in between it falls or rises geometrically. Default: `learningRate`
    /// where that is set, else 0.01, 0.0003, 0.001. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0), extend("exclusiveMinimum" = true))]
    pub final_learning_rate: Option<f64>,
    /// Learning rate of the weights within decoder blocks, relative to that of all others. Default: 0.3, 1, 1.
    /// Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0), extend("exclusiveMinimum" = true))]
    pub block_learning_rate: Option<f64>,
    /// Largest norm of a gradient; longer ones are scaled down, 0 leaves all as they are. Default: 0.5, 0.5, 0.
    /// Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub max_gradient_norm: Option<f64>,
    /// Optimizer steps per epoch, each on all its trajectories. Default: 10. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub optimizer_steps: Option<u32>,
    /// Half-width of the interval that probability ratios, and changes of the value, are clipped to.
    /// Default: 0.2, 0.2, 0.1. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0), extend("exclusiveMinimum" = true))]
    pub clip: Option<f64>,
    /// Weight of the value loss. Default: 1. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub value_weight: Option<f64>,
    /// Weight of the entropy bonus in the first epoch. Default: 0.01, 0.015, 0.1. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub entropy_weight: Option<f64>,
    /// Weight of the entropy bonus in the last epoch; in between it falls or rises geometrically. Default:
    /// `entropyWeight` where that is set, else 0.01, 0.002, 0.1. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub final_entropy_weight: Option<f64>,
    /// Estimated KL divergence, in nats, from the policy that acted beyond which an epoch's learning stops.
    /// Default: 0.02, 0.02, 0.1. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0), extend("exclusiveMinimum" = true))]
    pub target_kl: Option<f64>,
    /// Discount γ per env step. Default: 1. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub discount: Option<f64>,
    /// λ of generalised advantage estimation. Default: 0.95. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub gae_lambda: Option<f64>,
    /// What advantages are normalised over: not at all (`Raw`), a whole epoch (`PerEpoch`), each env step (`PerStep`),
    /// or each env step within each group (`PerGroup`). Default: PerStep, PerGroup, PerEpoch. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advantages: Option<AdvantagesSpec>,
}

// The definition shows this text in place of the field's.
/// What advantages are normalised over: not at all (`Raw`), a whole epoch (`PerEpoch`), each env step (`PerStep`), or
/// each env step within each group (`PerGroup`). Default: PerStep, PerGroup, PerEpoch. Immutable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AdvantagesSpec {
    /// Not at all.
    Raw,
    /// All decisions of an epoch together.
    PerEpoch,
    /// The decisions of each env step.
    PerStep,
    /// The decisions of each env step within each group.
    PerGroup,
}

/// What a policy sees. Parts that are not set follow the preset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.oneRange) || self.oneRange[0] < self.oneRange[1]")
    .message(Message::Expression("'oneRange is [%s, %s]: expected the lower number first'.format([self.oneRange[0], self.oneRange[1]])".into()))
    .field_path(".oneRange"))]
pub struct InputsSpec {
    /// The observed metrics. Default: true. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<bool>,
    /// The hyperparameters in force. Default: true. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hyperparameters: Option<bool>,
    /// The share of env steps that is over. Default: true; with `talk` false. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<bool>,
    /// The best objective so far. Default: false. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<bool>,
    /// Changes of the observed metrics since the last env step. Default: false. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differences: Option<bool>,
    /// One range for all metrics, without scale, in place of each metric's own. Default: none; with `talk` [0, 10].
    /// Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_range: Option<[f64; 2]>,
}

/// Shape of a Transformer policy. Parts that are not set follow the preset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.dModel) ? self.dModel : 64) % (has(self.heads) ? self.heads : 2) == 0")
    .message(Message::Expression("'heads is %s: expected a divisor of dModel, which is %s'.format([has(self.heads) ? self.heads : 2, has(self.dModel) ? self.dModel : 64])".into()))
    .field_path(".heads"))]
pub struct NetworkSpec {
    /// Width. Default: 64. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 4096))]
    pub d_model: Option<u32>,
    /// Inner width of the feed-forward layers. Default: 128. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16_384))]
    pub d_ff: Option<u32>,
    /// Decoder blocks. Default: 1. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub layers: Option<u32>,
    /// Attention heads; divides `dModel`. Default: 2. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub heads: Option<u32>,
    /// How large the first weights are by which a decoder block adds to what it is given, relative to the usual ones;
    /// near 0 the network starts as a linear one. Default: 0.1 on one training problem, else 1. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub block_gain: Option<f64>,
}

/// A recipe fixed beforehand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FixedSpec {
    /// Schedule of every hyperparameter without `complement` that `overrides` does not name. Default: each
    /// hyperparameter's own `schedule`, which those with `complement` follow in any case. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleSpec>,
    /// Schedules of single hyperparameters, by name. Default: none. Immutable.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub overrides: BTreeMap<String, ScheduleSpec>,
}

/// Random search for the best fixed recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.finalists <= self.candidates")
    .message(Message::Expression("'finalists is %s: expected at most candidates, which is %s'.format([self.finalists, self.candidates])".into()))
    .field_path(".finalists"))]
pub struct SearchSpec {
    /// Recipes tried once, in the first epoch. Immutable.
    #[schemars(range(min = 1, max = 100_000))]
    pub candidates: u32,
    /// Best of them that are tried again, in a second epoch; 0 leaves it out. Default: 4. Immutable.
    #[serde(default = "four")]
    #[schemars(range(min = 0, max = 1000))]
    pub finalists: u32,
    /// Trajectories for each finalist. Default: 4. Immutable.
    #[serde(default = "four")]
    #[schemars(range(min = 1, max = 1000))]
    pub trials: u32,
    /// Shapes to draw from, each as likely as the others; hyperparameters with `complement` stay constant.
    /// Default: [Constant, Linear, Cosine]. Immutable.
    #[serde(default = "all_shapes")]
    #[schemars(length(min = 1, max = 3))]
    pub decays: Vec<DecayShape>,
    /// Lowest and highest starting value to draw from, by hyperparameter. Default: `initialRange`, else `min` and
    /// `max`. Immutable.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub start_range: BTreeMap<String, [f64; 2]>,
}

/// Shape of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DecayShape {
    /// Stays as it is.
    Constant,
    /// Falls in a straight line to 0.
    Linear,
    /// Falls along half a cosine wave to 0.
    Cosine,
}

/// Nothing can be set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RandomSpec {}

/// A policy that is never changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicySpec {
    /// Where it comes from. Immutable.
    pub from: PolicySource,
}

/// Where a policy comes from. Exactly one of `path` and `policyRef` is set. Its metrics, hyperparameters and multipliers must
/// be those of this experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.path) != has(self.policyRef)").message("expected exactly one of path and policyRef"))]
pub struct PolicySource {
    /// Path, as the policy learner sees it, or URL of an artifact that `trainpilot policy export` or `spec.publish` wrote.
    /// `{repetition}` in it stands for the number of the repetition, so that each applies a policy of its own. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub path: Option<String>,
    /// A TuningPolicy of the same namespace. It is waited for, and looked up once. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_ref: Option<PolicyReference>,
}

/// A policy of a TuningPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyReference {
    /// Name of the TuningPolicy. Immutable.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Which of its experiment's repetitions. Default: the best. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 63))]
    pub repetition: Option<u32>,
}

fn four() -> u32 {
    4
}

fn all_shapes() -> Vec<DecayShape> {
    vec![DecayShape::Constant, DecayShape::Linear, DecayShape::Cosine]
}
