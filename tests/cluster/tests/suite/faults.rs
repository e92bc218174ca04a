//! What goes wrong with pods, and what becomes of it: nothing is lost, nothing is stored twice.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use api::Phase;
use cluster::dataset::{attempts, once_each, whole};
use cluster::experiments::{CURVES, hostile, slow};
use cluster::{Space, condition};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::EvictParams;
use tuning::{Outcome, Trajectory};

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
async fn a_training_with_checkpoints_that_is_drained_again_and_again_goes_on_where_it_was() {
    let space = Space::new("resumed").await;
    let checkpoints = space.claim("checkpoints").await;
    let container = "        containers:\n        - name: trainer\n";
    let volume = format!(
        "        volumes: [{{name: checkpoints, persistentVolumeClaim: {{claimName: checkpoints}}}}]\n{container}          \
         volumeMounts: [{{name: checkpoints, mountPath: /checkpoints}}]\n"
    );
    let yaml = slow(500)
        .replace(container, &volume)
        .replace(
            "command: [trainpilot-tasks, curves]",
            "command: [trainpilot-tasks, curves, --checkpoints, /checkpoints]",
        )
        .replace("envSteps: 8", "envSteps: 60")
        .replace("ppo: {epochs: 2, trajectoriesPerEpoch: 4}", "random: {}")
        .replace("finalEvaluation: {trajectories: 4}", "finalEvaluation: {trajectories: 1}")
        .replace("retries: 1", "retries: 0");
    space.start(&yaml).await;
    let mut evicted = BTreeSet::new();
    for _ in 0..3 {
        let runs = async || match space.trainings().await.as_slice() {
            [pod] if !evicted.contains(&pod.name_any()) => steps(&checkpoints) > 0,
            _ => false,
        };
        space.until("another training runs", 60, runs).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let pod = space.trainings().await.remove(0).name_any();
        space.api::<Pod>().evict(&pod, &EvictParams::default()).await.unwrap();
        evicted.insert(pod);
    }
    let done = space.reaches("curves", Phase::Complete, 240).await;
    let attempts = attempts(&done, 0, 1).await;
    let (whole, lost): (Vec<_>, Vec<_>) = attempts.iter().partition(|t| t.outcome == Some(Outcome::Completed));
    assert_eq!((whole.len(), whole[0].steps.len()), (1, 61));
    assert!(lost.iter().all(|t| t.env_steps() <= 1), "an attempt trained more than one env step for nothing");
    let trained: u64 = attempts.iter().map(Trajectory::env_steps).sum();
    assert!((60..=63).contains(&trained), "{trained} env steps");
    assert_eq!(std::fs::read_dir(&checkpoints).unwrap().count(), 0, "checkpoints of a training that ended");
}

/// Checkpoints of all trainings below `root`.
fn steps(root: &Path) -> usize {
    let trainings = std::fs::read_dir(root).into_iter().flatten().flatten();
    trainings.filter_map(|training| std::fs::read_dir(training.path()).ok()).map(Iterator::count).sum()
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
