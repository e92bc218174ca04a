//! SimPLe: a policy learned in trainings that a world model makes up.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{PpoSpec, PresetSpec};

/// Width of the world model, its default resolved as `wire::settings::WorldModelSettings` does (a test compares them).
macro_rules! d_model {
    () => {
        "(has(self.worldModel.dModel) ? self.worldModel.dModel : self.preset == 'talk' ? 256 : 64)"
    };
}
/// Its attention heads, likewise.
macro_rules! heads {
    () => {
        "(has(self.worldModel.heads) ? self.worldModel.heads : self.preset == 'talk' ? 4 : 2)"
    };
}

/// What the policy reads, likewise.
macro_rules! policy {
    () => {
        "(has(self.policy) ? self.policy : self.preset == 'talk' ? 'Symbols' : 'Continuous')"
    };
}
/// What the world model gives, likewise.
macro_rules! output {
    () => {
        "(has(self.worldModel) && has(self.worldModel.output) ? self.worldModel.output : self.preset == 'talk' ? 'Symbols' : 'Residual')"
    };
}

/// SimPLe. Every field that is not set takes the value of `preset`; two numbers in a description are those of `default`
/// and of `talk`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.ppo) || !(has(self.ppo.epochs) || has(self.ppo.trajectoriesPerEpoch))")
    .message("epochs and trajectoriesPerEpoch of ppo: expected none, since PPO learns in simulatedEpochs of simulatedTrajectories")
    .field_path(".ppo"))]
#[x_kube(validation = Rule::new("!has(self.ppo) || self.ppo.preset == 'default'")
    .message("preset of ppo: expected none, since that of simple counts")
    .field_path(".ppo.preset"))]
#[x_kube(validation = Rule::new(concat!("!has(self.worldModel) || ", d_model!(), " % ", heads!(), " == 0"))
    .message(Message::Expression(concat!("'heads is %s: expected a divisor of dModel, which is %s'.format([", heads!(), ", ", d_model!(), "])").into()))
    .field_path(".worldModel.heads"))]
#[x_kube(validation = Rule::new(concat!("!has(self.pessimism) || self.pessimism <= 0.0 || ", output!(), " != 'Symbols'"))
    .message("pessimism is set: expected none with a world model in Symbols, which draws one by one and expects nothing")
    .field_path(".pessimism"))]
#[x_kube(validation = Rule::new(concat!(policy!(), " != 'Symbols' || ", output!(), " == 'Symbols'"))
    .message(Message::Expression(concat!("'policy is Symbols: expected a world model with output Symbols, which is %s'.format([", output!(), "])").into()))
    .field_path(".policy"))]
#[x_kube(validation = Rule::new(concat!("!has(self.policyFromWorldModel) || ", policy!(), " == 'Symbols'"))
    .message("policyFromWorldModel is set: expected none, except with policy Symbols")
    .field_path(".policyFromWorldModel"))]
pub struct SimpleSpec {
    /// Where values that are not set come from: `default` or `talk`. Default: default. Immutable.
    #[serde(default)]
    pub preset: PresetSpec,
    /// Rounds of gathering and learning. Default: 4, 10. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub epochs: Option<u32>,
    /// Real trajectories gathered in an epoch. Default: 32, 128. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub trajectories_per_epoch: Option<u32>,
    /// PPO's epochs in simulation after each of them. Default: 50. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub simulated_epochs: Option<u32>,
    /// Trajectories of a simulated epoch (B). Default: 128. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub simulated_trajectories: Option<u32>,
    /// What is taken from a simulated reward, times the standard deviation over the world model's members of what they
    /// expected of the objective, relative to its range. Default: 0. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub pessimism: Option<f64>,
    /// Env steps of a simulated trajectory that begins at any env step of a real one, and whose end the policy's value
    /// judges; 0 goes from the first to the last. Default: 0. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub branch_env_steps: Option<u32>,
    /// What the policy reads: a vector for each observation (`Continuous`, of the sizes of `ppo`), or the symbols of the
    /// world model, with its architecture (`Symbols`). Default: Continuous, Symbols. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyKindSpec>,
    /// Whether a policy over symbols starts from the weights of the first world model. Default: true. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_from_world_model: Option<bool>,
    /// Whether the policy of each epoch is learned from scratch in simulation, or goes on from the one before.
    /// Default: false. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh_policy: Option<bool>,
    /// Whether the policy learns from the real trajectories of an epoch once, before the simulated ones.
    /// Default: false, true. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_epoch: Option<bool>,
    /// The world model. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world_model: Option<WorldModelSpec>,
    /// PPO in simulation; its `preset`, `epochs` and `trajectoriesPerEpoch` are not to be set. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ppo: Option<PpoSpec>,
}

/// A world model. Parts that are not set follow the preset of `simple`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorldModelSpec {
    /// What it gives: `Residual`, a mixture of Gaussians over the change of each metric in its own scale; `Buckets`,
    /// shares of intervals of that change; or `Symbols` of fixed-precision numbers. Default: Residual, Symbols. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputSpec>,
    /// Forecasters of the ensemble; each simulated trajectory is the work of one. Default: 4, 1. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub members: Option<u32>,
    /// Gaussians of a mixture, for `Residual`. Default: 4. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub components: Option<u32>,
    /// Intervals of each metric's change, for `Buckets`. Default: 32. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 4096))]
    pub buckets: Option<u32>,
    /// Whether the metrics of an env step are drawn `Together` or `InSequence`, for `Residual` and `Buckets`.
    /// Default: Together. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderSpec>,
    /// Size of the alphabet (V), for `Symbols`. Default: 128. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 4096))]
    pub vocabulary: Option<u32>,
    /// Symbols of a number (P), for `Symbols`. Default: 2. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4))]
    pub symbols: Option<u32>,
    /// What the loss of a symbol weighs, relative to that of the one before, for `Symbols`. Default: 0.8. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub significance_decay: Option<f64>,
    /// Positions of a bin of the attention window, which is a position's own bin and the one before, for `Symbols`; 0
    /// attends to everything. Default: 0, 256. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65_536))]
    pub window: Option<u32>,
    /// What simulation draws, for `Symbols`: only `Metrics`, or whole `Observations`, hyperparameters among them.
    /// Default: Metrics, Observations. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draws: Option<DrawsSpec>,
    /// Width. Default: 64, 256. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 4096))]
    pub d_model: Option<u32>,
    /// Inner width of the feed-forward layers. Default: 128, 512. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16_384))]
    pub d_ff: Option<u32>,
    /// Decoder blocks. Default: 2, 3. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub layers: Option<u32>,
    /// Attention heads; divides `dModel`. Default: 2, 4. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub heads: Option<u32>,
    /// Share of what a decoder block adds that is left out in training. Default: 0, 0.1. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 0.9))]
    pub dropout: Option<f64>,
    /// What layers multiply in: `Float32` or `BFloat16`. Default: Float32. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<PrecisionSpec>,
    /// Adam's learning rate after the warm-up. Default: 0.001. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0), extend("exclusiveMinimum" = true))]
    pub learning_rate: Option<f64>,
    /// Optimizer steps in which the learning rate rises to it. Default: 100, 10000. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub warm_up: Option<u32>,
    /// Weight decay, relative to the learning rate. Default: 0.01, 0. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 10.0))]
    pub weight_decay: Option<f64>,
    /// Trajectories of a batch. Default: 32. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub batch: Option<u32>,
    /// Most optimizer steps of the first epoch's training. Default: 4000, 70000. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub first_optimizer_steps: Option<u32>,
    /// Most optimizer steps of each later one, which goes on from the weights of the one before. Default: 4000, 10000.
    /// Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub optimizer_steps: Option<u32>,
    /// Share of each epoch's trajectories that is held out, to see when training is to end. Default: 0.125. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 0.9))]
    pub held_out: Option<f64>,
    /// Optimizer steps without a gain on those after which training ends; 0 goes on to the last one. Default: 100, 0.
    /// Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub patience: Option<u32>,
}

/// What a policy that is learned in simulation reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PolicyKindSpec {
    /// A vector for each observation.
    Continuous,
    /// The symbols of the world model.
    Symbols,
}

/// What a world model gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OutputSpec {
    /// A mixture of Gaussians over the change of each metric in its own scale.
    Residual,
    /// Shares of intervals of that change.
    Buckets,
    /// Symbols of fixed-precision numbers.
    Symbols,
}

/// Whether the metrics of an env step are drawn at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OrderSpec {
    /// At once.
    Together,
    /// One after the other, each knowing those before it.
    InSequence,
}

/// What a simulation in symbols draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DrawsSpec {
    /// Metrics; hyperparameters follow from actions.
    Metrics,
    /// Metrics and hyperparameters.
    Observations,
}

/// What layers multiply in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PrecisionSpec {
    /// 32-bit floats.
    Float32,
    /// 16-bit floats with the exponent of 32-bit ones.
    BFloat16,
}
