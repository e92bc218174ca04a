//! What goes wrong with pods, and what becomes of it: nothing is lost, nothing is stored twice.

use api::Phase;
use cluster::dataset::{once_each, whole};
use cluster::experiments::{CURVES, hostile, slow};
use cluster::{Space, condition};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::EvictParams;

#[tokio::test]
async fn a_training_whose_pod_is_gone_is_done_again() {
    let space = Space::new("pod-gone").await;
    space.start(&slow(500)).await;
    space.has_trainings(4).await;
    let pods = space.trainings().await;
    space.kill(&pods[0]).await;
    let done = space.reaches("curves", Phase::Complete, 180).await;
    whole(&done).await;
    assert_eq!(done.status.unwrap().trajectories.lost, 0);
}

#[tokio::test]
async fn trainers_that_always_fail_end_the_experiment_with_their_exit_code() {
    let space = Space::new("exit-code").await;
    space.start(&CURVES.replace("[trainpilot-tasks, curves]", "[trainpilot-tasks, nonsense]")).await;
    let failed = space.reaches("curves", Phase::Failed, 180).await;
    let (reason, message) = condition(&failed, "Failed").unwrap();
    assert_eq!(reason, "EpochLost");
    // What it wrote last is clap's hint.
    assert!(message.contains("exit code 2: For more information, try '--help'."), "{message}");
}

#[tokio::test]
async fn trainers_that_end_too_early_are_not_waited_for() {
    let space = Space::new("early").await;
    // It asks for nothing and reports nothing, and is content.
    space.start(&CURVES.replace("[trainpilot-tasks, curves]", "[trainpilot-tasks, curves-best]")).await;
    let failed = space.reaches("curves", Phase::Failed, 180).await;
    let (reason, message) = condition(&failed, "Failed").unwrap();
    assert_eq!(reason, "EpochLost");
    assert!(message.contains("exit code 0"), "{message}");
}

#[tokio::test]
async fn a_learner_that_is_killed_goes_on_where_it_was() {
    let space = Space::new("learner-gone").await;
    space.start(&slow(300)).await;
    for epoch in 0..2 {
        let over = async || {
            let status = space.experiment("curves").await.status.unwrap_or_default();
            status.repetitions.first().is_some_and(|repetition| repetition.epochs_over >= epoch)
        };
        space.until("an epoch is over", 120, over).await;
        space.until("trainings run", 60, async || !space.trainings().await.is_empty()).await;
        let pods = space.list::<Pod>().await;
        space.kill(pods.iter().find(|pod| pod.name_any() == "curves-r0-learner-0").unwrap()).await;
    }
    let done = space.reaches("curves", Phase::Complete, 240).await;
    once_each(&done).await;
}

#[tokio::test]
async fn a_trainer_that_runs_out_of_memory_is_named_as_such() {
    let space = Space::new("memory").await;
    let name = "- name: trainer\n";
    let limited = format!("{name}          resources: {{limits: {{memory: 64Mi}}}}\n");
    space.start(&hostile("memory").replace(name, &limited)).await;
    let failed = space.reaches("curves", Phase::Failed, 180).await;
    let message = condition(&failed, "Failed").unwrap().1;
    assert!(message.contains("ran out of memory"), "{message}");
}

#[tokio::test]
async fn a_trainer_that_never_ends_is_ended_at_its_deadline() {
    let space = Space::new("deadline").await;
    space.start(&hostile("forever").replace("deadlineSeconds: 120", "deadlineSeconds: 5")).await;
    let failed = space.reaches("curves", Phase::Failed, 180).await;
    let message = condition(&failed, "Failed").unwrap().1;
    assert!(message.contains("deadlineSeconds"), "{message}");
}

#[tokio::test]
async fn trainers_that_mean_no_good_harm_nobody_but_themselves() {
    let space = Space::new("hostile").await;
    let attack = "attack, --learner, curves-r0-learner-0.curves-r0-learner.hostile.svc:8092";
    space.start(&hostile(attack)).await;
    let good = slow(200).replace("metadata: {name: curves}", "metadata: {name: good}");
    space.start(&good).await;
    let done = space.reaches_beside("good", Phase::Complete, 240).await;
    once_each(&done).await;
    let failed = space.reaches("curves", Phase::Failed, 180).await;
    // 42 would say that one of its attacks came through.
    let message = condition(&failed, "Failed").unwrap().1;
    assert!(message.contains("exit code 7"), "{message}");
}

#[tokio::test]
async fn a_training_that_is_drained_from_its_node_is_done_again_and_counts_as_no_failure() {
    let space = Space::new("drained").await;
    // A failure more would lose it.
    space.start(&slow(500).replace("retries: 1", "retries: 0")).await;
    space.has_trainings(4).await;
    let pods = space.trainings().await;
    space.api::<Pod>().evict(&pods[1].name_any(), &EvictParams::default()).await.unwrap();
    let done = space.reaches("curves", Phase::Complete, 240).await;
    assert_eq!(done.status.as_ref().unwrap().trajectories.lost, 0);
    whole(&done).await;
}

#[tokio::test]
async fn a_namespace_may_be_deleted_with_everything_that_runs_in_it() {
    let space = Space::new("whole").await;
    space.start(&slow(1000)).await;
    space.has_trainings(4).await;
    space.delete().await;
}

#[tokio::test]
async fn a_namespace_may_be_deleted_with_pods_that_no_node_has_room_for() {
    let space = Space::new("unscheduled").await;
    let name = "- name: trainer\n";
    let greedy = format!("{name}          resources: {{limits: {{nvidia.com/gpu: 99}}}}\n");
    space.start(&CURVES.replace(name, &greedy)).await;
    space.has_trainings(4).await;
    space.delete().await;
}
