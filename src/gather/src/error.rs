//! Why an attempt was not gathered this time.

use tuning::TrajectoryKey;
use wire::client::ClientError;
use wire::exposition::ExpositionError;

/// Why an attempt was not gathered this time. What was stored before stays stored; trying again is always right.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The agent could not be scraped.
    #[error("could not scrape the agent")]
    Scrape(#[source] ClientError),
    /// The agent's page is not believed.
    #[error("the agent's page is refused")]
    Page(#[source] ExpositionError),
    /// Another agent answered than the one expected.
    #[error("the page is of {found:?}, expected {expected:?}")]
    Key {
        /// Attempt that was asked for.
        expected: TrajectoryKey,
        /// Attempt that the page is of.
        found: TrajectoryKey,
    },
    /// The agent does not have steps any more that it had before, or never was asked for those that it gave.
    #[error("the page begins with step {found:?}, expected {expected}")]
    Start {
        /// Step asked for.
        expected: u32,
        /// First step of the page, if there is any.
        found: Option<u32>,
    },
    /// The agent tells another story about a step than before.
    #[error("step {step} is not what it was before")]
    Changed {
        /// Number of the step.
        step: u32,
    },
    /// Nobody has said where the learner of this repetition is.
    #[error("no learner is known for repetition {repetition}")]
    NoLearner {
        /// The repetition.
        repetition: u32,
    },
    /// The learner did not store the steps.
    #[error("could not deliver to the learner")]
    Deliver(#[source] ClientError),
}

impl GatherError {
    /// A word for labels of metrics, from a small fixed set.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Scrape(error) => error.cause(),
            Self::Page(_) => "parse",
            Self::Key { .. } => "key",
            Self::Start { .. } => "start",
            Self::Changed { .. } => "changed",
            Self::NoLearner { .. } | Self::Deliver(_) => "learner",
        }
    }
}
