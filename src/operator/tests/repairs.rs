//! The operator beside somebody who changes and removes what it has made.
#![allow(clippy::unwrap_used, missing_docs)]

mod apiserver;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use api::TuningExperiment;
use apiserver::{Apiserver, Key};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use operator::controller::{Settings, run};
use operator::figures::Figures;
use plan::render::{Images, authority_secret, identity_in, secret, secret_name};
use tokio::sync::watch;
use wire::tls::{Authority, Role};

const EXPERIMENT: &str = r#"
apiVersion: trainpilot.dev/v1alpha1
kind: TuningExperiment
metadata: {name: small, namespace: team, uid: 5e8e0b0e-8a3c-4a54-9f1f-4f3d6b0c1a77}
spec:
  objective: {metric: accuracy}
  metrics: [{name: accuracy, range: [0, 1]}]
  hyperparameters: [{name: rate, initial: 0.01, min: 1.0e-5, max: 1}]
  trajectory:
    envSteps: 10
    deadlineSeconds: 600
    template: {spec: {containers: [{name: trainer, image: training:1, command: [train]}]}}
  algorithm: {ppo: {epochs: 1, trajectoriesPerEpoch: 6}}
"#;

fn key(plural: &str, name: &str) -> Key {
    (plural.to_owned(), "team".to_owned(), name.to_owned())
}

/// An operator at work on one experiment, whose learner never comes up, in a cluster that holds `secrets`.
async fn operator(secrets: &[Secret]) -> (Apiserver, Arc<Figures>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (server, client) = Apiserver::start().await;
    for secret in secrets {
        server.put(&key("secrets", &secret.name_any()), serde_json::to_value(secret).unwrap());
    }
    server.put(&key("tuningexperiments", "small"), serde_saphyr::from_str(EXPERIMENT).unwrap());
    let figures = Arc::new(Figures::new().unwrap());
    let images = Images { agent: "agent:1".to_owned(), learner: "learner:1".to_owned(), pull_policy: None };
    let (settings, shown) = (Settings { images, namespace: None }, Arc::clone(&figures));
    tokio::spawn(async move {
        let leading = watch::Sender::new(true);
        run(client, settings, figures, leading.subscribe(), std::future::pending()).await;
    });
    (server, shown)
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(30), "waited: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until several rounds have written nothing.
async fn at_rest(server: &Apiserver) {
    let mut writes = server.writes();
    let mut since = Instant::now();
    let begin = Instant::now();
    while since.elapsed() < Duration::from_secs(5) {
        assert!(begin.elapsed() < Duration::from_secs(30), "something is written again and again");
        tokio::time::sleep(Duration::from_millis(100)).await;
        if server.writes() != writes {
            (writes, since) = (server.writes(), Instant::now());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_removed_or_changed_is_made_again_and_then_nothing_is_written() {
    let (server, figures) = operator(&[]).await;
    let set = key("statefulsets", "small-r0-learner");
    until("there is a learner", || server.get(&set).is_some()).await;
    at_rest(&server).await;
    let service = key("services", "small-r0-learner");
    let config = key("configmaps", "small-r0-learner-5e8e0b0e");
    let policy = key("networkpolicies", "small-trajectory");
    let (before, version) = (server.get(&config).unwrap()["data"].clone(), server.get(&set).unwrap());
    server.remove(&service).unwrap();
    server.remove(&policy).unwrap();
    let mut edited = server.get(&config).unwrap();
    edited["data"]["config.json"] = "{}".into();
    server.put(&config, edited);
    until("all three are there again", || {
        let data = server.get(&config).map(|config| config["data"].clone());
        server.get(&service).is_some() && server.get(&policy).is_some() && data.as_ref() == Some(&before)
    })
    .await;
    at_rest(&server).await;
    assert_eq!(server.get(&set).unwrap(), version, "the learner itself is not touched");
    let text = figures.text().unwrap();
    assert!(text.contains("trainpilot_operator_queue_depth 0"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn network_policies_do_not_depend_on_the_first_repetitions_learner() {
    let (server, _) = operator(&[]).await;
    let set = key("statefulsets", "small-r0-learner");
    until("there is a learner", || server.get(&set).is_some()).await;
    at_rest(&server).await;
    let policies = server.names("networkpolicies");
    assert_eq!(policies, ["small-policy-learner", "small-trajectory", "small-world-model-learner"]);
    policies.iter().for_each(|name| drop(server.remove(&key("networkpolicies", name))));
    until("they are there again", || server.names("networkpolicies") == policies).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identities_are_made_once_and_issued_anew_by_their_authority_before_they_expire() {
    let experiment: TuningExperiment = serde_saphyr::from_str(EXPERIMENT).unwrap();
    let authority = Authority::new(&experiment.uid().unwrap()).unwrap();
    let month = Duration::from_secs(30 * 24 * 3600);
    let old = Role::ALL.map(|role| authority.issue_for(role, month - Duration::from_secs(60)).unwrap());
    let (server, _) = operator(&[secret(&experiment, &old), authority_secret(&experiment, &authority)]).await;
    let place = key("secrets", &secret_name(&experiment));
    let held = || -> Secret { serde_json::from_value(server.get(&place).unwrap()).unwrap() };
    let life = |secret: &Secret| identity_in(secret, Role::Agent).unwrap().not_after().unwrap();
    let begin = SystemTime::now();
    until("they are issued anew", || life(&held()) > begin + 2 * month).await;
    for old in &old {
        old.renew(&identity_in(&held(), old.role()).unwrap()).expect("the same authority");
    }
    at_rest(&server).await;
    assert_eq!(server.names("secrets").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_whose_experiment_has_no_identities_yet_is_used() {
    let experiment: TuningExperiment = serde_saphyr::from_str(EXPERIMENT).unwrap();
    let authority = Authority::new(&experiment.uid().unwrap()).unwrap();
    let (server, _) = operator(&[authority_secret(&experiment, &authority)]).await;
    let place = key("secrets", &secret_name(&experiment));
    until("there are identities", || server.get(&place).is_some()).await;
    let made: Secret = serde_json::from_value(server.get(&place).unwrap()).unwrap();
    assert_eq!(made.immutable, None);
    authority.issue(Role::Agent).unwrap().renew(&identity_in(&made, Role::Agent).unwrap()).unwrap();
}
