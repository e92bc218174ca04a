//! Who may reach the pods of an experiment: learners and agents are for one another and for the operator.

use std::collections::BTreeMap;

use api::{TuningExperiment, labels};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{AGENT_PORT, LEARNER_PORT, metadata};

/// One for the learners and one for the trajectories of the experiment: from outside they are reached at the one port that
/// asks for a certificate, and the trainer of a trajectory not at all.
pub fn network_policies(experiment: &TuningExperiment) -> Vec<NetworkPolicy> {
    let learners = [labels::POLICY_LEARNER, labels::WORLD_MODEL_LEARNER].map(|role| (role, LEARNER_PORT));
    let all = learners.into_iter().chain([(labels::TRAJECTORY, AGENT_PORT)]);
    all.map(|(role, port)| policy(experiment, role, port)).collect()
}

fn policy(experiment: &TuningExperiment, role: &str, port: u16) -> NetworkPolicy {
    let name = format!("{}-{role}", experiment.metadata.name.as_deref().unwrap_or_default());
    let selector =
        |pairs: BTreeMap<String, String>| LabelSelector { match_labels: Some(pairs), ..LabelSelector::default() };
    let mut pods = metadata::experiment_labels(experiment);
    pods.insert(labels::ROLE.to_owned(), role.to_owned());
    let operator = BTreeMap::from([("app.kubernetes.io/name".to_owned(), "trainpilot-operator".to_owned())]);
    let own = NetworkPolicyPeer {
        pod_selector: Some(selector(metadata::experiment_labels(experiment))),
        ..NetworkPolicyPeer::default()
    };
    let operator = NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector::default()),
        pod_selector: Some(selector(operator)),
        ..NetworkPolicyPeer::default()
    };
    let port = NetworkPolicyPort {
        port: Some(IntOrString::Int(i32::from(port))),
        protocol: Some("TCP".to_owned()),
        ..NetworkPolicyPort::default()
    };
    NetworkPolicy {
        metadata: metadata::of_experiment(experiment, name),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector(pods)),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule { from: Some(vec![own, operator]), ports: Some(vec![port]) }]),
            ..NetworkPolicySpec::default()
        }),
    }
}
