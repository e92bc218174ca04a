//! Learners that are killed, whatever they are about, and learners without room to store anything.

use std::time::Duration;

use api::{Phase, RepetitionPhase};
use cluster::dataset::once_each;
use cluster::experiments::{patient, simple, slow};
use cluster::volumes::{Small, folder};
use cluster::{Space, condition};

#[tokio::test]
async fn learners_of_a_simple_run_that_are_killed_in_every_phase_go_on_where_they_were() {
    let space = Space::new("phases").await;
    // Long enough to be met at it.
    let long = simple()
        .replace("firstOptimizerSteps: 50, optimizerSteps: 50", "firstOptimizerSteps: 800, optimizerSteps: 800");
    let command = "command: [trainpilot-tasks, curves]";
    let pause = format!("{command}\n          env: [{{name: CURVES_STEP_MILLISECONDS, value: \"500\"}}]");
    space.start(&long.replace(command, &pause)).await;
    let world_models = || {
        std::fs::read_dir(folder("phases", "curves-r0-learner").join("learner/world-models")).map_or(0, Iterator::count)
    };
    // The world-model learner waits for trajectories, then it trains on them; the policy learner gathers.
    is(&space, RepetitionPhase::Gathering, 0).await;
    space.has_trainings(4).await;
    space.kill(&space.learner("curves-r0-world-model").await).await;
    space.kill(&space.learner("curves-r0-learner").await).await;
    is(&space, RepetitionPhase::Learning, 0).await;
    space.kill(&space.learner("curves-r0-world-model").await).await;
    assert_eq!(world_models(), 0, "it was still to be trained");
    // The policy learner waits for a world model, then it simulates with it.
    is(&space, RepetitionPhase::Learning, 1).await;
    space.kill(&space.learner("curves-r0-learner").await).await;
    assert_eq!(world_models(), 1, "the second was still to be trained");
    space.until("there are both", 120, async || world_models() == 2).await;
    space.kill(&space.learner("curves-r0-learner").await).await;
    is(&space, RepetitionPhase::Evaluating, 2).await;
    space.has_trainings(4).await;
    space.kill(&space.learner("curves-r0-learner").await).await;
    let done = space.reaches("curves", Phase::Complete, 240).await;
    once_each(&done).await;
    assert_eq!(done.status.unwrap().repetitions[0].policy_version, 3);
}

/// Waits until the first repetition is in a phase, so many epochs being over.
async fn is(space: &Space, phase: RepetitionPhase, over: u32) {
    let what = format!("{phase:?} after {over} epochs");
    let there = async || {
        let status = space.experiment("curves").await.status.unwrap_or_default();
        status.repetitions.first().is_some_and(|now| now.phase == phase && now.epochs_over == over)
    };
    space.until(&what, 180, there).await;
}

#[tokio::test]
async fn a_learner_whose_volume_is_full_says_so_and_loses_nothing_once_there_is_room_again() {
    let space = Space::new("full").await;
    let volume = Small::new("full", "curves-r0-learner", 16);
    space.start(&patient(&slow(500))).await;
    space.has_trainings(4).await;
    volume.fill();
    let told = async || condition(&space.experiment("curves").await, "Degraded").is_some();
    space.until("it is told", 60, told).await;
    let (reason, message) = condition(&space.experiment("curves").await, "Degraded").unwrap();
    assert_eq!(reason, "LearnerFault");
    assert!(message.contains("No space left on device"), "{message}");
    // Longer than all of the trainings take.
    tokio::time::sleep(Duration::from_secs(15)).await;
    volume.empty();
    let done = space.reaches("curves", Phase::Complete, 240).await;
    assert!(condition(&done, "Degraded").is_none());
    once_each(&done).await;
}
