//! What a learner stored, read from its volume.

use std::path::Path;

use api::{TuningExperiment, meaning};
use dataset::{Dataset, Identity};
use kube::ResourceExt;
use tuning::{Outcome, Trajectory};

use crate::volumes::folder;

/// Every attempt of an epoch.
pub async fn attempts(experiment: &TuningExperiment, repetition: u32, epoch: u32) -> Vec<Trajectory> {
    let learner = format!("{}-r{repetition}-learner", experiment.name_any());
    let path = folder(&experiment.namespace().unwrap(), &learner).join("learner");
    attempts_in(&path, experiment, repetition, epoch).await
}

/// The same of a learner that keeps them in `path`.
pub async fn attempts_in(path: &Path, experiment: &TuningExperiment, repetition: u32, epoch: u32) -> Vec<Trajectory> {
    let name = experiment.name_any();
    let problem = meaning::problem(&experiment.spec);
    let identity = Identity { experiment: name, uid: experiment.uid().unwrap(), repetition, problem };
    let dataset = Dataset::open(path.to_str().unwrap(), identity).unwrap();
    dataset.read_epoch(epoch).await.unwrap().trajectories
}

/// The attempts of an epoch that count, which are one of each index.
///
/// # Panics
/// If an index has another number of them, or one lacks steps.
pub async fn trajectories(experiment: &TuningExperiment, repetition: u32, epoch: u32, count: u32) -> Vec<Trajectory> {
    let all = attempts(experiment, repetition, epoch).await;
    let counted: Vec<Trajectory> = all.into_iter().filter(|t| t.outcome != Some(Outcome::Lost)).collect();
    let indices: Vec<u32> = counted.iter().map(|trajectory| trajectory.key.index).collect();
    assert_eq!(indices, (0..count).collect::<Vec<_>>(), "epoch {epoch}: each index once");
    for trajectory in counted.iter().filter(|t| t.outcome == Some(Outcome::Completed)) {
        let steps: Vec<u32> = trajectory.steps.iter().map(|step| step.step).collect();
        assert_eq!(steps, (0..=experiment.spec.trajectory.env_steps).collect::<Vec<_>>(), "{:?}", trajectory.key);
    }
    counted
}

/// Checks all epochs of the experiments in [`crate::experiments`], the final evaluation included.
pub async fn whole(experiment: &TuningExperiment) {
    for epoch in 1..=3 {
        trajectories(experiment, 0, epoch, 4).await;
    }
}

/// The same, and that nothing had to be tried twice.
///
/// # Panics
/// If something was.
pub async fn once_each(experiment: &TuningExperiment) {
    whole(experiment).await;
    for epoch in 1..=3 {
        assert_eq!(attempts(experiment, 0, epoch).await.len(), 4, "epoch {epoch}: one attempt for each index");
    }
}

/// Trajectories without what a clock says and without numbers of attempts: what must follow from the seed.
pub fn timeless(trajectories: Vec<Trajectory>) -> Vec<Trajectory> {
    let timeless = |mut trajectory: Trajectory| {
        trajectory.key.attempt = 0;
        trajectory.steps.iter_mut().for_each(|step| step.elapsed_seconds = 0.0);
        trajectory
    };
    trajectories.into_iter().map(timeless).collect()
}
