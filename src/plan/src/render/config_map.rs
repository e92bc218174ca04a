//! What the programs of a workload are started with.

use std::collections::BTreeMap;

use api::TuningExperiment;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use super::{Setting, metadata};
use crate::WorkloadName;

/// Its one file.
pub(super) const CONFIG: &str = "config.json";

/// Name of the configuration of a workload.
pub fn config_map_name(experiment: &TuningExperiment, name: WorkloadName) -> String {
    let full = name.of(experiment.metadata.name.as_deref().unwrap_or_default());
    metadata::unmistakable(experiment, &full)
}

/// The configuration of a workload.
pub(super) fn config_map(setting: &Setting<'_>, name: WorkloadName, config: &impl Serialize) -> ConfigMap {
    let text = serde_json::to_string(config).expect("plain data always serialises");
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(config_map_name(setting.experiment, name)),
            ..metadata::of_workload(setting, name)
        },
        data: Some(BTreeMap::from([(CONFIG.to_owned(), text)])),
        ..ConfigMap::default()
    }
}
