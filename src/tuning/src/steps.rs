//! Steps on their way from agent to dataset, and the check that each receiver makes.

use serde::{Deserialize, Serialize};

use crate::{Decision, Outcome, Problem, Step, TrajectoryKey};

/// Bytes of the longest name of a task.
const MAX_TASK: usize = 253;

/// Some steps of one attempt, in order and without gaps: how a trajectory travels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Steps {
    /// Which attempt.
    pub key: TrajectoryKey,
    /// Seed of its training.
    pub seed: u32,
    /// Name of its task; empty where there is only one.
    pub task: String,
    /// The steps; may be empty when only the outcome is news.
    pub steps: Vec<Step>,
    /// How the attempt ended, if it has.
    pub outcome: Option<Outcome>,
}

/// Why steps can't be those of a trajectory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepsError {
    /// Epochs count from 1.
    #[error("epoch is 0, expected 1 or more")]
    Epoch,
    /// The task's name is longer than any.
    #[error("the task's name has {0} bytes, expected at most {MAX_TASK}")]
    Task(usize),
    /// A step follows one that does not precede it, or comes after the end.
    #[error("found step {found}, expected {expected}")]
    Order {
        /// Its number.
        found: u32,
        /// The number expected.
        expected: String,
    },
    /// A list has too few or too many entries.
    #[error("step {step} has {found} {what}, expected {expected}")]
    Count {
        /// Number of the step.
        step: u32,
        /// Entries of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there must be.
        expected: usize,
    },
    /// A number is NaN or infinite, or a duration negative.
    #[error("step {step}: {what} must be finite, and seconds not negative")]
    Number {
        /// Number of the step.
        step: u32,
        /// Which number.
        what: &'static str,
    },
    /// An action is no index into the multipliers.
    #[error("step {step} has action {action}, expected less than {multipliers}")]
    Action {
        /// Number of the step.
        step: u32,
        /// The action.
        action: usize,
        /// How many multipliers there are.
        multipliers: usize,
    },
    /// A decision is missing where the trajectory goes on, or there where it can't.
    #[error("step {step} has {found} decision, expected {expected}")]
    Decision {
        /// Number of the step.
        step: u32,
        /// `a` or `no`.
        found: &'static str,
        /// When there is one.
        expected: &'static str,
    },
}

impl Steps {
    /// Checks that these can be steps of a trajectory of `problem`: numbered without gaps, up to T, complete, finite.
    ///
    /// Every step has a decision, except step T and the last one of a trajectory that ended.
    pub fn check(&self, problem: &Problem) -> Result<(), StepsError> {
        if self.key.epoch == 0 {
            return Err(StepsError::Epoch);
        }
        if self.task.len() > MAX_TASK {
            return Err(StepsError::Task(self.task.len()));
        }
        let last = self.steps.len().saturating_sub(1);
        let first = self.steps.first().map_or(0, |step| step.step);
        for (place, step) in self.steps.iter().enumerate() {
            check_order(step.step, u64::from(first) + place as u64, problem)?;
            check_numbers(step, problem)?;
            check_decision(step, place == last && self.outcome.is_some(), problem)?;
        }
        Ok(())
    }
}

fn check_order(found: u32, expected: u64, problem: &Problem) -> Result<(), StepsError> {
    if u64::from(found) != expected {
        return Err(StepsError::Order { found, expected: expected.to_string() });
    }
    if found > problem.env_steps {
        return Err(StepsError::Order { found, expected: format!("at most {}", problem.env_steps) });
    }
    Ok(())
}

fn check_numbers(step: &Step, problem: &Problem) -> Result<(), StepsError> {
    let steered = problem.hyperparameters.len();
    let lists = [
        ("metrics", &step.metrics, problem.metrics.len()),
        ("hyperparameters", &step.hyperparameters, steered),
        ("applied hyperparameters", &step.applied, steered),
    ];
    for (what, list, expected) in lists {
        count(step.step, what, list.len(), expected)?;
        finite(step.step, what, list.iter().all(|x| x.is_finite()))?;
    }
    finite(step.step, "elapsed seconds", step.elapsed_seconds.is_finite() && step.elapsed_seconds >= 0.0)
}

fn check_decision(step: &Step, may_be_last: bool, problem: &Problem) -> Result<(), StepsError> {
    let end = step.step == problem.env_steps;
    let wrong = |found, expected| Err(StepsError::Decision { step: step.step, found, expected });
    match &step.decision {
        Some(_) if end => wrong("a", "none at the end"),
        None if !end && !may_be_last => wrong("no", "one, for the trajectory goes on"),
        Some(decision) => check_actions(step.step, decision, problem),
        None => Ok(()),
    }
}

fn check_actions(step: u32, decision: &Decision, problem: &Problem) -> Result<(), StepsError> {
    let (steered, multipliers) = (problem.hyperparameters.len(), problem.multipliers.len());
    count(step, "actions", decision.actions.len(), steered)?;
    if let Some(&action) = decision.actions.iter().find(|action| **action >= multipliers) {
        return Err(StepsError::Action { step, action, multipliers });
    }
    if !decision.log_probabilities.is_empty() {
        count(step, "log-probabilities", decision.log_probabilities.len(), steered)?;
    }
    finite(step, "log-probabilities", decision.log_probabilities.iter().all(|x| x.is_finite()))?;
    finite(step, "value", decision.value.is_none_or(f32::is_finite))
}

fn count(step: u32, what: &'static str, found: usize, expected: usize) -> Result<(), StepsError> {
    if found == expected { Ok(()) } else { Err(StepsError::Count { step, what, found, expected }) }
}

fn finite(step: u32, what: &'static str, fine: bool) -> Result<(), StepsError> {
    if fine { Ok(()) } else { Err(StepsError::Number { step, what }) }
}
