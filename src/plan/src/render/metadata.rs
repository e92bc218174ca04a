//! What all objects of an experiment have in common.

use std::collections::BTreeMap;

use api::{TuningExperiment, labels};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::Setting;
use crate::WorkloadName;

/// Labels of everything that belongs to an experiment.
pub fn experiment_labels(experiment: &TuningExperiment) -> BTreeMap<String, String> {
    let name = experiment.metadata.name.clone().unwrap_or_default();
    BTreeMap::from([
        (labels::EXPERIMENT.to_owned(), name),
        ("app.kubernetes.io/part-of".to_owned(), "trainpilot".to_owned()),
    ])
}

/// Metadata of an object of the experiment; it goes away with it.
pub(super) fn of_experiment(experiment: &TuningExperiment, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: experiment.metadata.namespace.clone(),
        labels: Some(experiment_labels(experiment)),
        owner_references: Some(vec![owner(experiment)]),
        ..ObjectMeta::default()
    }
}

/// Metadata of an object of a workload.
pub(super) fn of_workload(setting: &Setting<'_>, name: WorkloadName) -> ObjectMeta {
    let experiment = setting.experiment;
    let full = name.of(experiment.metadata.name.as_deref().unwrap_or_default());
    ObjectMeta { labels: Some(workload_labels(experiment, name)), ..of_experiment(experiment, full) }
}

/// A name that no earlier experiment of the same name has used. Nodes remember the content of Secrets and ConfigMaps by their
/// names, and would give it to the pods of the next one.
pub(crate) fn unmistakable(experiment: &TuningExperiment, name: &str) -> String {
    let uid = experiment.metadata.uid.as_deref().unwrap_or_default();
    format!("{name}-{}", uid.split('-').next().unwrap_or_default())
}

/// Labels of the pods of a workload, and of its objects.
pub(super) fn workload_labels(experiment: &TuningExperiment, name: WorkloadName) -> BTreeMap<String, String> {
    let (role, repetition, epoch) = match name {
        WorkloadName::PolicyLearner { repetition } => (labels::POLICY_LEARNER, repetition, None),
        WorkloadName::WorldModelLearner { repetition } => (labels::WORLD_MODEL_LEARNER, repetition, None),
        WorkloadName::Batch { repetition, epoch } => (labels::TRAJECTORY, repetition, Some(epoch)),
    };
    let own = [(labels::ROLE, role.to_owned()), (labels::REPETITION, repetition.to_string())];
    let epoch = epoch.map(|epoch| (labels::EPOCH, epoch.to_string()));
    let own = own.into_iter().chain(epoch).map(|(label, value)| (label.to_owned(), value));
    experiment_labels(experiment).into_iter().chain(own).collect()
}

fn owner(experiment: &TuningExperiment) -> OwnerReference {
    OwnerReference {
        api_version: "trainpilot.dev/v1alpha1".to_owned(),
        kind: "TuningExperiment".to_owned(),
        name: experiment.metadata.name.clone().unwrap_or_default(),
        uid: experiment.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
