//! What surrounds learning: the final evaluation, the learners' resources, budgets.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PodResourceClaim, ResourceRequirements, Toleration};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::TaskSpec;

/// The trajectories gathered after the last epoch with the frozen policy; what results are quoted from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FinalEvaluationSpec {
    /// Trajectories. Their seeds are used by no learning, and are the same in every experiment of the same `seed`, so
    /// that results compare in pairs. Default: 32. Immutable.
    #[serde(default = "thirty_two")]
    #[schemars(range(min = 1, max = 100_000))]
    pub trajectories: u32,
    /// How actions are chosen from the policy's probabilities: `Sampled` or `Greedy` (the most probable one).
    /// Default: Sampled. Immutable.
    #[serde(default)]
    pub mode: ModeSpec,
    /// Tasks, which may be such that no learning saw, taken in turn: trajectory i has task i mod n.
    /// Default: those of `trajectory`. Immutable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b.name == a.name))")
        .message("two tasks have the same name: expected different ones"))]
    pub tasks: Vec<TaskSpec>,
}

impl Default for FinalEvaluationSpec {
    fn default() -> Self {
        Self { trajectories: thirty_two(), mode: ModeSpec::default(), tasks: Vec::new() }
    }
}

/// How actions are chosen from the policy's probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ModeSpec {
    /// Drawn.
    #[default]
    Sampled,
    /// The most probable one.
    Greedy,
}

/// When a newly published policy takes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PolicyUpdatesSpec {
    /// A trajectory keeps the policy it started with.
    #[default]
    AtTrajectoryStart,
    /// From the next decision on.
    Immediate,
}

/// What becomes of the volumes of learners when their experiment is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RetainSpec {
    /// They go with it.
    #[default]
    Nothing,
    /// They stay, with datasets, checkpoints and policies.
    Volumes,
}

/// What learners run on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LearnersSpec {
    /// The policy learners, one for each repetition. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<LearnerSpec>,
    /// The world-model learners, one for each repetition, where the algorithm is `simple`. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world_model: Option<LearnerSpec>,
}

/// What one learner runs on. Without meaning on one machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LearnerSpec {
    /// CPU, memory and devices, as in any container. Default: none. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Labels of the nodes it may run on. Default: any node. Immutable.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that it tolerates. Default: none. Immutable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Where it likes to be, beside which pods and on which nodes, as in any pod (`Affinity`). Default: none. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub affinity: Option<Value>,
    /// Priority class: one above that of the trainers keeps it where room is short. Default: the cluster's default. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// Resource claims of its pod, to which `resources.claims` refer (dynamic resource allocation). Default: none. Immutable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub resource_claims: Vec<PodResourceClaim>,
    /// Where it keeps what it knows: a policy learner dataset, checkpoints, policies and world models, a world-model learner
    /// what it goes on from. Default: a volume of 10Gi. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<StorageSpec>,
    /// Secret of the same namespace whose keys are variables by which object stores are reached, such as AWS_ACCESS_KEY_ID,
    /// AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT. It is mounted, and read by nobody but the learner. Default: none.
    /// Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub credentials_secret: Option<String>,
    /// Service account of its pod, where that is what object stores know it by. Default: the namespace's default.
    /// Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: Option<String>,
}

/// An object of Kubernetes' own, whose fields are passed on as they are.
fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// Where a learner keeps what it knows: a volume claim, or a place on an object store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.url) || (!has(self.size) && !has(self.className))")
    .message("url is set: expected no size and no className, which are of volumes")
    .field_path(".url"))]
pub struct StorageSpec {
    /// Size of the volume, such as 10Gi. Default: 10Gi. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Quantity>,
    /// Storage class of the volume. Default: the cluster's default. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_name: Option<String>,
    /// Place on an object store instead of a volume, such as s3://bucket/prefix (gs, az and abfss too); each repetition takes a
    /// folder of its own below it, in one of the experiment's own. The operator never deletes anything there. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^(s3|s3a|gs|az|abfs|abfss)://[^/?#@]+(/[^?#]*)?$')")
        .message("expected a URL such as s3://bucket/prefix, without user, query or fragment; schemes are s3, gs, az and abfss"))]
    pub url: Option<String>,
}

/// Trajectories of earlier experiments, which a world model begins with. Their metrics, hyperparameters, multipliers and
/// number of env steps must be those of this one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.from) && size(self.from) > 0) || (has(self.policyRefs) && size(self.policyRefs) > 0)")
    .message("expected at least one entry in from or policyRefs"))]
pub struct InitialDataSpec {
    /// Datasets (paths or URLs as `s3://bucket/prefix`), or folders of runs with one for each repetition. Final evaluations
    /// in them are left out. Default: none. Immutable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub from: Vec<String>,
    /// TuningPolicies of the same namespace, whose experiments' datasets are taken; they must lie on an object store. They are
    /// waited for, and looked up once. Default: none. Immutable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub policy_refs: Vec<DatasetReference>,
    /// Probability with which an example that the world model is trained on is one of those. Default: all trajectories are
    /// taken alike, 0.9. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: Option<f64>,
}

/// A TuningPolicy by whose experiment data was gathered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatasetReference {
    /// Name of the TuningPolicy. Immutable.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// When to stop learning early. The epoch being gathered is finished, then the final evaluation follows with the policy
/// as it stands; it is not counted. Raising a budget after that has no effect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetSpec {
    /// Trajectories to learn from, shared equally by the repetitions; no epoch is started that would pass it.
    /// Default: no limit. Mutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub trajectories: Option<u32>,
    /// Hours since the experiment was first worked on, suspension included, after which no epoch is started.
    /// Default: no limit. Mutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0), extend("exclusiveMinimum" = true))]
    pub hours: Option<f64>,
}

fn thirty_two() -> u32 {
    32
}
