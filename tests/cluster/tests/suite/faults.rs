//! What goes wrong with pods, and what becomes of it: nothing is lost, nothing is stored twice.

use api::Phase;
use cluster::dataset::{attempts, trajectories};
use cluster::experiments::{CURVES, slow};
use cluster::{Space, condition};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tuning::Outcome;

#[tokio::test]
async fn a_training_whose_pod_is_gone_is_done_again() {
    let space = Space::new("pod-gone").await;
    space.start(&slow(500)).await;
    space.until("four trainings run", 60, async || space.trainings().await.len() == 4).await;
    let pods = space.trainings().await;
    space.kill(&pods[0]).await;
    let done = space.reaches("curves", Phase::Complete, 180).await;
    for epoch in 1..=3 {
        trajectories(&done, 0, epoch, 4).await;
    }
    assert_eq!(done.status.unwrap().trajectories.lost, 0);
}

#[tokio::test]
async fn trainers_that_always_fail_end_the_experiment_with_their_exit_code() {
    let space = Space::new("exit-code").await;
    space.start(&CURVES.replace("[trainpilot-tasks, curves]", "[trainpilot-tasks, nonsense]")).await;
    let failed = space.reaches("curves", Phase::Failed, 180).await;
    let (reason, message) = condition(&failed, "Failed").unwrap();
    assert_eq!(reason, "EpochLost");
    assert!(message.contains("exit code 2"), "{message}");
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
    for epoch in 1..=3 {
        let all = attempts(&done, 0, epoch).await;
        assert!(
            all.iter().all(|attempt| attempt.outcome == Some(Outcome::Completed)),
            "epoch {epoch}: nothing is lost"
        );
        trajectories(&done, 0, epoch, 4).await;
    }
}
