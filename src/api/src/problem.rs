//! What is measured, what is steered, what is better.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a policy is rewarded for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectiveSpec {
    /// Name of one of `metrics`. The reward of a decision is its improvement over the next env step, in units of its
    /// `range`. Immutable.
    #[schemars(length(min = 1, max = 63))]
    pub metric: String,
    /// Which way is better: `Maximize` or `Minimize`. Default: Maximize. Immutable.
    #[serde(default)]
    pub direction: DirectionSpec,
}

/// Which way an objective is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DirectionSpec {
    /// Higher is better.
    #[default]
    Maximize,
    /// Lower is better.
    Minimize,
}

/// A number that the trainer measures at every env step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.range[0] < self.range[1]")
    .message(Message::Expression("'range is [%s, %s]: expected the lower number first'.format([self.range[0], self.range[1]])".into()))
    .field_path(".range"))]
pub struct MetricSpec {
    /// Name under which the trainer reports it. Immutable.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9_][A-Za-z0-9_./-]*$')").message(Message::Expression("'name is %s: expected letters, digits and _ . / -'.format([self])".into())))]
    pub name: String,
    /// Lowest and highest value worth telling apart, in the metric's own unit; values outside are clipped for policies
    /// and rewards, and recorded as they are. Immutable.
    pub range: [f64; 2],
    /// How the range is bent before a network sees it: `Linear`; `Log`, finer towards the low end, for losses; or
    /// `Logit`, finer towards both ends, for accuracies. Default: Linear. Immutable.
    #[serde(default)]
    pub scale: ScaleSpec,
    /// Where it is read if the trainer does not report it. Default: the trainer reports it. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<MetricSourceSpec>,
    /// Whether policies see it. Others are only recorded, which is what a test split wants. Default: true. Immutable.
    #[serde(default = "yes")]
    pub observed: bool,
}

/// Where a metric is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricSourceSpec {
    /// A sample on the page that `trajectory.metricsPage` names, such as `eval_loss{split="valid"}`: it is read when the trainer
    /// reports an env step without this metric. Labels that are not named may have any value; exactly one sample must be left.
    /// Immutable.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new(r#"self.matches('^[a-zA-Z_:][a-zA-Z0-9_:]*([{][a-zA-Z_][a-zA-Z0-9_]*="[^"{}\\\\]*"(,[a-zA-Z_][a-zA-Z0-9_]*="[^"{}\\\\]*")*[}])?$')"#).message(Message::Expression("'prometheus is %s: expected a name, and perhaps labels, as in eval_loss{split=\"valid\"}'.format([self])".into())))]
    pub prometheus: String,
}

/// How a metric's range is bent before a network sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ScaleSpec {
    /// As it is.
    #[default]
    Linear,
    /// Finer towards the low end.
    Log,
    /// Finer towards both ends.
    Logit,
}

/// A number that the policy steers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.min < self.max")
    .message(Message::Expression("'min is %s and max is %s: expected min below max'.format([self.min, self.max])".into()))
    .field_path(".min"))]
#[x_kube(validation = Rule::new("self.complement || self.min > 0.0")
    .message(Message::Expression("'min is %s: expected more than 0, since steps are multiplications; numbers near 1, such as momentum, take complement: true'.format([self.min])".into()))
    .field_path(".min"))]
#[x_kube(validation = Rule::new("!self.complement || self.max < 1.0")
    .message(Message::Expression("'max is %s: expected less than 1 with complement, since 1 - x is what is steered'.format([self.max])".into()))
    .field_path(".max"))]
#[x_kube(validation = Rule::new("has(self.initial) != has(self.initialRange)")
    .message(Message::Expression("'expected exactly one of initial and initialRange for %s'.format([self.name])".into()))
    .field_path(".initial"))]
#[x_kube(validation = Rule::new("!has(self.initial) || (self.initial >= self.min && self.initial <= self.max)")
    .message(Message::Expression("'initial is %s: expected a value from min %s to max %s'.format([self.initial, self.min, self.max])".into()))
    .field_path(".initial"))]
#[x_kube(validation = Rule::new("!has(self.initialRange) || (self.initialRange[0] < self.initialRange[1] && self.initialRange[0] >= self.min && self.initialRange[1] <= self.max)")
    .message(Message::Expression("'initialRange is [%s, %s]: expected the lower number first, both from min %s to max %s'.format([self.initialRange[0], self.initialRange[1], self.min, self.max])".into()))
    .field_path(".initialRange"))]
pub struct HyperparameterSpec {
    /// Name under which the trainer receives it. Immutable.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9_][A-Za-z0-9_./-]*$')").message(Message::Expression("'name is %s: expected letters, digits and _ . / -'.format([self])".into())))]
    pub name: String,
    /// Value at the start of every trajectory, in the hyperparameter's own unit. Exactly one of `initial` and
    /// `initialRange`. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<f64>,
    /// Lowest and highest starting value: each trajectory draws its own, uniformly in the logarithm (of 1 − x with
    /// `complement`). Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_range: Option<[f64; 2]>,
    /// Lowest value that may be set; above 0 unless `complement`. Immutable.
    pub min: f64,
    /// Highest value that may be set; below 1 with `complement`. Immutable.
    pub max: f64,
    /// Steer 1 − x instead of x: for numbers near 1, such as momentum. Default: false. Immutable.
    #[serde(default)]
    pub complement: bool,
    /// Recipe that the value follows while the policy keeps it; multipliers act on top. Default: constant. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleSpec>,
}

/// A factor on the starting value for each env step. Exactly one of its fields is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.constant) ? 1 : 0) + (has(self.linear) ? 1 : 0) + (has(self.cosine) ? 1 : 0) == 1")
    .message("expected exactly one of constant, linear and cosine"))]
pub struct ScheduleSpec {
    /// Stays at 1. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constant: Option<ConstantSpec>,
    /// Falls in a straight line. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear: Option<DecaySpec>,
    /// Falls along half a cosine wave. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosine: Option<DecaySpec>,
}

/// A schedule that stays where its warm-up ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConstantSpec {
    /// Env steps during which the factor rises linearly to 1. Default: 0. Immutable.
    #[serde(default)]
    pub warm_up: u32,
}

/// A schedule that falls after its warm-up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecaySpec {
    /// Factor reached at the end of the trajectory. Default: 0. Immutable.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub to: f64,
    /// Env steps during which the factor rises linearly to 1, before it falls. Default: 0. Immutable.
    #[serde(default)]
    pub warm_up: u32,
}

fn yes() -> bool {
    true
}
