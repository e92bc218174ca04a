//! Why learning was refused.

use tuning::TrajectoryKey;

use crate::CheckpointError;

/// Why learning was refused. The learner is left as it was before.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// No trajectory came to an end with a decision of a policy in it.
    #[error("epoch {epoch} has no decision of a policy to learn from: all its trajectories are lost or were kept")]
    NothingToLearnFrom {
        /// The epoch.
        epoch: u32,
    },
    /// No trajectory came to an end with an env step in it.
    #[error("there is no env step to forecast from: all trajectories are lost, held out or without one")]
    NothingToForecastFrom,
    /// A world model's loss or gradient stopped being a finite number.
    #[error(
        "the world model's gradient is not finite at optimizer step {optimizer_step}; the previous weights are kept"
    )]
    ForecastNotFinite {
        /// Optimizer steps done before it was noticed.
        optimizer_step: u32,
    },
    /// A trajectory does not fit the problem.
    #[error(
        "trajectory {} of epoch {}, attempt {}, step {step}: {field} is {got}, expected {expected}",
        key.index, key.epoch, key.attempt
    )]
    Trajectory {
        /// Which one.
        key: TrajectoryKey,
        /// Number of the env step.
        step: usize,
        /// What is wrong about it.
        field: &'static str,
        /// What it is.
        got: String,
        /// What would fit.
        expected: String,
    },
    /// A loss, gradient or weight stopped being a finite number.
    #[error("epoch {epoch}: {what} is not finite at optimizer step {optimizer_step}; the previous weights are kept")]
    NotFinite {
        /// The epoch.
        epoch: u32,
        /// What was not finite.
        what: &'static str,
        /// Optimizer steps done in the epoch before it was noticed.
        optimizer_step: u32,
    },
    /// A network of these settings cannot be built.
    #[error("{field} is {got}, expected {expected}")]
    Settings {
        /// Name of the setting.
        field: &'static str,
        /// What it is.
        got: usize,
        /// What would do.
        expected: String,
    },
    /// A policy is to read the symbols of a world model that has none.
    #[error("a policy over symbols needs a world model that forecasts in symbols")]
    NoSymbols,
    /// A checkpoint cannot be resumed from.
    #[error("the checkpoint cannot be resumed from")]
    Checkpoint(#[from] CheckpointError),
}

impl LearnError {
    /// Whether a Transformer of these sizes can be built.
    pub(crate) fn check_sizes(d_model: usize, d_ff: usize, heads: usize) -> Result<(), Self> {
        if d_model == 0 || heads == 0 || !d_model.is_multiple_of(heads) {
            let expected = format!("a divisor of d_model, which is {d_model}");
            return Err(Self::Settings { field: "heads", got: heads, expected });
        }
        Self::check_some("d_ff", d_ff)
    }

    /// Whether there is at least one.
    pub(crate) fn check_some(field: &'static str, got: usize) -> Result<(), Self> {
        if got == 0 { Err(Self::Settings { field, got, expected: "at least 1".to_owned() }) } else { Ok(()) }
    }
}
