//! Where a learner is found: a name of its own in DNS.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{LEARNER_PORT, Setting, metadata};
use crate::WorkloadName;

/// The headless Service of a learner. Found before it is ready, since it is asked how far it is.
pub(super) fn service(setting: &Setting<'_>, name: WorkloadName) -> Service {
    let port = ServicePort {
        name: Some("learner".to_owned()),
        port: i32::from(LEARNER_PORT),
        target_port: Some(IntOrString::Int(i32::from(LEARNER_PORT))),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    };
    Service {
        metadata: metadata::of_workload(setting, name),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            selector: Some(metadata::workload_labels(setting.experiment, name)),
            ports: Some(vec![port]),
            publish_not_ready_addresses: Some(true),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
