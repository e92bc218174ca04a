//! What an experiment leaves for others: where its learners put things, and the TuningPolicy that says so.

use api::{
    ArtifactSpec, FiguresSpec, MetricSpec, OriginSpec, Phase, TuningExperiment, TuningExperimentStatus, TuningPolicy,
    TuningPolicySpec, labels, meaning,
};

use crate::Valid;
use crate::render::unmistakable;

/// Where the learners of an experiment keep what they know, if that is an object store.
fn store(experiment: &TuningExperiment) -> Option<String> {
    let storage = experiment.spec.learners.policy.as_ref()?.storage.as_ref()?;
    Some(own_place(experiment, storage.url.as_ref()?))
}

/// The folder of an experiment, and of no other that there ever was, below a URL: below it, each repetition has one.
pub(crate) fn own_place(experiment: &TuningExperiment, url: &str) -> String {
    let name = experiment.metadata.name.as_deref().unwrap_or_default();
    format!("{}/{}", url.trim_end_matches('/'), unmistakable(experiment, name))
}

/// Where the policy learner of a repetition leaves its last policy.
pub(crate) fn artifact(experiment: &TuningExperiment, repetition: u32) -> Option<String> {
    let publish = experiment.spec.publish.as_ref()?;
    let (folder, name) = (publish.to.trim_end_matches('/'), unmistakable(experiment, &publish.name));
    Some(format!("{folder}/{name}-r{repetition}.safetensors"))
}

/// The TuningPolicy that is to be written before an experiment is told to be complete; none where that has happened, or
/// nothing is to be published.
pub(crate) fn policy(valid: &Valid<'_>, status: &TuningExperimentStatus) -> Option<TuningPolicy> {
    let publish = valid.spec.publish.as_ref()?;
    let was_complete = valid.previous().is_some_and(|previous| previous.phase == Phase::Complete);
    if status.phase != Phase::Complete || was_complete {
        return None;
    }
    let experiment = &valid.observed.experiment;
    let artifacts = artifacts(status);
    let best = best(valid, &artifacts)?;
    let mut policy = TuningPolicy::new(
        &publish.name,
        TuningPolicySpec {
            best: best.repetition,
            action_space: valid.problem.action_space_hash(),
            objective: valid.spec.objective.clone(),
            // Where they were read is that experiment's own affair.
            metrics: valid.spec.metrics.iter().map(|metric| MetricSpec { from: None, ..metric.clone() }).collect(),
            hyperparameters: valid.spec.hyperparameters.clone(),
            multipliers: valid.spec.multipliers.clone(),
            env_steps: valid.spec.trajectory.env_steps,
            algorithm: meaning::algorithm_name(valid.spec).to_owned(),
            figures: FiguresSpec { objective: best.objective, fte: status.fte },
            experiment: OriginSpec { name: valid.name.to_owned(), uid: valid.uid.to_owned() },
            dataset: store(experiment),
            artifacts,
        },
    );
    policy.metadata.namespace.clone_from(&experiment.metadata.namespace);
    // No owner: it is there for the time after the experiment.
    policy.metadata.labels = Some([(labels::EXPERIMENT.to_owned(), valid.name.to_owned())].into());
    Some(policy)
}

fn artifacts(status: &TuningExperimentStatus) -> Vec<ArtifactSpec> {
    let artifact = |repetition: &api::RepetitionStatus| {
        let published = repetition.published.clone()?;
        Some(ArtifactSpec {
            repetition: repetition.repetition,
            url: published.url,
            sha256: published.sha256,
            version: published.version,
            // Of its last epoch, which was the final evaluation.
            objective: repetition.objective.mean,
        })
    };
    status.repetitions.iter().filter_map(artifact).collect()
}

fn best(valid: &Valid<'_>, artifacts: &[ArtifactSpec]) -> Option<ArtifactSpec> {
    let direction = valid.problem.objective.direction;
    let better = |a: &ArtifactSpec, b: &ArtifactSpec| match (a.objective, b.objective) {
        (Some(a), Some(b)) => direction.better(b, a),
        (a, b) => a.is_none() && b.is_some(),
    };
    artifacts.iter().cloned().reduce(|a, b| if better(&a, &b) { b } else { a })
}
