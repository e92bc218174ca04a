//! A learner: one replica with a volume or a place on an object store of its own, which is what it knows.

use std::collections::BTreeMap;

use api::{LearnerSpec, RetainSpec, StorageSpec, labels};
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec};
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EmptyDirVolumeSource, EnvVar, PersistentVolumeClaim, PersistentVolumeClaimSpec, PodSpec,
    PodTemplateSpec, SecretVolumeSource, Volume, VolumeMount, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use wire::settings::LearnerConfig;
use wire::tls::Role;

use super::{LEARNER_PORT, RenderError, Setting, metadata, pod, typed};
use crate::{WorkloadName, publication};

/// Name of a learner's container.
pub const LEARNER_CONTAINER: &str = "learner";
/// Name of the volume with what a learner keeps, and where it is seen.
pub const STORAGE_VOLUME: &str = "storage";
const STORAGE_FOLDER: &str = "/var/lib/trainpilot";
/// The same of what says how object stores are reached.
const CREDENTIALS: &str = "credentials";
const CREDENTIALS_FOLDER: &str = "/etc/trainpilot/credentials";
/// Size of the volume, unless the user says otherwise.
const SIZE: &str = "10Gi";

/// The StatefulSet of a learner. `policy_learner` is where a world-model learner reaches its policy learner.
pub(super) fn stateful_set(
    setting: &Setting<'_>,
    name: WorkloadName,
    config: &LearnerConfig,
    policy_learner: Option<&str>,
) -> Result<StatefulSet, RenderError> {
    let learners = &setting.experiment.spec.learners;
    let spec = if policy_learner.is_some() { &learners.world_model } else { &learners.policy };
    let spec = spec.clone().unwrap_or_default();
    let labels = metadata::workload_labels(setting.experiment, name);
    let mut metadata = metadata::of_workload(setting, name);
    let epochs = BTreeMap::from([(labels::EPOCHS.to_owned(), config.epochs.to_string())]);
    metadata.annotations = Some(epochs.clone());
    Ok(StatefulSet {
        spec: Some(StatefulSetSpec {
            replicas: Some(1),
            service_name: metadata.name.clone(),
            selector: LabelSelector { match_labels: Some(labels.clone()), ..LabelSelector::default() },
            // The volume stays when the learner has nothing left to do.
            persistent_volume_claim_retention_policy: Some(StatefulSetPersistentVolumeClaimRetentionPolicy {
                when_deleted: Some(when_deleted(setting.experiment.spec.retain).to_owned()),
                when_scaled: Some("Retain".to_owned()),
            }),
            volume_claim_templates: url(&spec).is_none().then(|| vec![claim(spec.storage.as_ref())]),
            template: PodTemplateSpec {
                // A learner that is told to stop early is started anew with what it is told.
                metadata: Some(ObjectMeta { labels: Some(labels), annotations: Some(epochs), ..ObjectMeta::default() }),
                spec: Some(pod_spec(setting, name, spec, policy_learner)?),
            },
            ..StatefulSetSpec::default()
        }),
        metadata,
        ..StatefulSet::default()
    })
}

fn when_deleted(retain: RetainSpec) -> &'static str {
    match retain {
        RetainSpec::Nothing => "Delete",
        RetainSpec::Volumes => "Retain",
    }
}

fn pod_spec(
    setting: &Setting<'_>,
    name: WorkloadName,
    spec: LearnerSpec,
    policy_learner: Option<&str>,
) -> Result<PodSpec, RenderError> {
    let scratch =
        Volume { name: "scratch".to_owned(), empty_dir: Some(EmptyDirVolumeSource::default()), ..Volume::default() };
    let mut volumes = pod::volumes(setting, name, Role::Learner);
    volumes.push(scratch);
    volumes.extend(spec.credentials_secret.as_deref().map(credentials));
    let field = match name {
        WorkloadName::WorldModelLearner { .. } => "spec.learners.worldModel.affinity",
        _ => "spec.learners.policy.affinity",
    };
    Ok(PodSpec {
        containers: vec![container(setting, name, &spec, policy_learner)],
        volumes: Some(volumes),
        service_account_name: spec.service_account_name.clone(),
        node_selector: (!spec.node_selector.is_empty()).then_some(spec.node_selector),
        tolerations: (!spec.tolerations.is_empty()).then_some(spec.tolerations),
        affinity: spec.affinity.map(|affinity| typed(field, affinity)).transpose()?,
        priority_class_name: spec.priority_class_name,
        resource_claims: (!spec.resource_claims.is_empty()).then_some(spec.resource_claims),
        security_context: Some(pod::pod_security()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        // Everything that it has answered for is on disk: there is nothing to wait for.
        termination_grace_period_seconds: Some(5),
        ..PodSpec::default()
    })
}

/// The user's Secret with the variables by which object stores are reached.
fn credentials(secret: &str) -> Volume {
    let source = SecretVolumeSource {
        secret_name: Some(secret.to_owned()),
        default_mode: Some(0o440),
        ..SecretVolumeSource::default()
    };
    Volume { name: CREDENTIALS.to_owned(), secret: Some(source), ..Volume::default() }
}

fn container(setting: &Setting<'_>, name: WorkloadName, spec: &LearnerSpec, policy_learner: Option<&str>) -> Container {
    let role = if policy_learner.is_some() { "world-model" } else { "policy" };
    let port = ContainerPort {
        name: Some("learner".to_owned()),
        container_port: i32::from(LEARNER_PORT),
        ..ContainerPort::default()
    };
    Container {
        name: LEARNER_CONTAINER.to_owned(),
        image: Some(setting.images.learner.clone()),
        image_pull_policy: setting.images.pull_policy.clone(),
        args: Some(vec![role.to_owned()]),
        env: Some(environment(setting, name, spec, policy_learner)),
        ports: Some(vec![port]),
        resources: spec.resources.clone(),
        volume_mounts: Some(mounts(spec)),
        security_context: Some(pod::security()),
        termination_message_policy: Some(pod::LAST_WORDS.to_owned()),
        ..Container::default()
    }
}

fn mounts(spec: &LearnerSpec) -> Vec<VolumeMount> {
    let mut mounts = pod::mounts();
    if url(spec).is_none() {
        mounts.push(pod::mount(STORAGE_VOLUME, STORAGE_FOLDER));
    }
    mounts.push(pod::mount("scratch", "/tmp"));
    let credentials = VolumeMount { read_only: Some(true), ..pod::mount(CREDENTIALS, CREDENTIALS_FOLDER) };
    mounts.extend(spec.credentials_secret.is_some().then_some(credentials));
    mounts
}

fn environment(
    setting: &Setting<'_>,
    name: WorkloadName,
    spec: &LearnerSpec,
    policy_learner: Option<&str>,
) -> Vec<EnvVar> {
    let mut environment = pod::environment(LEARNER_PORT);
    environment.push(pod::variable("TRAINPILOT_STORAGE", &storage(setting, name, spec)));
    environment.extend(policy_learner.map(|address| pod::variable("TRAINPILOT_POLICY_LEARNER", address)));
    let credentials = spec.credentials_secret.as_ref().map(|_| CREDENTIALS_FOLDER);
    environment.extend(credentials.map(|folder| pod::variable("TRAINPILOT_CREDENTIALS", folder)));
    environment.extend(wire::learner::ENVIRONMENT.map(|(name, value)| pod::variable(name, value)));
    environment
}

/// Where a learner keeps what it knows. On a store that of a world-model learner lies within its repetition's, where nobody who
/// looks for trajectories looks.
fn storage(setting: &Setting<'_>, name: WorkloadName, spec: &LearnerSpec) -> String {
    let Some(url) = url(spec) else { return format!("{STORAGE_FOLDER}/learner") };
    let place = publication::own_place(setting.experiment, url);
    match name {
        WorkloadName::WorldModelLearner { repetition } => {
            format!("{place}/repetition-{repetition}/world-model-learner")
        }
        WorkloadName::PolicyLearner { repetition } | WorkloadName::Batch { repetition, .. } => {
            format!("{place}/repetition-{repetition}")
        }
    }
}

fn url(spec: &LearnerSpec) -> Option<&str> {
    spec.storage.as_ref()?.url.as_deref()
}

fn claim(storage: Option<&StorageSpec>) -> PersistentVolumeClaim {
    let size = storage.and_then(|storage| storage.size.clone()).unwrap_or_else(|| Quantity(SIZE.to_owned()));
    PersistentVolumeClaim {
        metadata: ObjectMeta { name: Some(STORAGE_VOLUME.to_owned()), ..ObjectMeta::default() },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: storage.and_then(|storage| storage.class_name.clone()),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([("storage".to_owned(), size)])),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}
