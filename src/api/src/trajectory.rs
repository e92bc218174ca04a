//! What a trajectory is: how long, which tasks, and how its trainer is started.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Name of the container that holds the user's training.
pub const TRAINER: &str = "trainer";

/// One complete training of the user's model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrajectorySpec {
    /// Env steps (T): how often the trainer reports metrics and receives new hyperparameters. Immutable.
    #[schemars(range(min = 1, max = 100_000))]
    pub env_steps: u32,
    /// Seconds that one attempt may take before it counts as failed. Default: 86400. Immutable.
    #[serde(default = "a_day")]
    #[schemars(range(min = 1, max = 31_536_000))]
    pub deadline_seconds: u32,
    /// How often a failed attempt is replaced by a new one before the trajectory counts as lost. Default: 3. Immutable.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 100))]
    pub retries: u32,
    /// Page of Prometheus text on which the trainer shows the metrics that have `from`. Default: none. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_page: Option<MetricsPageSpec>,
    /// Training problems: each trajectory draws one by its seed. Default: one problem without a name. Immutable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b.name == a.name))")
        .message("two tasks have the same name: expected different ones"))]
    pub tasks: Vec<TaskSpec>,
    /// The pod that trains. The container named `trainer` is the user's; run on one machine, its `command`, `args` and
    /// `env` start a process and everything else is ignored. Immutable.
    pub template: TemplateSpec,
}

/// A trainer's own page of Prometheus text, on loopback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricsPageSpec {
    /// Port that the trainer listens at, also told to it as `TRAINPILOT_METRICS_PORT`. On one machine, where trainings run side by
    /// side, it has to go by that variable, which then names a free port. Immutable.
    #[schemars(range(min = 1, max = 65535))]
    #[x_kube(validation = Rule::new("self < 8090 || self > 8091").message(Message::Expression("'port is %s: expected another one than 8090 and 8091, which are the agent\\'s'.format([self])".into())))]
    pub port: u16,
    /// Path of the page. Default: /metrics. Immutable.
    #[serde(default = "metrics_path")]
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new("self.startsWith('/')").message(Message::Expression("'path is %s: expected a slash first'.format([self])".into())))]
    pub path: String,
}

/// A training problem.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskSpec {
    /// Name, as recorded in the dataset and told to the trainer. Immutable.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9_][A-Za-z0-9_./-]*$')").message(Message::Expression("'name is %s: expected letters, digits and _ . / -'.format([self])".into())))]
    pub name: String,
    /// How often it is drawn, relative to the others; above 0. The final evaluation takes tasks in turn instead.
    /// Default: 1. Immutable.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0), extend("exclusiveMinimum" = true))]
    pub weight: f64,
    /// Environment variables added to the trainer's, over those of the same name. Default: none. Immutable.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub env: BTreeMap<String, String>,
    /// Arguments added after the trainer's. Default: none. Immutable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub args: Vec<String>,
    /// Starting values for this task, by hyperparameter, in place of `initial` and `initialRange`. Default: none.
    /// Immutable.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub initial: BTreeMap<String, f64>,
}

/// A pod template (`PodTemplateSpec`): fields not named here are passed on as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct TemplateSpec {
    /// The pod. Immutable.
    pub spec: PodSpec,
    /// Whatever else was written, such as `metadata`.
    #[serde(flatten)]
    #[schemars(skip)]
    pub rest: BTreeMap<String, Value>,
}

/// A pod (`PodSpec`): fields not named here are passed on as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
#[x_kube(validation = Rule::new("self.containers.exists(c, c.name == 'trainer')")
    .message("expected a container named trainer")
    .field_path(".containers"))]
#[x_kube(validation = Rule::new("self.containers.all(c, c.name != 'trainer' || (has(c.command) && size(c.command) > 0))")
    .message("the container named trainer has no command: expected the program that trains")
    .field_path(".containers"))]
pub struct PodSpec {
    /// Containers; the one named `trainer` trains. Immutable.
    #[schemars(length(min = 1, max = 32))]
    pub containers: Vec<ContainerSpec>,
    /// Whatever else was written, such as `nodeSelector` or `tolerations`.
    #[serde(flatten)]
    #[schemars(skip)]
    pub rest: BTreeMap<String, Value>,
}

/// A container (`Container`): fields not named here are passed on as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct ContainerSpec {
    /// Name; `trainer` for the user's training. Immutable.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Program and first arguments. Immutable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    pub command: Vec<String>,
    /// Further arguments. Immutable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    pub args: Vec<String>,
    /// Environment variables. Immutable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    pub env: Vec<EnvSpec>,
    /// Whatever else was written, such as `image` or `resources`.
    #[serde(flatten)]
    #[schemars(skip)]
    pub rest: BTreeMap<String, Value>,
}

/// An environment variable (`EnvVar`): fields not named here are passed on as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct EnvSpec {
    /// Name. Immutable.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Value. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Whatever else was written, such as `valueFrom`, which has no meaning on one machine.
    #[serde(flatten)]
    #[schemars(skip)]
    pub rest: BTreeMap<String, Value>,
}

impl TemplateSpec {
    /// The container named `trainer`.
    ///
    /// # Panics
    /// If validation would have refused the template.
    pub fn trainer(&self) -> &ContainerSpec {
        let trainer = self.spec.containers.iter().find(|container| container.name == TRAINER);
        trainer.expect("a valid template has a container named trainer")
    }
}

fn metrics_path() -> String {
    "/metrics".to_owned()
}

fn one() -> f64 {
    1.0
}

fn three() -> u32 {
    3
}

fn a_day() -> u32 {
    86_400
}
