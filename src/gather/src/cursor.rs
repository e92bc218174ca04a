//! How far one attempt has come.

use std::time::{Duration, Instant};

use tuning::{Outcome, Problem, Step, TrajectoryKey};
use wire::learner::{Steps, Stored};

use crate::GatherError;

/// How far one attempt is stored by its learner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Steps that are stored.
    pub next_step: u32,
    /// Whether the outcome is stored too: nothing is left to gather.
    pub ended: bool,
    /// Whether the agent knows that, and may exit.
    pub acknowledged: bool,
    /// The outcome, once it was seen.
    pub outcome: Option<Outcome>,
    /// The objective at the last step seen.
    pub objective: Option<f64>,
}

/// The newest step of an attempt that goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Newest {
    /// Which attempt.
    pub key: TrajectoryKey,
    /// The step.
    pub step: Step,
    /// How long ago it was gathered.
    pub age: Duration,
    /// Seconds that the training took from the step before; none at the first.
    pub seconds: Option<f64>,
}

/// What is remembered of an attempt between two scrapes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursor {
    pub(crate) progress: Progress,
    /// The step before `next_step`, if it passed through here: asked for again, it shows whether the agent is the same.
    last: Option<Step>,
    /// When that one was gathered, and the seconds from the one before.
    came: Option<(Instant, Option<f64>)>,
    /// Whether the last try failed.
    pub(crate) failing: bool,
}

impl Cursor {
    /// The step to ask for.
    pub(crate) fn from(&self) -> u32 {
        self.progress.next_step.saturating_sub(u32::from(self.last.is_some()))
    }

    /// Takes the step away from `steps` that was asked for only to be compared.
    pub(crate) fn compare(&self, steps: &mut Steps) -> Result<(), GatherError> {
        let (expected, found) = (self.from(), steps.steps.first().map(|step| step.step));
        if found.map_or(self.last.is_some(), |found| found != expected) {
            return Err(GatherError::Start { expected, found });
        }
        let Some(last) = &self.last else { return Ok(()) };
        if steps.steps.remove(0) != *last {
            return Err(GatherError::Changed { step: last.step });
        }
        Ok(())
    }

    /// Takes note of what a learner answered to `steps`.
    ///
    /// If it stands elsewhere than they end (it restarted, or the agent delivered itself), it is right.
    pub(crate) fn stored(&mut self, mut steps: Steps, stored: &Stored, problem: &Problem) {
        self.progress.outcome = steps.outcome.or(self.progress.outcome);
        self.progress.next_step = stored.next_step;
        self.progress.ended = stored.ended;
        let newest = match steps.steps.pop() {
            None => self.last.take(),
            Some(newest) => {
                let before = steps.steps.last().or(self.last.as_ref()).map(|step| step.elapsed_seconds);
                self.came = Some((Instant::now(), before.map(|before| newest.elapsed_seconds - before)));
                Some(newest)
            }
        };
        if let Some(step) = &newest {
            self.progress.objective = step.metrics.get(problem.objective_index()).copied();
        }
        self.last = newest.filter(|step| step.step + 1 == stored.next_step);
    }

    /// The newest step, if it passed through here and the attempt goes on.
    pub(crate) fn newest(&self, key: TrajectoryKey) -> Option<Newest> {
        let (came, seconds) = self.came.filter(|_| !self.progress.ended)?;
        Some(Newest { key, step: self.last.clone()?, age: came.elapsed(), seconds })
    }
}
