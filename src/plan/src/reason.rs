//! Why the planner acts or waits: one vocabulary for conditions, people and metrics.

use std::fmt;

/// Why a repetition, or the experiment, is where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The spec has mistakes.
    InvalidSpec(String),
    /// `spec.suspend` is set.
    Suspended,
    /// A TuningPolicy that it refers to is not there yet.
    WaitingForPolicy(String),
    /// The learner does not answer yet.
    WaitingForLearner,
    /// The learner's answer is older than what was known before.
    StaleObservation {
        /// Epochs that it says are over.
        said: u32,
        /// Epochs known to be over.
        known: u32,
    },
    /// Trajectories of an epoch run, or wait for one another.
    Gathering {
        /// The epoch.
        epoch: u32,
        /// Those with an outcome.
        ended: u32,
        /// All of them.
        trajectories: u32,
    },
    /// As above, of the final evaluation.
    Evaluating {
        /// Those with an outcome.
        ended: u32,
        /// All of them.
        trajectories: u32,
    },
    /// The batch waits for quota, or was preempted and waits for it again.
    Queued {
        /// Epoch of the batch.
        epoch: u32,
        /// Whether it is the final evaluation.
        final_evaluation: bool,
        /// Queue that it waits in.
        queue: String,
    },
    /// All slots are taken by other repetitions, or there are none.
    WaitingForSlots,
    /// The policy is trained.
    Learning {
        /// On this epoch.
        epoch: u32,
    },
    /// The learner is told to stop after fewer epochs, since a budget is used up.
    StoppingEarly {
        /// Epochs that it learned from.
        epochs: u32,
    },
    /// Something can't start, and may never: no node has room for it, or its image is not to be had.
    CannotStart(String),
    /// The learner can't go on for the moment and tries again, such as with a full disk.
    LearnerFault(String),
    /// The learner can't go on.
    LearnerFailed(String),
    /// Not one trajectory of an epoch came to an end.
    EpochLost(String),
    /// The final evaluation is stored.
    Complete,
    /// The same, after fewer epochs than asked for.
    BudgetExhausted {
        /// Epochs that were learned from.
        epochs: u32,
    },
}

impl Reason {
    /// The word in conditions, events and metric labels.
    pub fn word(&self) -> &'static str {
        match self {
            Self::InvalidSpec(_) => "InvalidSpec",
            Self::Suspended => "Suspended",
            Self::WaitingForPolicy(_) => "WaitingForPolicy",
            Self::WaitingForLearner => "WaitingForLearner",
            Self::StaleObservation { .. } => "StaleObservation",
            Self::Gathering { .. } => "Gathering",
            Self::Evaluating { .. } => "Evaluating",
            Self::Queued { .. } => "Queued",
            Self::WaitingForSlots => "WaitingForSlots",
            Self::Learning { .. } => "Learning",
            Self::StoppingEarly { .. } => "StoppingEarly",
            Self::CannotStart(_) => "CannotStart",
            Self::LearnerFault(_) => "LearnerFault",
            Self::LearnerFailed(_) => "LearnerFailed",
            Self::EpochLost(_) => "EpochLost",
            Self::Complete => "Complete",
            Self::BudgetExhausted { .. } => "BudgetExhausted",
        }
    }

    /// Whether nothing goes on until somebody intervenes.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::InvalidSpec(_) | Self::LearnerFailed(_) | Self::EpochLost(_))
    }

    /// Whether everything that was asked for is done.
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Complete | Self::BudgetExhausted { .. })
    }

    /// The failure that a status tells of.
    pub(crate) fn failed(word: &str, message: &str) -> Self {
        match word {
            "EpochLost" => Self::EpochLost(message.to_owned()),
            _ => Self::LearnerFailed(message.to_owned()),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidSpec(sentence)
            | Self::CannotStart(sentence)
            | Self::LearnerFault(sentence)
            | Self::LearnerFailed(sentence)
            | Self::EpochLost(sentence) => f.write_str(sentence),
            Self::Suspended => f.write_str("suspended by spec.suspend"),
            Self::WaitingForPolicy(name) => write!(f, "there is no TuningPolicy {name} in this namespace yet"),
            Self::WaitingForLearner => f.write_str("the policy learner does not answer yet"),
            Self::StaleObservation { said, known } => {
                write!(f, "the policy learner says {said} epochs are over, but {known} were known")
            }
            Self::Gathering { epoch, ended, trajectories } => {
                write!(f, "epoch {epoch}: {ended} of {trajectories} trajectories have ended")
            }
            Self::Evaluating { ended, trajectories } => {
                write!(f, "final evaluation: {ended} of {trajectories} trajectories have ended")
            }
            Self::Queued { final_evaluation: true, queue, .. } => {
                write!(f, "the final evaluation waits in the queue {queue} for quota")
            }
            Self::Queued { epoch, queue, .. } => write!(f, "epoch {epoch} waits in the queue {queue} for quota"),
            Self::WaitingForSlots => f.write_str("spec.parallelism leaves no slot for now"),
            Self::Learning { epoch } => write!(f, "learning from epoch {epoch}"),
            Self::StoppingEarly { epochs } => {
                write!(f, "spec.budget is used up, epochs learned: {epochs}; the final evaluation is next")
            }
            Self::Complete => f.write_str("the final evaluation is stored"),
            Self::BudgetExhausted { epochs } => {
                write!(f, "the final evaluation is stored; spec.budget was used up, epochs learned: {epochs}")
            }
        }
    }
}
