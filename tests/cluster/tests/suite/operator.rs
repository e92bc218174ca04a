//! The operator itself: killed, away, and at rest.

use std::time::Duration;

use api::{Phase, TuningExperiment};
use cluster::dataset::once_each;
use cluster::experiments::{CURVES, slow};
use cluster::{Space, operators};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::ResourceExt;

/// How often it is killed while one experiment runs.
const KILLS: u32 = 20;

#[tokio::test]
async fn an_operator_that_is_killed_again_and_again_loses_nothing_and_starts_nothing_twice() {
    let space = Space::new("operator-gone").await;
    space.start(&slow(500)).await;
    for kill in 0..KILLS {
        // Moments that are all different, and the same each time the suite is run.
        tokio::time::sleep(Duration::from_millis(400 + u64::from(kill * 377 % 1900))).await;
        operators::kill_all().await;
    }
    let done = space.reaches("curves", Phase::Complete, 300).await;
    once_each(&done).await;
}

#[tokio::test]
async fn while_the_operator_is_away_trainings_end_and_what_they_measured_is_kept() {
    let space = Space::new("away").await;
    space.start(&slow(500)).await;
    space.has_trainings(4).await;
    operators::scale(0).await;
    // They take four seconds each; their agents wait a while for somebody to gather, and then deliver by themselves.
    space.until("all trainings have ended", 120, async || space.trainings().await.is_empty()).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    operators::scale(2).await;
    let done = space.reaches("curves", Phase::Complete, 240).await;
    once_each(&done).await;
}

#[tokio::test]
async fn at_rest_nothing_is_written() {
    let space = Space::alone("rest").await;
    space.start(CURVES).await;
    space.reaches("curves", Phase::Complete, 180).await;
    let versions = async || {
        let experiment = space.experiment("curves").await;
        let set = &space.list::<StatefulSet>().await[0];
        (experiment.resource_version(), set.metadata.generation)
    };
    // The StatefulSet controller has a last word.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (before, writes) = (versions().await, operators::writes().await);
    // Something changes that is nobody's business, so that there are rounds.
    for number in 0..5 {
        let change = serde_json::json!({"metadata": {"annotations": {"example.com/number": number.to_string()}}});
        let patch = kube::api::Patch::Merge(change);
        space.api::<TuningExperiment>().patch("curves", &Default::default(), &patch).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(operators::writes().await, writes + 5, "only the five changes of this test");
    assert_eq!(versions().await.1, before.1);
}
