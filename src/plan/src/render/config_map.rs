//! What the programs of a workload are started with.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde::Serialize;

use super::{Setting, metadata};
use crate::WorkloadName;

/// Its one file.
pub(super) const CONFIG: &str = "config.json";

/// The configuration of a workload, named as it is.
pub(super) fn config_map(setting: &Setting<'_>, name: WorkloadName, config: &impl Serialize) -> ConfigMap {
    let text = serde_json::to_string(config).expect("plain data always serialises");
    ConfigMap {
        metadata: metadata::of_workload(setting, name),
        data: Some(BTreeMap::from([(CONFIG.to_owned(), text)])),
        ..ConfigMap::default()
    }
}
