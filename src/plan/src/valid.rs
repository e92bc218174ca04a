//! Parses an observation once: what comes after may rely on a sound experiment.

use api::{RepetitionStatus, TuningExperimentSpec, TuningExperimentStatus, Violation, meaning, violations};
use tuning::Problem;
use wire::settings::Algorithm;

use crate::references::{References, put_in, resolve};
use crate::{Observed, RepetitionObserved};

/// An observation whose experiment is sound, and what its spec means.
#[derive(Clone, Debug)]
pub struct Valid<'a> {
    pub(crate) observed: &'a Observed,
    pub(crate) name: &'a str,
    pub(crate) uid: &'a str,
    pub(crate) spec: &'a TuningExperimentSpec,
    pub(crate) problem: Problem,
    pub(crate) algorithm: Algorithm,
    /// Trajectories of each epoch that is learned from.
    pub(crate) sizes: Vec<u32>,
    /// What it refers to.
    pub(crate) references: References,
}

/// Checks the experiment as the apiserver would, and what no rule of its can say.
///
/// # Errors
/// Every mistake; the experiment must be edited before anything else can happen.
pub fn validate(observed: &Observed) -> Result<Valid<'_>, Vec<Violation>> {
    let experiment = &observed.experiment;
    let mut mistakes = violations(experiment);
    if experiment.metadata.uid.is_none() {
        mistakes.push(Violation { path: "metadata.uid".to_owned(), message: "Required value".to_owned() });
    }
    let (Some(name), Some(uid), []) = (&experiment.metadata.name, &experiment.metadata.uid, mistakes.as_slice()) else {
        return Err(mistakes);
    };
    let problem = meaning::problem(&experiment.spec);
    if let Err(error) = problem.check() {
        return Err(vec![Violation { path: "spec".to_owned(), message: error.to_string() }]);
    }
    let mut algorithm = meaning::algorithm(&experiment.spec);
    let sizes = meaning::epoch_sizes(&algorithm);
    let references = resolve(observed, &problem)?;
    if let References::Resolved(Some(resolved)) = &references {
        put_in(&mut algorithm, resolved);
    }
    Ok(Valid { observed, name, uid, spec: &experiment.spec, problem, algorithm, sizes, references })
}

impl Valid<'_> {
    /// Whether its batches are handed to a queue, which lets each of them go on as a whole.
    pub(crate) fn is_queued(&self) -> bool {
        let labels = &self.observed.experiment.metadata.labels;
        labels.as_ref().is_some_and(|labels| labels.contains_key(api::labels::QUEUE))
    }

    /// Epochs to learn from, if no budget is used up before.
    pub(crate) fn epochs(&self) -> u32 {
        self.sizes.len() as u32
    }

    /// Trajectories of an epoch, where the ones to learn from are `epochs`.
    pub(crate) fn size(&self, epoch: u32, epochs: u32) -> u32 {
        let last = self.spec.final_evaluation.trajectories;
        if epoch > epochs { last } else { self.sizes.get(epoch as usize - 1).copied().unwrap_or(last) }
    }

    pub(crate) fn previous(&self) -> Option<&TuningExperimentStatus> {
        self.observed.experiment.status.as_ref()
    }

    pub(crate) fn previous_of(&self, repetition: u32) -> Option<&RepetitionStatus> {
        self.previous()?.repetitions.iter().find(|status| status.repetition == repetition)
    }

    pub(crate) fn observed_of(&self, repetition: u32) -> RepetitionObserved {
        self.observed.repetitions.get(repetition as usize).cloned().unwrap_or_default()
    }

    /// Whether a budget forbids to start this epoch.
    pub(crate) fn spent(&self, epoch: u32) -> bool {
        let budget = &self.spec.budget;
        let trajectories: u64 = self.sizes.iter().take(epoch as usize).map(|size| u64::from(*size)).sum();
        let started = self.previous().and_then(|status| status.start_time.as_ref());
        let seconds = started.map_or(0.0, |start| self.observed.now.duration_since(start.0).as_secs_f64());
        budget.trajectories.is_some_and(|most| trajectories * u64::from(self.spec.repetitions) > u64::from(most))
            || budget.hours.is_some_and(|most| seconds >= most * 3600.0)
    }
}
