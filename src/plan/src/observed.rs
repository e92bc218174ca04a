//! What was seen of an experiment. Everything but the experiment itself may be old, incomplete or missing.

use std::collections::BTreeMap;

use api::{Timestamp, TuningExperiment, TuningPolicySpec};
use wire::learner::LearnerState;
use wire::world_model::WorldModelState;

/// What was seen of an experiment.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The time of the observation.
    pub now: Timestamp,
    /// The experiment: wishes, unique id, generation, and the status that was written last.
    pub experiment: TuningExperiment,
    /// Its repetitions, in order; missing ones count as nothing seen.
    pub repetitions: Vec<RepetitionObserved>,
    /// TuningPolicies that it [refers](crate::references) to, by name; only those that there are.
    pub policies: BTreeMap<String, TuningPolicySpec>,
}

/// What was seen of one repetition.
#[derive(Clone, Debug, Default)]
pub struct RepetitionObserved {
    /// Where agents reach its policy learner, `HOST:PORT`. Does not change when the learner is started anew.
    pub address: String,
    /// Its policy learner, if one exists.
    pub learner: Option<LearnerObserved>,
    /// Its world-model learner, if one exists.
    pub world_model: Option<WorldModelObserved>,
    /// Its batches that exist, in any order.
    pub batches: Vec<BatchObserved>,
    /// Attempts that still run although their batch does not exist any more.
    pub leaving: u32,
    /// What something of it waits for that may never come, such as a node with room for it, in a sentence.
    pub waits_for: Option<String>,
}

/// A policy learner that exists.
#[derive(Clone, Debug)]
pub struct LearnerObserved {
    /// `epochs` of the configuration that it was started with. Fewer than the spec's mean that it was told to stop early.
    pub epochs: u32,
    /// Its answer; none if it does not answer (yet). Asked for, not remembered.
    pub state: Option<LearnerState>,
    /// Why it can't be kept running, once starting it again has become pointless.
    pub failure: Option<String>,
}

/// A world-model learner that exists.
#[derive(Clone, Debug, Default)]
pub struct WorldModelObserved {
    /// Its answer; none if it does not answer (yet).
    pub state: Option<WorldModelState>,
    /// Why it can't be kept running, once starting it again has become pointless.
    pub failure: Option<String>,
}

/// A batch of trajectories that exists.
#[derive(Clone, Debug, Default)]
pub struct BatchObserved {
    /// Epoch, from 1.
    pub epoch: u32,
    /// Whether it is the final evaluation.
    pub final_evaluation: bool,
    /// Trajectories that may run at once.
    pub parallelism: u32,
    /// Queue in which it waits for quota, if it does.
    pub waits_in: Option<String>,
    /// Attempts that run now, those on their way out included.
    pub running: u32,
    /// Indices whose trajectory is over and delivered.
    pub ended: Vec<u32>,
    /// Indices whose attempts are used up.
    pub failed: Vec<u32>,
    /// Why the last attempt that failed did so, in a sentence.
    pub failure: Option<String>,
}
