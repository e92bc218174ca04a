//! What is told of an epoch while it is gathered, and whether it fits the problem.

use serde::{Deserialize, Serialize};
pub use tuning::Steps;
use tuning::{Decision, Problem, Step, TrajectoryKey};

/// Something told of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Record {
    /// What the epoch consists of.
    Order(Order),
    /// Steps of an attempt.
    Steps(Steps),
}

/// What an epoch consists of; later orders can only extend it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Trajectories: their indices are 0 .. this.
    pub trajectories: u32,
    /// Indices whose attempts are used up.
    pub lost: Vec<u32>,
}

/// Why steps don't fit the problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("step {step} of {key:?}: {what}")]
pub struct RecordError {
    /// Which attempt.
    pub key: TrajectoryKey,
    /// Which step.
    pub step: u32,
    /// What does not fit.
    pub what: String,
}

/// Checks that `steps` of attempt `key` follow one another and fit `problem`: lengths, ranges, numbers that are finite.
pub(crate) fn check(problem: &Problem, key: TrajectoryKey, steps: &[Step]) -> Result<(), RecordError> {
    let first = steps.first().map_or(0, |step| step.step);
    for (step, expected) in steps.iter().zip(u64::from(first)..) {
        let verdict = if u64::from(step.step) != expected {
            Err(format!("step {expected} should stand here"))
        } else {
            check_step(problem, step)
        };
        verdict.map_err(|what| RecordError { key, step: step.step, what })?;
    }
    Ok(())
}

fn check_step(problem: &Problem, step: &Step) -> Result<(), String> {
    let (metrics, steered) = (problem.metrics.len(), problem.hyperparameters.len());
    if step.step > problem.env_steps {
        return Err(format!("the last step is {}", problem.env_steps));
    }
    check_numbers("metrics", &step.metrics, metrics)?;
    check_numbers("hyperparameters", &step.hyperparameters, steered)?;
    check_numbers("applied values", &step.applied, steered)?;
    check_numbers("elapsed seconds", &[step.elapsed_seconds], 1)?;
    step.decision.as_ref().map_or(Ok(()), |decision| check_decision(problem, decision))
}

fn check_decision(problem: &Problem, decision: &Decision) -> Result<(), String> {
    let steered = problem.hyperparameters.len();
    if decision.actions.len() != steered {
        return Err(format!("{} actions instead of {steered}", decision.actions.len()));
    }
    if let Some(action) = decision.actions.iter().find(|action| **action >= problem.multipliers.len()) {
        return Err(format!("action {action}, but there are {} multipliers", problem.multipliers.len()));
    }
    let drawn = if decision.log_probabilities.is_empty() { 0 } else { steered };
    let wide = |numbers: &[f32]| -> Vec<f64> { numbers.iter().copied().map(f64::from).collect() };
    check_numbers("log-probabilities", &wide(&decision.log_probabilities), drawn)?;
    let value = wide(decision.value.as_slice());
    check_numbers("value", &value, value.len())
}

fn check_numbers(what: &str, numbers: &[f64], count: usize) -> Result<(), String> {
    if numbers.len() != count {
        return Err(format!("{} {what} instead of {count}", numbers.len()));
    }
    match numbers.iter().find(|number| !number.is_finite()) {
        Some(number) => Err(format!("{number} among the {what}")),
        None => Ok(()),
    }
}
