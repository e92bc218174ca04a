//! The steered problem as a whole.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Hyperparameter, Metric, Objective, Outcome, Step, rewards};

/// What is measured, what is steered, and for how long: all that policy, agent and learner must agree on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Problem {
    /// What a policy is rewarded for.
    pub objective: Objective,
    /// What the trainer measures (M).
    pub metrics: Vec<Metric>,
    /// What the policy steers (C).
    pub hyperparameters: Vec<Hyperparameter>,
    /// What an action multiplies by (A); one of them is 1.
    pub multipliers: Vec<f64>,
    /// Env steps of a trajectory (T).
    pub env_steps: u32,
}

/// Why a problem cannot be worked on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProblemError {
    /// The objective names no metric.
    #[error("objective.metric is {0:?}, which is not the name of any metric")]
    UnknownObjective(String),
    /// No multiplier keeps a value.
    #[error("multipliers must contain 1")]
    NoKeep,
    /// A bound is 0, negative or not finite once complemented.
    #[error(
        "hyperparameter {0:?}: both bounds must be positive and finite (after 1 − x where complement is set), and min below max"
    )]
    Bounds(String),
    /// A range is empty or not finite.
    #[error("metric {0:?}: range must be two finite numbers, the lower one first")]
    Range(String),
    /// There is nothing to steer, measure or do.
    #[error("a problem needs at least one metric, one hyperparameter and one env step")]
    Empty,
}

impl Problem {
    /// Checks everything that the formulas rely on. Called once wherever a problem enters a program.
    pub fn check(&self) -> Result<(), ProblemError> {
        if self.metrics.is_empty() || self.hyperparameters.is_empty() || self.env_steps == 0 {
            return Err(ProblemError::Empty);
        }
        if !self.metrics.iter().any(|metric| metric.name == self.objective.metric) {
            return Err(ProblemError::UnknownObjective(self.objective.metric.clone()));
        }
        if !self.multipliers.contains(&1.0) || self.multipliers.iter().any(|m| !(m.is_finite() && *m > 0.0)) {
            return Err(ProblemError::NoKeep);
        }
        if let Some(metric) =
            self.metrics.iter().find(|m| !(m.range[0].is_finite() && m.range[1].is_finite() && m.span() > 0.0))
        {
            return Err(ProblemError::Range(metric.name.clone()));
        }
        let ill = |h: &&Hyperparameter| {
            let (low, high) = h.bounds();
            !(low > 0.0 && low < high && high.is_finite() && h.min < h.max)
        };
        match self.hyperparameters.iter().find(ill) {
            Some(hyperparameter) => Err(ProblemError::Bounds(hyperparameter.name.clone())),
            None => Ok(()),
        }
    }

    /// The metrics that policies and world models see.
    pub fn observed(&self) -> impl Iterator<Item = &Metric> {
        self.metrics.iter().filter(|metric| metric.observed)
    }

    /// Place of the objective among the metrics.
    ///
    /// # Panics
    /// If [`Problem::check`] would have refused the objective.
    pub fn objective_index(&self) -> usize {
        let objective = self.metrics.iter().position(|metric| metric.name == self.objective.metric);
        objective.expect("a checked problem's objective is one of its metrics")
    }

    /// The metric that is the objective.
    pub fn objective_metric(&self) -> &Metric {
        &self.metrics[self.objective_index()]
    }

    /// Index of the multiplier that keeps a value.
    ///
    /// # Panics
    /// If [`Problem::check`] would have refused the multipliers.
    pub fn keep(&self) -> usize {
        self.multipliers.iter().position(|m| *m == 1.0).expect("a checked problem has a multiplier of 1")
    }

    /// The action that keeps everything.
    pub fn keep_all(&self) -> Vec<usize> {
        vec![self.keep(); self.hyperparameters.len()]
    }

    /// Reward of each action in `steps` (see [`rewards`]).
    pub fn rewards(&self, steps: &[Step], outcome: Outcome) -> Vec<f64> {
        let objective = self.objective_index();
        let curve: Vec<f64> = steps.iter().map(|step| step.metrics[objective]).collect();
        rewards(&self.metrics[objective], self.objective.direction, &curve, outcome)
    }

    /// SHA-256, in hexadecimal, over everything that a policy's inputs and outputs depend on: names, ranges, scales,
    /// bounds, multipliers, objective; not over starting values, schedules or T, with which a policy may be reused.
    pub fn action_space_hash(&self) -> String {
        let metrics: Vec<_> = self.observed().map(|m| (&m.name, m.range, m.scale)).collect();
        let steered: Vec<_> = self.hyperparameters.iter().map(|h| (&h.name, h.min, h.max, h.complement)).collect();
        let text = serde_json::to_vec(&(&self.objective, metrics, steered, &self.multipliers));
        let digest = Sha256::digest(text.expect("plain data always serialises"));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
