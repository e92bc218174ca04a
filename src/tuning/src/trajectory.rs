//! What is recorded of a training.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Names one try at one training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrajectoryKey {
    /// Independent copy of the experiment, from 0.
    pub repetition: u32,
    /// Round of gathering and learning, from 1; the final evaluation is the one after the last.
    pub epoch: u32,
    /// Place within the epoch, from 0.
    pub index: u32,
    /// Try at this index, from 0.
    pub attempt: u32,
}

/// How a trajectory ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// All env steps were trained.
    Completed,
    /// A metric stopped being a finite number, or the trainer said so.
    Diverged,
    /// No attempt came to an end.
    Lost,
}

impl Outcome {
    /// The word used in labels, JSON and datasets.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Diverged => "diverged",
            Self::Lost => "lost",
        }
    }

    /// Inverse of [`Outcome::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Completed, Self::Diverged, Self::Lost].into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// One observation, and what was decided at it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Number of env steps trained before the observation: 0 ..= T.
    pub step: u32,
    /// Metrics, in the problem's order; all finite.
    pub metrics: Vec<f64>,
    /// Hyperparameter values that the agent had asked for, in the problem's order: what the policy saw.
    pub hyperparameters: Vec<f64>,
    /// Values that the trainer said were really in force; differs where it did not apply what it was told.
    pub applied: Vec<f64>,
    /// What was decided; none at the last observation.
    pub decision: Option<Decision>,
    /// Seconds from the start of the attempt to the report; where the trainer keeps checkpoints, those of earlier attempts at
    /// the trajectory are counted too.
    pub elapsed_seconds: f64,
}

/// What was decided at an observation, and what the policy thought of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Index into the multipliers for each hyperparameter.
    pub actions: Vec<usize>,
    /// Log-probability of each of these under the policy that acted; empty where no policy drew them.
    pub log_probabilities: Vec<f32>,
    /// The policy's estimate of the return from here on; none where it makes none.
    pub value: Option<f32>,
    /// Version of the policy that decided; 0 where none had arrived.
    pub policy_version: u64,
    /// Why nothing was changed, where the policy had no say.
    pub keep: Option<Keep>,
}

/// Why an agent left everything as it was instead of asking a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Keep {
    /// No policy had arrived in time.
    NoPolicy,
    /// The policy gave something that is not a number.
    PolicyFault,
}

impl Keep {
    /// All reasons, in a fixed order.
    pub const ALL: [Self; 2] = [Self::NoPolicy, Self::PolicyFault];

    /// The word used in labels and datasets.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoPolicy => "no_policy",
            Self::PolicyFault => "policy_fault",
        }
    }

    /// Inverse of [`Keep::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|keep| keep.as_str() == text)
    }
}

/// A recorded training: everything that learning needs of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trajectory {
    /// Which try it was.
    pub key: TrajectoryKey,
    /// Seed of the training.
    pub seed: u32,
    /// Name of the task it drew; empty where the experiment has only one.
    pub task: String,
    /// How it ended; none while it runs.
    pub outcome: Option<Outcome>,
    /// Observations in order, without gaps, from 0; those of a lost attempt whose record another carries on begin where the
    /// two part.
    pub steps: Vec<Step>,
}

impl Trajectory {
    /// Whether it trained to its end, or diverged.
    pub fn came_to_an_end(&self) -> bool {
        self.outcome.is_some_and(|outcome| outcome != Outcome::Lost)
    }

    /// Env steps that were trained for it, and for no other.
    pub fn env_steps(&self) -> u64 {
        self.steps.iter().filter(|step| step.step > 0).count() as u64
    }

    /// Seconds that it took, and no other.
    pub fn seconds(&self) -> f64 {
        let ends = self.steps.first().zip(self.steps.last());
        ends.map_or(0.0, |(first, last)| {
            last.elapsed_seconds - if first.step > 0 { first.elapsed_seconds } else { 0.0 }
        })
    }
}

/// Where a trajectory can be taken up again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// Steps from 0 up to that of the latest checkpoint that is known of; none if the trajectory has to start over.
    pub steps: Vec<Step>,
    /// Seconds that earlier attempts took: what the clock of the next one starts from.
    pub elapsed_seconds: f64,
}

/// The attempt of each index that counts: the first that came to an end, else the last that is lost and whole. Others may have
/// lost what they had to the one that carried them on.
pub fn counted(attempts: &[Trajectory]) -> BTreeMap<u32, &Trajectory> {
    let mut counted: BTreeMap<u32, &Trajectory> = BTreeMap::new();
    for attempt in attempts {
        let held = counted.entry(attempt.key.index).or_insert(attempt);
        if !held.came_to_an_end() && attempt.steps.first().is_some_and(|step| step.step == 0) {
            *held = attempt;
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn outcomes_and_reasons_can_be_read_back_from_their_words() {
        for outcome in [Outcome::Completed, Outcome::Diverged, Outcome::Lost] {
            assert_eq!(Outcome::parse(outcome.as_str()), Some(outcome));
        }
        assert!(Keep::ALL.iter().all(|keep| Keep::parse(keep.as_str()) == Some(*keep)));
        assert_eq!((Outcome::parse("Completed"), Keep::parse("")), (None, None));
    }

    #[test]
    fn keys_sort_by_repetition_epoch_index_and_attempt() {
        let key = |repetition, epoch, index, attempt| TrajectoryKey { repetition, epoch, index, attempt };
        let sorted = [key(0, 1, 0, 0), key(0, 1, 0, 1), key(0, 1, 2, 0), key(0, 2, 0, 0), key(1, 1, 0, 0)];
        assert!(sorted.is_sorted());
    }

    #[test]
    fn a_trajectory_survives_json_to_the_last_bit() {
        let mut trajectory = crate::fixtures::trajectory(&[0.1 + 0.2, 1.0 / 3.0], Some(Outcome::Diverged));
        trajectory.steps[0].decision = Some(Decision {
            actions: vec![3, 6],
            log_probabilities: vec![-0.1, -1.0 / 3.0],
            value: Some(0.7),
            policy_version: 4,
            keep: Some(Keep::PolicyFault),
        });
        let text = serde_json::to_string(&trajectory).unwrap();
        assert_eq!(serde_json::from_str::<Trajectory>(&text).unwrap(), trajectory);
    }
}
