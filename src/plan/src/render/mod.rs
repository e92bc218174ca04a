//! Wanted workloads as Kubernetes objects: one kind, one file. Pure, so that a plan can be looked at without a cluster.

mod config_map;
mod job;
mod metadata;
mod network_policy;
mod pod;
mod secret;
mod service;
mod stateful_set;
mod tasks;

use api::{TuningExperiment, Violation};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use config_map::config_map_name;
pub use job::AGENT_CONTAINER;
pub use metadata::experiment_labels;
pub(crate) use metadata::unmistakable;
pub use network_policy::network_policies;
pub use secret::{authority_in, authority_secret, authority_secret_name, identity_in, secret, secret_name};
pub use stateful_set::{LEARNER_CONTAINER, STORAGE_VOLUME};

use crate::{Workload, WorkloadName};

/// Port at which agents are scraped and told, under mutual TLS.
pub const AGENT_PORT: u16 = 8091;
/// Port at which learners answer, under mutual TLS.
pub const LEARNER_PORT: u16 = 8092;
/// Port at which a trainer finds its agent, on loopback.
const TRAINER_PORT: u16 = 8090;

/// What objects are made of, beside the workload itself.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The experiment that owns them; it comes from an apiserver.
    pub experiment: &'a TuningExperiment,
    /// Where our own programs are found.
    pub images: &'a Images,
}

/// Images of our own programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Of agents.
    pub agent: String,
    /// Of learners.
    pub learner: String,
    /// When they are pulled, as in any container; the cluster's default where there is none.
    pub pull_policy: Option<String>,
}

/// What a workload consists of, in the order in which it is to be made.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Object {
    /// What its programs are started with.
    ConfigMap(Box<ConfigMap>),
    /// Where a learner is found.
    Service(Box<Service>),
    /// A learner.
    StatefulSet(Box<StatefulSet>),
    /// A batch.
    Job(Box<Job>),
}

/// Why a workload can't be made of what the experiment says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Something that is handed on to Kubernetes is not of its kind.
    #[error("{field}: {sentence}")]
    Foreign {
        /// Which field of the experiment.
        field: &'static str,
        /// Where in it, and what is wrong there.
        sentence: String,
    },
    /// A field that has no meaning in a cluster yet.
    #[error("{field}: {sentence}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        sentence: &'static str,
    },
}

impl RenderError {
    /// The same as a mistake of whoever wrote the experiment, with its place apart.
    pub fn violation(&self) -> Violation {
        let (path, message) = match self {
            Self::Foreign { field, sentence } => (*field, sentence.as_str()),
            Self::Field { field, sentence } => (*field, *sentence),
        };
        Violation { path: path.to_owned(), message: message.to_owned() }
    }
}

/// The objects of a workload.
///
/// # Errors
/// If the experiment says something that no object can be made of.
pub fn render(setting: &Setting<'_>, workload: &Workload) -> Result<Vec<Object>, RenderError> {
    let name = workload.name();
    match workload {
        Workload::PolicyLearner { config, .. } => learner(setting, name, config, None),
        Workload::WorldModelLearner { policy_learner, config } => learner(setting, name, config, Some(policy_learner)),
        Workload::Batch { trajectories, parallelism, agent } => Ok(vec![
            Object::ConfigMap(Box::new(config_map::config_map(setting, name, agent.as_ref()))),
            Object::Job(Box::new(job::job(setting, *trajectories, *parallelism, agent)?)),
        ]),
    }
}

/// Where the policy learner of a repetition is found in the cluster, whether or not it exists.
pub fn learner_address(experiment: &str, namespace: &str, repetition: u32) -> String {
    let name = WorkloadName::PolicyLearner { repetition }.of(experiment);
    format!("{name}-0.{name}.{namespace}.svc:{LEARNER_PORT}")
}

/// What the apiserver will understand of something that is handed on to it.
fn typed<T: DeserializeOwned>(field: &'static str, given: Value) -> Result<T, RenderError> {
    serde_path_to_error::deserialize(given).map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.into_inner());
        RenderError::Foreign { field, sentence: format!("{path}: {inner}") }
    })
}

fn learner(
    setting: &Setting<'_>,
    name: WorkloadName,
    config: &wire::settings::LearnerConfig,
    policy_learner: Option<&str>,
) -> Result<Vec<Object>, RenderError> {
    Ok(vec![
        Object::ConfigMap(Box::new(config_map::config_map(setting, name, config))),
        Object::Service(Box::new(service::service(setting, name))),
        Object::StatefulSet(Box::new(stateful_set::stateful_set(setting, name, config, policy_learner)?)),
    ])
}
