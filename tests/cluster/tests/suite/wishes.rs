//! What users change while an experiment runs, and what they ask of nodes.

use std::time::Duration;

use api::{Phase, TuningExperiment};
use cluster::dataset::{trajectories, whole};
use cluster::experiments::{CURVES, slow};
use cluster::{Space, condition, phase};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, ResourceQuota, Secret, Service};
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

#[tokio::test]
async fn a_suspended_experiment_holds_no_pod_and_goes_on_where_it_was() {
    let space = Space::new("suspend").await;
    space.start(&slow(500)).await;
    space.has_trainings(4).await;
    space.edit("curves", json!({"suspend": true})).await.unwrap();
    let held = space.reaches("curves", Phase::Suspended, 60).await;
    assert_eq!(condition(&held, "Suspended").unwrap().0, "Suspended");
    space.edit("curves", json!({"suspend": false})).await.unwrap();
    let done = space.reaches("curves", Phase::Complete, 180).await;
    whole(&done).await;
}

#[tokio::test]
async fn the_number_of_trainings_at_once_is_scaled_like_any_other() {
    let space = Space::new("scale").await;
    space.start(&slow(1000).replace("parallelism: 4", "parallelism: 1")).await;
    space.has_trainings(1).await;
    let scale = |replicas: u32| Patch::Merge(json!({"spec": {"replicas": replicas}}));
    let experiments = space.api::<TuningExperiment>();
    experiments.patch_scale("curves", &PatchParams::default(), &scale(3)).await.unwrap();
    space.has_trainings(3).await;
    let status = experiments.get_scale("curves").await.unwrap();
    assert_eq!(status.spec.unwrap().replicas, Some(3));
    experiments.patch_scale("curves", &PatchParams::default(), &scale(0)).await.unwrap();
    space.has_trainings(0).await;
}

#[tokio::test]
async fn a_budget_set_while_it_runs_ends_learning_early_and_the_policy_is_still_evaluated() {
    let space = Space::new("budget").await;
    space.start(&slow(500)).await;
    space.until("trainings run", 60, async || !space.trainings().await.is_empty()).await;
    space.edit("curves", json!({"budget": {"trajectories": 4}})).await.unwrap();
    let done = space.reaches("curves", Phase::Complete, 240).await;
    assert_eq!(condition(&done, "Complete").unwrap().0, "BudgetExhausted");
    // One epoch to learn from, then the final evaluation.
    for epoch in 1..=2 {
        trajectories(&done, 0, epoch, 4).await;
    }
    assert_eq!(done.status.unwrap().trajectories.completed, 8);
}

#[tokio::test]
async fn repetitions_share_what_may_run_at_once() {
    let space = Space::new("shares").await;
    let two = slow(200).replace("  parallelism: 4", "  repetitions: 2\n  parallelism: 4");
    space.start(&two).await;
    let over = async || space.experiment("curves").await.status.is_some_and(|status| status.phase == Phase::Complete);
    for _ in 0..400 {
        if over().await {
            break;
        }
        let trainings = space.trainings().await;
        assert!(trainings.len() <= 4, "{:?}", trainings.iter().map(ResourceExt::name_any).collect::<Vec<_>>());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let done = space.reaches("curves", Phase::Complete, 10).await;
    for epoch in 1..=3 {
        let [first, second] = [trajectories(&done, 0, epoch, 4).await, trajectories(&done, 1, epoch, 4).await];
        // The final evaluation has the same seeds everywhere, so that results compare in pairs.
        assert_eq!(first[0].seed == second[0].seed, epoch == 3, "epoch {epoch}");
    }
}

#[tokio::test]
async fn a_deleted_experiment_leaves_nothing() {
    let space = Space::new("deletion").await;
    space.start(&slow(1000)).await;
    space.has_trainings(4).await;
    space.api::<TuningExperiment>().delete("curves", &DeleteParams::default()).await.unwrap();
    space.until("no pod is left", 60, async || space.list::<Pod>().await.is_empty()).await;
    let nothing = async || {
        let own = space.list::<ConfigMap>().await.iter().filter(|map| map.metadata.owner_references.is_some()).count();
        let sets = space.list::<StatefulSet>().await.len() + space.list::<Job>().await.len();
        let rest = space.list::<Secret>().await.len() + space.list::<Service>().await.len();
        own + sets + rest + space.list::<PersistentVolumeClaim>().await.len() == 0
    };
    space.until("no object is left", 60, nothing).await;
}

#[tokio::test]
async fn volumes_stay_behind_if_they_are_asked_to() {
    let space = Space::new("retain").await;
    space.start(&CURVES.replace("spec:\n  seed: 7", "spec:\n  retain: Volumes\n  seed: 7")).await;
    let claims = async || space.list::<PersistentVolumeClaim>().await.len();
    space.until("there is a volume", 60, async || claims().await == 1).await;
    space.api::<TuningExperiment>().delete("curves", &DeleteParams::default()).await.unwrap();
    space.until("no learner is left", 60, async || space.list::<StatefulSet>().await.is_empty()).await;
    space.until("no pod is left", 60, async || space.list::<Pod>().await.is_empty()).await;
    assert_eq!(claims().await, 1);
}

#[tokio::test]
async fn an_experiment_may_be_deleted_and_made_anew_at_once() {
    let space = Space::new("anew").await;
    space.start(&slow(300)).await;
    space.has_trainings(4).await;
    space.api::<TuningExperiment>().delete("curves", &DeleteParams::default()).await.unwrap();
    let gone = async || space.api::<TuningExperiment>().get_opt("curves").await.unwrap().is_none();
    space.until("it is gone", 30, gone).await;
    space.start(CURVES).await;
    let done = space.reaches("curves", Phase::Complete, 240).await;
    whole(&done).await;
}

#[tokio::test]
async fn what_an_experiment_is_about_is_not_changed_and_the_apiserver_says_so() {
    let space = Space::new("immutable").await;
    space.start(&CURVES.replace("parallelism: 4", "parallelism: 0")).await;
    let refused = space.edit("curves", json!({"seed": 8})).await.unwrap_err().to_string();
    assert!(refused.contains("seed: Invalid value") && refused.contains("cannot be changed"), "{refused}");
}

#[tokio::test]
async fn a_quota_that_lets_no_training_be_made_is_waited_for_and_told_of() {
    let space = Space::new("quota").await;
    let quota = |pods: u32| {
        serde_json::from_value(json!({"metadata": {"name": "pods"}, "spec": {"hard": {"pods": pods.to_string()}}}))
            .unwrap()
    };
    // The learner's pod is the one that it allows.
    space.api::<ResourceQuota>().create(&PostParams::default(), &quota(1)).await.unwrap();
    space.start(CURVES).await;
    let told = async || condition(&space.experiment("curves").await, "Degraded");
    space.until("it is degraded", 120, async || told().await.is_some()).await;
    let (reason, message) = told().await.unwrap();
    assert_eq!(reason, "CannotStart");
    assert!(message.contains("kubectl describe job curves-r0-e1"), "{message}");
    let more = Patch::Merge(json!({"spec": {"hard": {"pods": "9"}}}));
    space.api::<ResourceQuota>().patch("pods", &PatchParams::default(), &more).await.unwrap();
    space.reaches("curves", Phase::Complete, 300).await;
}

#[tokio::test]
async fn an_image_that_is_not_to_be_had_is_named_in_a_condition() {
    let space = Space::new("image").await;
    space.start(&CURVES.replace("localhost/trainpilot-tasks:0.1.0", "localhost/nowhere:1")).await;
    let told = async || condition(&space.experiment("curves").await, "Degraded").is_some();
    space.until("it is degraded", 120, told).await;
    let (reason, message) = condition(&space.experiment("curves").await, "Degraded").unwrap();
    assert_eq!(reason, "CannotStart");
    assert!(message.contains("localhost/nowhere:1"), "{message}");
}

#[tokio::test]
async fn a_pod_that_no_node_has_room_for_is_named_with_what_it_lacks() {
    let space = Space::new("room").await;
    space.start(&with_gpus(99)).await;
    let told = async || condition(&space.experiment("curves").await, "Degraded").is_some();
    space.until("it is degraded", 120, told).await;
    let message = condition(&space.experiment("curves").await, "Degraded").unwrap().1;
    assert!(message.contains("nvidia.com/gpu"), "{message}");
}

#[tokio::test]
async fn never_more_trainings_run_than_there_are_gpus() {
    let space = Space::new("gpus").await;
    let many = with_gpus(1).replace("trajectoriesPerEpoch: 4", "trajectoriesPerEpoch: 8");
    space
        .start(&many.replace("parallelism: 4", "parallelism: 8").replace("ppo: {epochs: 2,", "ppo: {epochs: 1,"))
        .await;
    let running = async || space.trainings().await.iter().filter(|pod| phase(pod) == "Running").count();
    space.until("all four GPUs are in use", 60, async || running().await == 4).await;
    for _ in 0..10 {
        assert!(running().await <= 4);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let done = space.reaches("curves", Phase::Complete, 240).await;
    trajectories(&done, 0, 1, 8).await;
}

/// Trainings that need GPUs, and take a while.
fn with_gpus(count: u32) -> String {
    let name = "- name: trainer\n";
    let resources = format!("          resources: {{limits: {{nvidia.com/gpu: {count}}}}}\n");
    slow(300).replace(name, &format!("{name}{resources}"))
}
