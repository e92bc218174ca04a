//! Reading of the trajectory page, and checks that nothing is missing from it.

use std::collections::BTreeMap;
use std::str::FromStr;

use tuning::{Decision, Keep, Outcome, Problem, Step, TrajectoryKey};

use super::{FORMAT, Limits, Sample, TextError, family, samples, steps_per_page};
use crate::learner::Steps;
use tuning::StepsError;

/// Why a trajectory page is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpositionError {
    /// It is not in the text format, or too big.
    #[error("not a page of metrics")]
    Text(#[from] TextError),
    /// A sample says something that it can't.
    #[error("line {line}: {family} has {found}, expected {expected}")]
    Sample {
        /// Line, from 1.
        line: usize,
        /// Name of the family.
        family: String,
        /// What is wrong about it.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A sample is missing.
    #[error("{family} is missing for step {step}")]
    Missing {
        /// Name of the family.
        family: &'static str,
        /// Number of the step.
        step: u32,
    },
    /// The page does not say what it is about.
    #[error("{} is missing", family::TRAJECTORY)]
    Nothing,
    /// The page does not have as many steps as it says.
    #[error("the page has {found} steps, but says {announced}")]
    Steps {
        /// Steps found.
        found: usize,
        /// Steps announced.
        announced: usize,
    },
    /// The steps are complete, but not those of a trajectory.
    #[error("the steps are not those of a trajectory")]
    Content(#[from] StepsError),
}

/// The steps on `page`, after checking that they are complete and possible for `problem`.
///
/// Families that it does not know are passed over, so that an agent may say more than an older gatherer understands.
pub fn parse(page: &[u8], problem: &Problem, limits: &Limits) -> Result<Steps, ExpositionError> {
    let mut draft = Draft { problem, head: None, outcome: None, steps: BTreeMap::new() };
    for sample in samples(page, limits)? {
        draft.add(&sample?)?;
    }
    let steps = draft.finish()?;
    steps.check(problem)?;
    Ok(steps)
}

/// What has been read so far.
struct Draft<'a> {
    problem: &'a Problem,
    head: Option<Head>,
    outcome: Option<Outcome>,
    steps: BTreeMap<u32, DraftStep>,
}

struct Head {
    key: TrajectoryKey,
    seed: u32,
    task: String,
    steps: usize,
}

/// A step with a slot for each sample that there can be of it.
struct DraftStep {
    metrics: Vec<Option<f64>>,
    hyperparameters: Vec<Option<f64>>,
    applied: Vec<Option<f64>>,
    actions: Vec<Option<usize>>,
    log_probabilities: Vec<Option<f32>>,
    elapsed_seconds: Option<f64>,
    value: Option<f32>,
    policy_version: Option<u64>,
    keep: Option<Keep>,
}

impl Draft<'_> {
    fn add(&mut self, sample: &Sample<'_>) -> Result<(), ExpositionError> {
        match sample.name {
            family::TRAJECTORY => set(&mut self.head, head(sample)?, sample),
            family::OUTCOME => {
                expect_labels(sample, &["outcome"])?;
                let outcome = Outcome::parse(label(sample, "outcome")?);
                let outcome =
                    outcome.ok_or_else(|| wrong(sample, "an unknown outcome", "completed, diverged or lost"))?;
                set(&mut self.outcome, outcome, sample)
            }
            family::METRIC => self.metric(sample),
            family::HYPERPARAMETER => self.steered(sample, |step| &mut step.hyperparameters),
            family::APPLIED => self.steered(sample, |step| &mut step.applied),
            family::ACTION => self.steered(sample, |step| &mut step.actions),
            family::LOG_PROBABILITY => self.steered(sample, |step| &mut step.log_probabilities),
            family::ELAPSED => self.plain(sample, |step| &mut step.elapsed_seconds),
            family::VALUE => self.plain(sample, |step| &mut step.value),
            family::VERSION => self.plain(sample, |step| &mut step.policy_version),
            family::KEPT => {
                expect_labels(sample, &["step", "reason"])?;
                let keep = Keep::parse(label(sample, "reason")?);
                let keep = keep.ok_or_else(|| wrong(sample, "an unknown reason", "no_policy or policy_fault"))?;
                set(&mut self.step(sample)?.keep, keep, sample)
            }
            _ => Ok(()),
        }
    }

    fn metric(&mut self, sample: &Sample<'_>) -> Result<(), ExpositionError> {
        expect_labels(sample, &["step", "metric"])?;
        let name = label(sample, "metric")?;
        let place = self.problem.metrics.iter().position(|metric| metric.name == name);
        let place = place.ok_or_else(|| wrong(sample, "an unknown metric", "one of the experiment's"))?;
        set(&mut self.step(sample)?.metrics[place], number(sample)?, sample)
    }

    fn steered<T: FromStr>(
        &mut self,
        sample: &Sample<'_>,
        slots: fn(&mut DraftStep) -> &mut Vec<Option<T>>,
    ) -> Result<(), ExpositionError> {
        expect_labels(sample, &["step", "hyperparameter"])?;
        let name = label(sample, "hyperparameter")?;
        let place = self.problem.hyperparameters.iter().position(|h| h.name == name);
        let place = place.ok_or_else(|| wrong(sample, "an unknown hyperparameter", "one of the experiment's"))?;
        set(&mut slots(self.step(sample)?)[place], number(sample)?, sample)
    }

    fn plain<T: FromStr>(
        &mut self,
        sample: &Sample<'_>,
        slot: fn(&mut DraftStep) -> &mut Option<T>,
    ) -> Result<(), ExpositionError> {
        expect_labels(sample, &["step"])?;
        set(slot(self.step(sample)?), number(sample)?, sample)
    }

    /// The step that `sample` belongs to; never more of them than a page may have, whatever it says.
    fn step(&mut self, sample: &Sample<'_>) -> Result<&mut DraftStep, ExpositionError> {
        let step: u32 = integer(sample, "step")?;
        if !self.steps.contains_key(&step) && self.steps.len() == steps_per_page(self.problem) {
            return Err(wrong(sample, "one step too many", "no more than fit a page"));
        }
        Ok(self.steps.entry(step).or_insert_with(|| DraftStep::new(self.problem)))
    }

    fn finish(self) -> Result<Steps, ExpositionError> {
        let Head { key, seed, task, steps: announced } = self.head.ok_or(ExpositionError::Nothing)?;
        if announced != self.steps.len() {
            return Err(ExpositionError::Steps { found: self.steps.len(), announced });
        }
        let steps: Result<Vec<_>, _> = self.steps.into_iter().map(|(step, draft)| draft.finish(step)).collect();
        Ok(Steps { key, seed, task, steps: steps?, outcome: self.outcome })
    }
}

impl DraftStep {
    fn new(problem: &Problem) -> Self {
        let steered = problem.hyperparameters.len();
        Self {
            metrics: vec![None; problem.metrics.len()],
            hyperparameters: vec![None; steered],
            applied: vec![None; steered],
            actions: vec![None; steered],
            log_probabilities: vec![None; steered],
            elapsed_seconds: None,
            value: None,
            policy_version: None,
            keep: None,
        }
    }

    fn finish(self, step: u32) -> Result<Step, ExpositionError> {
        let missing = |family| ExpositionError::Missing { family, step };
        let metrics = all(&self.metrics).ok_or(missing(family::METRIC))?;
        let hyperparameters = all(&self.hyperparameters).ok_or(missing(family::HYPERPARAMETER))?;
        let applied = all(&self.applied).ok_or(missing(family::APPLIED))?;
        let elapsed_seconds = self.elapsed_seconds.ok_or(missing(family::ELAPSED))?;
        let decision = self.decision(step)?;
        Ok(Step { step, metrics, hyperparameters, applied, decision, elapsed_seconds })
    }

    fn decision(&self, step: u32) -> Result<Option<Decision>, ExpositionError> {
        let missing = |family| ExpositionError::Missing { family, step };
        let drawn = !none(&self.log_probabilities);
        let Some(policy_version) = self.policy_version else {
            let nothing = none(&self.actions) && !drawn && self.value.is_none() && self.keep.is_none();
            return if nothing { Ok(None) } else { Err(missing(family::VERSION)) };
        };
        let actions = all(&self.actions).ok_or(missing(family::ACTION))?;
        let log_probabilities = if drawn { all(&self.log_probabilities) } else { Some(Vec::new()) };
        let log_probabilities = log_probabilities.ok_or(missing(family::LOG_PROBABILITY))?;
        Ok(Some(Decision { actions, log_probabilities, value: self.value, policy_version, keep: self.keep }))
    }
}

fn all<T: Copy>(slots: &[Option<T>]) -> Option<Vec<T>> {
    slots.iter().copied().collect()
}

fn none<T>(slots: &[Option<T>]) -> bool {
    slots.iter().all(Option::is_none)
}

fn head(sample: &Sample<'_>) -> Result<Head, ExpositionError> {
    expect_labels(sample, &["format", "repetition", "epoch", "index", "attempt", "seed", "task"])?;
    if integer::<u32>(sample, "format")? != FORMAT {
        return Err(wrong(sample, "a format of another version", "format 1"));
    }
    let key = TrajectoryKey {
        repetition: integer(sample, "repetition")?,
        epoch: integer(sample, "epoch")?,
        index: integer(sample, "index")?,
        attempt: integer(sample, "attempt")?,
    };
    let (seed, task) = (integer(sample, "seed")?, label(sample, "task")?.to_owned());
    Ok(Head { key, seed, task, steps: number(sample)? })
}

fn expect_labels(sample: &Sample<'_>, names: &[&str]) -> Result<(), ExpositionError> {
    if sample.labels.len() == names.len() {
        Ok(())
    } else {
        Err(wrong(sample, "other labels", "exactly its own labels"))
    }
}

fn label<'a>(sample: &'a Sample<'_>, name: &str) -> Result<&'a str, ExpositionError> {
    let found = sample.labels.iter().find(|(label, _)| *label == name);
    found.map(|(_, value)| value.as_ref()).ok_or_else(|| wrong(sample, "other labels", "exactly its own labels"))
}

fn integer<T: FromStr>(sample: &Sample<'_>, name: &str) -> Result<T, ExpositionError> {
    let text = label(sample, name)?;
    text.parse().map_err(|_| wrong(sample, &format!("{name}={text:?}"), "a whole number in range"))
}

fn number<T: FromStr>(sample: &Sample<'_>) -> Result<T, ExpositionError> {
    sample.value.parse().map_err(|_| wrong(sample, sample.value, "a whole number in range"))
}

fn set<T>(slot: &mut Option<T>, value: T, sample: &Sample<'_>) -> Result<(), ExpositionError> {
    if slot.is_some() {
        return Err(wrong(sample, "a sample given twice", "each once"));
    }
    *slot = Some(value);
    Ok(())
}

fn wrong(sample: &Sample<'_>, found: &str, expected: &'static str) -> ExpositionError {
    let family = sample.name.to_owned();
    ExpositionError::Sample { line: sample.line, family, found: found.to_owned(), expected }
}
