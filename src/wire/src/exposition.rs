//! The agent's page for the gatherer: everything of [`Steps`](crate::learner::Steps) as Prometheus text.
//!
//! [`page`] writes it and [`parse`] reads it back without loss: numbers stand as the shortest text that gives the same
//! bits again. Every sample of a step has the label `step`. A page holds the steps from the one asked for, at most
//! [`steps_per_page`] of them; the outcome comes with the last.

mod page;
mod parse;
mod selector;
mod text;

use tuning::Problem;

pub use page::page;
pub use parse::{ExpositionError, parse};
pub use selector::Selector;
pub use text::{Limits, Reason, Sample, TextError, samples};

/// What to serve pages as.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Version of the families below; pages of others are refused.
pub const FORMAT: u32 = 1;

/// Samples on a page, about: even with long names it then stays below [`Limits::bytes`].
const SAMPLES: usize = 6000;

/// Most steps that a page holds, so that the longest trajectory is gathered in pages of a bounded size. At least 2: a
/// gatherer asks for the last step that it knows again.
pub fn steps_per_page(problem: &Problem) -> usize {
    let of_step = problem.metrics.len() + 4 * problem.hyperparameters.len() + 4;
    (SAMPLES / of_step).max(2)
}

/// Names of the families on a page.
mod family {
    /// What the page is about: `format`, key, `seed`, `task`, number of steps on the page. Always there, at its end.
    pub const TRAJECTORY: &str = "trainpilot_trajectory_steps";
    /// Label `outcome`; only there when the trajectory has ended and the page reaches its end.
    pub const OUTCOME: &str = "trainpilot_trajectory_outcome";
    /// Labels `step`, `metric`.
    pub const METRIC: &str = "trainpilot_step_metric";
    /// Labels `step`, `hyperparameter`; as do the next three.
    pub const HYPERPARAMETER: &str = "trainpilot_step_hyperparameter";
    pub const APPLIED: &str = "trainpilot_step_applied_hyperparameter";
    pub const ACTION: &str = "trainpilot_step_action";
    pub const LOG_PROBABILITY: &str = "trainpilot_step_log_probability";
    /// Label `step`; as do the next two.
    pub const ELAPSED: &str = "trainpilot_step_elapsed_seconds";
    pub const VALUE: &str = "trainpilot_step_value";
    /// Its presence says that something was decided.
    pub const VERSION: &str = "trainpilot_step_policy_version";
    /// Labels `step`, `reason`.
    pub const KEPT: &str = "trainpilot_step_kept";
}

#[cfg(test)]
mod tests;
