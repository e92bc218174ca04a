//! What the pods of our programs have in common: they need no privilege and get none, and find configuration and identity
//! in the same places.

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, EnvVar, EnvVarSource, ObjectFieldSelector, PodSecurityContext,
    ResourceRequirements, SeccompProfile, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use wire::tls::Role;

use super::config_map::{CONFIG, config_map_name};
use super::{Setting, secret};
use crate::WorkloadName;

/// Name of the volume with the configuration.
const CONFIG_VOLUME: &str = "trainpilot-config";
/// Name of the volume with the identity.
const IDENTITY_VOLUME: &str = "trainpilot-identity";
/// Where they are seen.
const CONFIG_FOLDER: &str = "/etc/trainpilot/config";
const IDENTITY_FOLDER: &str = "/etc/trainpilot/identity";
/// What a container that failed wrote last stays with its status, which is where the operator finds it.
pub(super) const LAST_WORDS: &str = "FallbackToLogsOnError";
/// Whom our images run as.
const USER: i64 = 65532;

/// The volumes of a workload's configuration and of the identity of `role`.
pub(super) fn volumes(setting: &Setting<'_>, name: WorkloadName, role: Role) -> Vec<Volume> {
    let experiment = setting.experiment;
    let source = ConfigMapVolumeSource { name: config_map_name(experiment, name), ..ConfigMapVolumeSource::default() };
    let config = Volume { name: CONFIG_VOLUME.to_owned(), config_map: Some(source), ..Volume::default() };
    vec![config, secret::volume(experiment, role, IDENTITY_VOLUME)]
}

/// Those volumes in one of our containers.
pub(super) fn mounts() -> Vec<VolumeMount> {
    [(CONFIG_VOLUME, CONFIG_FOLDER), (IDENTITY_VOLUME, IDENTITY_FOLDER)]
        .map(|(name, path)| VolumeMount { read_only: Some(true), ..mount(name, path) })
        .to_vec()
}

/// A volume in a container.
pub(super) fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.to_owned(), mount_path: path.to_owned(), ..VolumeMount::default() }
}

/// Where our programs look for what is mounted, and where they listen.
pub(super) fn environment(port: u16) -> Vec<EnvVar> {
    vec![
        variable("TRAINPILOT_CONFIG", &format!("{CONFIG_FOLDER}/{CONFIG}")),
        variable("TRAINPILOT_TLS", IDENTITY_FOLDER),
        variable("TRAINPILOT_LISTEN", &format!("0.0.0.0:{port}")),
    ]
}

/// A variable with a value.
pub(super) fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.to_owned()), ..EnvVar::default() }
}

/// A variable with something that the pod's metadata say.
pub(super) fn from_field(name: &str, path: &str) -> EnvVar {
    let field = ObjectFieldSelector { field_path: path.to_owned(), ..ObjectFieldSelector::default() };
    let source = EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() };
    EnvVar { name: name.to_owned(), value_from: Some(source), ..EnvVar::default() }
}

/// A pod of ours.
pub(super) fn pod_security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        ..users_pod_security()
    }
}

/// A pod of which we know nothing.
pub(super) fn users_pod_security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), ..SeccompProfile::default() }),
        ..PodSecurityContext::default()
    }
}

/// A container of ours.
pub(super) fn security() -> SecurityContext {
    SecurityContext {
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        ..users_security()
    }
}

/// A container of which we know nothing.
pub(super) fn users_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), ..Capabilities::default() }),
        ..SecurityContext::default()
    }
}

/// What a container of ours beside the user's asks for; where a quota is on that, none may ask for nothing.
pub(super) fn little() -> ResourceRequirements {
    let quantities = |pairs: [(&str, &str); 2]| {
        Some(pairs.map(|(name, quantity)| (name.to_owned(), Quantity(quantity.to_owned()))).into_iter().collect())
    };
    ResourceRequirements {
        requests: quantities([("cpu", "20m"), ("memory", "32Mi")]),
        limits: quantities([("cpu", "1"), ("memory", "128Mi")]),
        ..ResourceRequirements::default()
    }
}
