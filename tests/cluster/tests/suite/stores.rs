//! Learners that keep things on an object store, and policies that experiments leave there for one another.

use api::{Phase, TuningExperiment, TuningPolicy};
use cluster::dataset::attempts_in;
use cluster::experiments::{CURVES, LEARNER_ON_STORE, on_store, patient, simple, slow, with};
use cluster::stores::{SECRET, Store};
use cluster::{Space, condition};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use kube::api::{DeleteParams, Patch, PatchParams};
use wire::artifact::sha256;

const PUBLISH: &str = "publish: {name: good, to: 's3://bucket/policies'}";
const APPLY: &str = "policy: {from: {policyRef: {name: good}}}";
const PPO: &str = "ppo: {epochs: 2, trajectoriesPerEpoch: 4}";

/// An experiment of another name that applies what CURVES has learned.
fn applies(name: &str) -> String {
    let yaml = CURVES.replace(PPO, APPLY).replace("{name: curves}", &format!("{{name: {name}}}"));
    with(&yaml, "learners: {policy: {credentialsSecret: store}}")
}

/// Every trajectory of every epoch is on the store once.
async fn whole(store: &Store, experiment: &TuningExperiment) {
    for epoch in 1..=3 {
        let attempts = attempts_in(&store.learner(experiment, 0), experiment, 0, epoch).await;
        let indices: Vec<u32> = attempts.iter().map(|attempt| attempt.key.index).collect();
        assert_eq!(indices, [0, 1, 2, 3], "epoch {epoch}");
    }
}

#[tokio::test]
async fn what_one_experiment_publishes_another_applies_and_a_third_that_it_does_not_fit_is_told_why() {
    let space = Space::new("publish").await;
    let store = Store::start(&space).await;
    // It waits for what there will be.
    space.start(&applies("follower")).await;
    let reason = async || space.experiment("follower").await.status.unwrap_or_default().conditions;
    let waits = async || reason().await.iter().any(|condition| condition.reason == "WaitingForPolicy");
    space.until("the follower waits for the policy", 30, waits).await;
    space.start(&with(&on_store(CURVES), PUBLISH)).await;
    let done = space.reaches_beside("curves", Phase::Complete, 240).await;
    whole(&store, &done).await;
    assert!(space.list::<PersistentVolumeClaim>().await.iter().all(|claim| !name_of(claim).contains("curves")));
    let policy = space.api::<TuningPolicy>().get("good").await.unwrap().spec;
    let artifact = std::fs::read(store.file(&policy.artifacts[0].url)).unwrap();
    assert_eq!((policy.artifacts[0].sha256.as_str(), policy.artifacts[0].version), (sha256(&artifact).as_str(), 3));
    assert_eq!(policy.figures.objective, done.status.as_ref().unwrap().objective.mean);
    assert_eq!(policy.experiment.name, "curves");
    // It outlives the experiment.
    space.api::<TuningExperiment>().delete("curves", &DeleteParams::default()).await.unwrap();
    let followed = space.reaches_beside("follower", Phase::Complete, 180).await.status.unwrap();
    assert_eq!(followed.resolved.unwrap().policy.unwrap().sha256, sha256(&artifact));
    let misfit = applies("misfit").replace("max: 1}", "max: 2}");
    space.start(&misfit).await;
    let refused = space.reaches_beside("misfit", Phase::Failed, 30).await;
    let (word, message) = condition(&refused, "Failed").unwrap();
    assert_eq!(word, "InvalidSpec");
    assert!(message.contains("TuningPolicy good does not fit: bounds of hyperparameter learning_rate"), "{message}");
}

fn name_of(claim: &PersistentVolumeClaim) -> &str {
    claim.metadata.name.as_deref().unwrap_or_default()
}

#[tokio::test]
async fn a_world_model_begins_with_what_another_experiment_gathered() {
    let space = Space::new("begin").await;
    let store = Store::start(&space).await;
    space.start(&with(&on_store(CURVES), PUBLISH)).await;
    let first = space.reaches("curves", Phase::Complete, 240).await;
    let second = simple().replace("{name: curves}", "{name: second}");
    let second = with(&second, "initialData: {policyRefs: [{name: good}]}");
    space
        .start(&with(&second, &format!("learners: {{policy: {LEARNER_ON_STORE}, worldModel: {LEARNER_ON_STORE}}}")))
        .await;
    let done = space.reaches("second", Phase::Complete, 300).await;
    whole(&store, &done).await;
    let dataset = done.status.as_ref().unwrap().resolved.as_ref().unwrap().datasets[0].clone();
    assert_eq!(store.file(&dataset), store.learner(&first, 0).parent().unwrap());
    let kept = store.learner(&done, 0);
    assert!(kept.join("world-model-learner/newest.safetensors").exists());
    assert_eq!(std::fs::read_dir(kept.join("world-models")).unwrap().count(), 2);
    assert!(space.list::<PersistentVolumeClaim>().await.is_empty());
}

#[tokio::test]
async fn a_store_that_is_away_and_a_learner_that_dies_meanwhile_cost_nothing_but_time() {
    let space = Space::new("outage").await;
    let store = Store::start(&space).await;
    space.start(&on_store(&patient(&slow(1000)))).await;
    space.has_trainings(4).await;
    store.server.set_away(true);
    let degraded = async || condition(&space.experiment("curves").await, "Degraded").is_some();
    space.until("it says that the store is away", 120, degraded).await;
    let said = condition(&space.experiment("curves").await, "Degraded").unwrap();
    assert_eq!(said.0, "LearnerFault", "{}", said.1);
    let learner =
        space.list::<Pod>().await.into_iter().find(|pod| pod.metadata.name.as_deref() == Some("curves-r0-learner-0"));
    space.kill(&learner.unwrap()).await;
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    store.server.set_away(false);
    let done = space.reaches("curves", Phase::Complete, 300).await;
    whole(&store, &done).await;
}

#[tokio::test]
async fn a_learner_that_its_store_does_not_let_in_is_told_of_with_what_the_store_says() {
    let space = Space::new("stranger").await;
    let store = Store::start(&space).await;
    let change = Patch::Merge(serde_json::json!({"stringData": {"AWS_SECRET_ACCESS_KEY": "wrong"}}));
    space.api::<Secret>().patch(SECRET, &PatchParams::default(), &change).await.unwrap();
    space.start(&on_store(CURVES)).await;
    let degraded = async || condition(&space.experiment("curves").await, "Degraded").is_some();
    space.until("it says that something is wrong", 120, degraded).await;
    let (word, message) = condition(&space.experiment("curves").await, "Degraded").unwrap();
    assert_eq!(word, "CannotStart");
    assert!(message.contains("s3://bucket/runs/curves-") && message.contains("SignatureDoesNotMatch"), "{message}");
    drop(store);
}
