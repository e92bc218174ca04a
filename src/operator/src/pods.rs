//! What pods say about themselves, in the planner's words.

use std::collections::BTreeMap;

use api::labels;
use k8s_openapi::api::core::v1::{
    Container, ContainerStateTerminated, ContainerStatus, Pod, PodSpec, ResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt;
use tuning::TrajectoryKey;
use wire::agent::attempt_of;

/// Why a container waits, where that is more than time.
const TROUBLE: [&str; 7] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// Characters of what a container wrote last that are told.
const WORDS: usize = 600;

/// Drops what nobody here reads.
pub fn slim(pod: &mut Pod) {
    pod.metadata.managed_fields = None;
    if let Some(spec) = &mut pod.spec {
        let (node, containers) = (spec.node_name.take(), devices_only(spec));
        *spec = PodSpec { node_name: node, containers, ..PodSpec::default() };
    }
    if let Some(annotations) = &mut pod.metadata.annotations {
        annotations.retain(|name, _| name == labels::INDEX);
    }
    if let Some(status) = &mut pod.status {
        (status.host_ips, status.pod_ips) = (None, None);
        let containers = status.container_statuses.iter_mut().flatten();
        containers.chain(status.init_container_statuses.iter_mut().flatten()).for_each(slim_container);
    }
}

/// One container that has all devices of a pod's: what it has to itself as long as it is on a node.
fn devices_only(spec: &PodSpec) -> Vec<Container> {
    let mut devices: BTreeMap<String, Quantity> = BTreeMap::new();
    let limits = spec.containers.iter().filter_map(|container| container.resources.as_ref()?.limits.as_ref());
    for (resource, quantity) in limits.flatten().filter(|(resource, _)| is_device(resource)) {
        let sum = devices.get(resource).map_or(0, count) + count(quantity);
        devices.insert(resource.clone(), Quantity(sum.to_string()));
    }
    if devices.is_empty() {
        return Vec::new();
    }
    let resources = ResourceRequirements { limits: Some(devices), ..ResourceRequirements::default() };
    vec![Container { resources: Some(resources), ..Container::default() }]
}

/// Whether it is an extended resource: these alone have a domain, and Kubernetes's own is not one of them.
fn is_device(resource: &str) -> bool {
    resource.split_once('/').is_some_and(|(domain, _)| !domain.ends_with("kubernetes.io"))
}

/// Extended resources are counted in whole numbers.
fn count(quantity: &Quantity) -> u64 {
    quantity.0.parse().unwrap_or_default()
}

/// The devices that a pod holds, by resource: none before it is on a node, none once it has ended.
pub fn devices(pod: &Pod) -> impl Iterator<Item = (&str, u64)> {
    let spec = pod.spec.as_ref().filter(|spec| spec.node_name.is_some() && is_live(pod));
    let containers = spec.into_iter().flat_map(|spec| &spec.containers);
    let limits = containers.filter_map(|container| container.resources.as_ref()?.limits.as_ref());
    limits.flatten().map(|(resource, quantity)| (resource.as_str(), count(quantity)))
}

/// Ten thousand times what a node says of a container would be most of our memory.
fn slim_container(container: &mut ContainerStatus) {
    let ContainerStatus { name, image, state, last_state, ready, started, restart_count, .. } =
        std::mem::take(container);
    *container =
        ContainerStatus { name, image, state, last_state, ready, started, restart_count, ..ContainerStatus::default() };
}

/// Whether it is what the label says.
pub fn has_role(pod: &Pod, role: &str) -> bool {
    pod.labels().get(labels::ROLE).is_some_and(|label| label == role)
}

/// Repetition and epoch of a trajectory's pod.
pub fn batch_of(pod: &Pod) -> Option<(u32, u32)> {
    let number = |name: &str| pod.labels().get(name)?.parse().ok();
    Some((number(labels::REPETITION)?, number(labels::EPOCH)?))
}

/// Which attempt a trajectory's pod is.
pub fn key(pod: &Pod) -> Option<TrajectoryKey> {
    let (repetition, epoch) = batch_of(pod)?;
    let index = pod.annotations().get(labels::INDEX)?.parse().ok()?;
    let attempt = attempt_of(pod.metadata.uid.as_deref()?)?;
    Some(TrajectoryKey { repetition, epoch, index, attempt })
}

/// Where it is reached, if it is.
pub fn address(pod: &Pod, port: u16) -> Option<String> {
    let ip = pod.status.as_ref()?.pod_ip.as_ref()?;
    // An IPv6 address has colons of its own.
    Some(if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") })
}

/// Whether it has not ended.
pub fn is_live(pod: &Pod) -> bool {
    !matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether its containers may run.
pub fn is_running(pod: &Pod) -> bool {
    phase(pod) == "Running"
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// Why it failed, in a sentence.
pub fn failure(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref().filter(|status| status.phase.as_deref() == Some("Failed"))?;
    let container = status.container_statuses.iter().flatten().find_map(ended_badly);
    let whole = || {
        let reason = status.reason.clone()?;
        Some(match reason.as_str() {
            "DeadlineExceeded" => "the trainer did not end within deadlineSeconds".to_owned(),
            _ => format!("{reason}: {}", status.message.clone().unwrap_or_default()),
        })
    };
    let sentence = whole().or(container).unwrap_or_else(|| "it failed without a reason".to_owned());
    Some(format!("pod {}: {sentence}", pod.name_any()))
}

/// How a container ended, if it was no success, and what it wrote last.
fn ended_badly(container: &ContainerStatus) -> Option<String> {
    let state = container.state.as_ref().and_then(|state| state.terminated.as_ref());
    let ended = state.or_else(|| container.last_state.as_ref()?.terminated.as_ref())?;
    if ended.exit_code == 0 {
        return None;
    }
    let why = match ended.reason.as_deref() {
        Some("OOMKilled") => "ran out of memory".to_owned(),
        _ => format!("ended with exit code {}", ended.exit_code),
    };
    let said = last_words(ended).map(|words| format!(": {words}")).unwrap_or_default();
    Some(format!("the container {} {why}{said}", container.name))
}

/// The last line that it wrote, which a node keeps of a container that failed.
fn last_words(ended: &ContainerStateTerminated) -> Option<String> {
    let line = ended.message.as_ref()?.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().filter(|character| !character.is_control()).take(WORDS).collect())
}

/// How often its containers were started again, and why the last one ended.
pub fn restarts(pod: &Pod) -> (i32, Option<String>) {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    statuses.map(|container| (container.restart_count, ended_badly(container))).next().unwrap_or_default()
}

/// What it waits for that may never come; for a node only if it `needs_node`.
pub fn waits_for(pod: &Pod, needs_node: bool) -> Option<String> {
    let status = pod.status.as_ref()?;
    let unscheduled =
        status.conditions.iter().flatten().find(|condition| {
            condition.type_ == "PodScheduled" && condition.reason.as_deref() == Some("Unschedulable")
        });
    if let Some(condition) = unscheduled.filter(|condition| condition.status == "False") {
        let why = condition.message.clone().unwrap_or_default();
        return needs_node.then(|| format!("pod {} can't be scheduled: {why}", pod.name_any()));
    }
    let statuses = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    statuses.filter_map(stuck).next().map(|why| format!("pod {}: {why}", pod.name_any()))
}

/// What keeps a container from starting, or from going on, if that is more than time.
fn stuck(container: &ContainerStatus) -> Option<String> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    if waiting.reason.as_deref() == Some("CrashLoopBackOff") {
        return ended_badly(container).map(|why| format!("{why}; it is started again"));
    }
    let reason = waiting.reason.as_deref().filter(|reason| TROUBLE.contains(reason))?;
    let message = waiting.message.clone().unwrap_or_default();
    Some(format!(
        "the container {} can't start with the image {}: {reason}: {message}",
        container.name, container.image
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn pod(phase: &str, container: serde_json::Value) -> Pod {
        let whole = json!({"name": "trainer", "image": "i", "imageID": "", "ready": false, "restartCount": 3});
        let mut status = whole.as_object().unwrap().clone();
        status.extend(container.as_object().unwrap().clone());
        let status = json!({"phase": phase, "containerStatuses": [status]});
        let mut pod = serde_json::from_value(json!({"metadata": {"name": "p"}, "status": status})).unwrap();
        slim(&mut pod);
        pod
    }

    #[test]
    fn a_pod_that_failed_is_told_of_with_the_last_line_that_it_wrote() {
        let ended = |end| failure(&pod("Failed", json!({"state": {"terminated": end}}))).unwrap();
        let said = "step 3\nRuntimeError: \u{1b}CUDA out of memory\n\n";
        assert_eq!(
            ended(json!({"exitCode": 1, "reason": "Error", "message": said})),
            "pod p: the container trainer ended with exit code 1: RuntimeError: CUDA out of memory"
        );
        assert_eq!(
            ended(json!({"exitCode": 137, "reason": "OOMKilled"})),
            "pod p: the container trainer ran out of memory"
        );
        assert!(ended(json!({"exitCode": 1, "message": "x".repeat(4000)})).len() < 700);
    }

    #[test]
    fn a_container_that_ends_again_and_again_is_something_to_tell_of() {
        let end = json!({"exitCode": 1, "message": "error: object store: can't read s3://b/run: 403"});
        let loops = json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": end}});
        assert_eq!(
            waits_for(&pod("Running", loops), true).unwrap(),
            "pod p: the container trainer ended with exit code 1: error: object store: can't read s3://b/run: 403; it is started again"
        );
        assert_eq!(waits_for(&pod("Running", json!({"state": {"running": {}}})), true), None);
    }
}
