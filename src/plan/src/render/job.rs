//! A batch of trajectories: an indexed Job, each of whose pods is a trainer and, as a native sidecar, its agent.

use std::collections::BTreeMap;

use api::{TRAINER, labels};
use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{Container, ContainerPort, EnvVar, PodSpec, PodTemplateSpec, Probe, TCPSocketAction};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use wire::agent::AgentConfig;
use wire::tls::Role;
use wire::trainer::{METRICS_PORT_VARIABLE, URL_VARIABLE};

use super::{AGENT_PORT, RenderError, Setting, TRAINER_PORT, metadata, pod, tasks, typed};
use crate::WorkloadName;

/// Name of the agent's container.
pub const AGENT_CONTAINER: &str = "trainpilot-agent";
/// Seconds between a pod's being told to stop and its end, unless the user says otherwise: the agent brings the rest of its
/// record to the learner in that time.
const GRACE_SECONDS: i64 = 60;
/// Seconds that it leaves for its own end.
const MARGIN_SECONDS: i64 = 5;
/// Seconds in which an agent must listen; its image is there by then.
const START_SECONDS: i32 = 120;
/// What keeps autoscalers from moving a pod: a trajectory that is moved starts over.
const UNMOVED: [(&str, &str); 2] =
    [("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"), ("karpenter.sh/do-not-disrupt", "true")];

/// The Job of a batch.
pub(super) fn job(
    setting: &Setting<'_>,
    trajectories: u32,
    parallelism: u32,
    agent: &AgentConfig,
) -> Result<Job, RenderError> {
    let name = WorkloadName::Batch { repetition: agent.repetition, epoch: agent.epoch };
    let mut metadata = metadata::of_workload(setting, name);
    let given = &setting.experiment.metadata;
    metadata.labels.get_or_insert_default().extend(for_queues(given.labels.as_ref()));
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.extend(for_queues(given.annotations.as_ref()));
    annotations.insert(labels::FINAL_EVALUATION.to_owned(), agent.final_evaluation.to_string());
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    Ok(Job {
        metadata,
        spec: Some(JobSpec {
            completion_mode: Some("Indexed".to_owned()),
            completions: Some(number(trajectories)),
            parallelism: Some(number(parallelism)),
            backoff_limit_per_index: Some(number(setting.experiment.spec.trajectory.retries)),
            max_failed_indexes: Some(number(trajectories)),
            pod_failure_policy: Some(disruptions_ignored()),
            template: template(setting, name, agent.final_evaluation)?,
            ..JobSpec::default()
        }),
        ..Job::default()
    })
}

/// What Kueue goes by: the queue, a priority class, the least parallelism, and whatever it may come to know.
fn for_queues(given: Option<&BTreeMap<String, String>>) -> impl Iterator<Item = (String, String)> {
    let all = given.into_iter().flatten();
    all.filter(|(name, _)| name.starts_with(labels::KUEUE)).map(|(name, value)| (name.clone(), value.clone()))
}

/// A pod that was preempted or drained says nothing about its training.
fn disruptions_ignored() -> PodFailurePolicy {
    let pattern =
        PodFailurePolicyOnPodConditionsPattern { type_: "DisruptionTarget".to_owned(), status: "True".to_owned() };
    PodFailurePolicy {
        rules: vec![PodFailurePolicyRule {
            action: "Ignore".to_owned(),
            on_pod_conditions: Some(vec![pattern]),
            ..PodFailurePolicyRule::default()
        }],
    }
}

/// The user's pod with an agent in it.
fn template(setting: &Setting<'_>, name: WorkloadName, final_evaluation: bool) -> Result<PodTemplateSpec, RenderError> {
    let trajectory = &setting.experiment.spec.trajectory;
    let given = serde_json::to_value(&trajectory.template).expect("plain data always serialises");
    let mut template: PodTemplateSpec = typed("spec.trajectory.template", given)?;
    let metadata = template.metadata.get_or_insert_default();
    let labels = metadata.labels.get_or_insert_default();
    labels.extend(metadata::workload_labels(setting.experiment, name));
    let annotations = metadata.annotations.get_or_insert_default();
    for (annotation, value) in UNMOVED {
        annotations.entry(annotation.to_owned()).or_insert_with(|| value.to_owned());
    }
    let spec = template.spec.get_or_insert_default();
    let grace = spec.termination_grace_period_seconds.unwrap_or(GRACE_SECONDS);
    let deadline = i64::from(trajectory.deadline_seconds);
    spec.restart_policy = Some("Never".to_owned());
    spec.termination_grace_period_seconds = Some(grace);
    spec.active_deadline_seconds = Some(deadline);
    spec.automount_service_account_token.get_or_insert(false);
    spec.enable_service_links.get_or_insert(false);
    spec.security_context.get_or_insert_with(pod::users_pod_security);
    spec.volumes.get_or_insert_default().extend(pod::volumes(setting, name, Role::Agent));
    for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
        container.security_context.get_or_insert_with(pod::users_security);
        container.termination_message_policy.get_or_insert_with(|| pod::LAST_WORDS.to_owned());
    }
    tasks::add(setting, spec, final_evaluation)?;
    with_agent(setting, spec, grace);
    Ok(template)
}

/// Puts the agent before everything else, since the trainer's first word is for it.
fn with_agent(setting: &Setting<'_>, spec: &mut PodSpec, grace: i64) {
    let mut told = vec![pod::variable(URL_VARIABLE, &format!("http://127.0.0.1:{TRAINER_PORT}"))];
    told.extend(metrics_port(setting));
    for trainer in spec.containers.iter_mut().filter(|container| container.name == TRAINER) {
        let environment = trainer.env.get_or_insert_default();
        environment.retain(|variable| told.iter().all(|told| told.name != variable.name));
        environment.extend(told.iter().cloned());
    }
    spec.init_containers.get_or_insert_default().insert(0, agent(setting, grace));
}

/// Where the trainer shows metrics of its own: agent and trainer have to agree.
fn metrics_port(setting: &Setting<'_>) -> Option<EnvVar> {
    let page = setting.experiment.spec.trajectory.metrics_page.as_ref()?;
    Some(pod::variable(METRICS_PORT_VARIABLE, &page.port.to_string()))
}

fn agent(setting: &Setting<'_>, grace: i64) -> Container {
    let port = ContainerPort {
        name: Some("metrics".to_owned()),
        container_port: i32::from(AGENT_PORT),
        ..ContainerPort::default()
    };
    Container {
        name: AGENT_CONTAINER.to_owned(),
        image: Some(setting.images.agent.clone()),
        image_pull_policy: setting.images.pull_policy.clone(),
        restart_policy: Some("Always".to_owned()),
        args: Some(vec!["run".to_owned(), "--sidecar".to_owned()]),
        env: Some(agent_environment(setting, grace)),
        ports: Some(vec![port]),
        volume_mounts: Some(pod::mounts()),
        security_context: Some(pod::security()),
        termination_message_policy: Some(pod::LAST_WORDS.to_owned()),
        resources: Some(pod::little()),
        // The trainer is started once the agent listens.
        startup_probe: Some(Probe {
            tcp_socket: Some(TCPSocketAction { port: IntOrString::Int(i32::from(AGENT_PORT)), host: None }),
            period_seconds: Some(1),
            failure_threshold: Some(START_SECONDS),
            ..Probe::default()
        }),
        ..Container::default()
    }
}

fn agent_environment(setting: &Setting<'_>, grace: i64) -> Vec<EnvVar> {
    let index = format!("metadata.annotations['{}']", labels::INDEX);
    let mut environment = pod::environment(AGENT_PORT);
    environment.extend([
        pod::from_field("TRAINPILOT_INDEX", &index),
        pod::from_field("TRAINPILOT_POD_UID", "metadata.uid"),
        pod::variable("TRAINPILOT_TRAINER_LISTEN", &format!("127.0.0.1:{TRAINER_PORT}")),
        pod::variable("TRAINPILOT_TRAINER_PATH", ""),
        pod::variable("TRAINPILOT_GRACE_SECONDS", &(grace - MARGIN_SECONDS).max(1).to_string()),
    ]);
    environment.extend(metrics_port(setting));
    environment
}
