//! The steered problem as a whole.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Hyperparameter, Metric, Objective, Outcome, Step, Trajectory, rewards};

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
    /// No multiplier keeps a value, or one is not a positive number.
    #[error("multipliers must be positive and finite, and contain 1")]
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

    /// The metrics that world models forecast, with their places: those that are observed, and the objective.
    pub fn forecast(&self) -> impl Iterator<Item = (usize, &Metric)> {
        let objective = &self.objective.metric;
        self.metrics.iter().enumerate().filter(move |(_, metric)| metric.observed || metric.name == *objective)
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

    /// Objective at the end of a trajectory: its worst bound where it diverged, none where it was lost or still runs.
    pub fn final_objective(&self, trajectory: &Trajectory) -> Option<f64> {
        match trajectory.outcome? {
            Outcome::Completed => trajectory.steps.last().map(|step| step.metrics[self.objective_index()]),
            Outcome::Diverged => Some(self.objective.direction.worst(self.objective_metric())),
            Outcome::Lost => None,
        }
    }

    /// The first thing, if any, for which trajectories of this problem can't be learned from in `other`: what differs, this one's,
    /// the other's. Numbers stand in trajectories without names.
    pub fn trajectories_differ(&self, other: &Self) -> Option<(&'static str, String, String)> {
        let pairs = self.shape().into_iter().zip(other.shape());
        let mut different = pairs.filter(|((_, own), (_, other))| own != other);
        different.next().map(|((what, own), (_, other))| (what, own, other))
    }

    fn shape(&self) -> [(&'static str, String); 4] {
        let names = |names: Vec<&str>| names.join(", ");
        [
            ("list of metrics", names(self.metrics.iter().map(|m| m.name.as_str()).collect())),
            ("list of hyperparameters", names(self.hyperparameters.iter().map(|h| h.name.as_str()).collect())),
            ("list of multipliers", format!("{:?}", self.multipliers)),
            ("number of env steps", self.env_steps.to_string()),
        ]
    }

    /// SHA-256, in hexadecimal, over everything that a policy's inputs and outputs depend on: names, ranges, scales,
    /// bounds, multipliers, objective; not over starting values, schedules or T, with which a policy may be reused.
    pub fn action_space_hash(&self) -> String {
        // An unobserved objective still shows in the best so far.
        let seen = self.metrics.iter().filter(|m| m.observed || m.name == self.objective.metric);
        let metrics: Vec<_> = seen.map(|m| (&m.name, m.range, m.scale, m.observed)).collect();
        let steered: Vec<_> = self.hyperparameters.iter().map(|h| (&h.name, h.min, h.max, h.complement)).collect();
        let text = serde_json::to_vec(&(&self.objective, metrics, steered, &self.multipliers));
        let digest = Sha256::digest(text.expect("plain data always serialises"));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::fixtures::{hyperparameter, metric, problem, trajectory};
    use crate::{Decay, Direction, Scale};

    fn changed(change: impl FnOnce(&mut Problem)) -> Problem {
        let mut problem = problem();
        change(&mut problem);
        problem
    }

    fn refusal(change: impl FnOnce(&mut Problem)) -> ProblemError {
        changed(change).check().unwrap_err()
    }

    #[test]
    fn a_sound_problem_passes() {
        assert_eq!(problem().check(), Ok(()));
    }

    #[test]
    fn nothing_to_measure_steer_or_train_is_refused() {
        assert_eq!(refusal(|p| p.metrics.clear()), ProblemError::Empty);
        assert_eq!(refusal(|p| p.hyperparameters.clear()), ProblemError::Empty);
        assert_eq!(refusal(|p| p.env_steps = 0), ProblemError::Empty);
    }

    #[test]
    fn an_objective_that_is_no_metric_is_refused() {
        let error = refusal(|p| p.objective.metric = "accuracy".to_owned());
        assert_eq!(error.to_string(), "objective.metric is \"accuracy\", which is not the name of any metric");
    }

    #[test]
    fn multipliers_without_a_1_or_that_are_not_positive_are_refused() {
        assert_eq!(refusal(|p| p.multipliers = vec![0.5, 2.0]), ProblemError::NoKeep);
        assert_eq!(refusal(|p| p.multipliers.clear()), ProblemError::NoKeep);
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(refusal(|p| p.multipliers.push(bad)), ProblemError::NoKeep, "{bad}");
        }
    }

    #[test]
    fn an_empty_or_infinite_metric_range_is_refused_by_name() {
        for range in [[1.0, 1.0], [2.0, 1.0], [f64::NAN, 1.0], [0.0, f64::INFINITY]] {
            let error = refusal(|p| p.metrics[1].range = range);
            assert_eq!(error, ProblemError::Range("test_accuracy".to_owned()), "{range:?}");
        }
    }

    #[test]
    fn bounds_whose_logarithms_are_not_finite_are_refused_by_name() {
        for (min, max) in [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.1), (1.0, 1.0), (1e-5, f64::INFINITY), (f64::NAN, 1.0)] {
            let error = refusal(|p| (p.hyperparameters[0].min, p.hyperparameters[0].max) = (min, max));
            assert_eq!(error, ProblemError::Bounds("learning_rate".to_owned()), "{min} {max}");
        }
        for (min, max) in [(0.5, 1.0), (0.5, 1.5), (0.9, 0.5), (f64::NEG_INFINITY, 0.5)] {
            let error = refusal(|p| (p.hyperparameters[1].min, p.hyperparameters[1].max) = (min, max));
            assert_eq!(error, ProblemError::Bounds("momentum".to_owned()), "{min} {max}");
        }
    }

    #[test]
    fn the_objective_and_the_keeping_action_are_found() {
        let problem = problem();
        assert_eq!((problem.objective_index(), problem.objective_metric().name.as_str()), (2, "validation_accuracy"));
        assert_eq!((problem.keep(), problem.keep_all()), (3, vec![3, 3]));
        assert_eq!(
            problem.observed().map(|m| m.name.as_str()).collect::<Vec<_>>(),
            ["training_loss", "validation_accuracy"]
        );
    }

    #[test]
    fn the_final_objective_is_the_last_one_the_worst_bound_or_none() {
        let end = |outcome| problem().final_objective(&trajectory(&[0.1, 0.6], outcome));
        assert_eq!(end(Some(Outcome::Completed)), Some(0.6));
        assert_eq!(end(Some(Outcome::Diverged)), Some(0.0));
        assert_eq!((end(Some(Outcome::Lost)), end(None)), (None, None));
        let minimised = changed(|p| p.objective.direction = Direction::Minimize);
        assert_eq!(minimised.final_objective(&trajectory(&[0.1], Some(Outcome::Diverged))), Some(1.0));
    }

    #[test]
    fn rewards_are_those_of_the_objective() {
        let steps = trajectory(&[0.25, 0.75, 0.5], None).steps;
        assert_eq!(problem().rewards(&steps, Outcome::Completed), [0.5, -0.25]);
        assert_eq!(problem().rewards(&steps, Outcome::Diverged), [0.5, -0.25, -0.5]);
    }

    #[test]
    fn the_hash_changes_with_everything_that_inputs_and_outputs_depend_on() {
        let changes: Vec<fn(&mut Problem)> = vec![
            |p| p.objective.metric = "training_loss".to_owned(),
            |p| p.objective.direction = Direction::Minimize,
            |p| p.metrics[0].name = "loss".to_owned(),
            |p| p.metrics[0].range = [0.0, 9.0],
            |p| p.metrics[0].range = [-1.0, 10.0],
            |p| p.metrics[0].scale = Scale::Linear,
            |p| p.metrics[0].observed = false,
            |p| p.metrics[1].observed = true,
            |p| p.metrics[2].observed = false,
            |p| p.metrics.swap(0, 2),
            |p| p.metrics.push(metric("extra", [0.0, 1.0], Scale::Linear)),
            |p| p.hyperparameters[0].name = "lr".to_owned(),
            |p| p.hyperparameters[0].min = 1e-6,
            |p| p.hyperparameters[0].max = 2.0,
            |p| p.hyperparameters[1].complement = false,
            |p| p.hyperparameters.swap(0, 1),
            |p| p.hyperparameters.truncate(1),
            |p| p.hyperparameters.push(hyperparameter("weight_decay", 1e-3, [1e-6, 0.1], false)),
            |p| p.multipliers[0] = 0.25,
            |p| p.multipliers.reverse(),
            |p| p.multipliers.truncate(5),
        ];
        let mut hashes: Vec<_> = changes.into_iter().map(|change| changed(change).action_space_hash()).collect();
        hashes.push(problem().action_space_hash());
        let all = hashes.len();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), all, "two of these are the same action space");
        assert!(hashes.iter().all(|hash| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit())));
    }

    #[test]
    fn the_hash_covers_how_an_unobserved_objective_is_seen_as_the_best_so_far() {
        let hidden =
            |range| changed(|p| (p.metrics[2].observed, p.metrics[2].range) = (false, range)).action_space_hash();
        assert_ne!(hidden([0.0, 1.0]), hidden([0.0, 2.0]));
    }

    #[test]
    fn the_hash_leaves_out_what_a_policy_can_be_reused_with() {
        let changes: Vec<fn(&mut Problem)> = vec![
            |p| p.env_steps = 400,
            |p| p.hyperparameters[0].initial = Some(0.5),
            |p| p.hyperparameters[0].initial_range = Some([1e-3, 1.0]),
            |p| p.hyperparameters[0].schedule.decay = Decay::Linear,
            |p| p.metrics[1].range = [0.0, 2.0],
            |p| p.metrics[1].name = "held_out_accuracy".to_owned(),
            |p| p.metrics.retain(|m| m.observed),
        ];
        for (place, change) in changes.into_iter().enumerate() {
            assert_eq!(changed(change).action_space_hash(), problem().action_space_hash(), "change {place}");
        }
    }

    #[test]
    fn a_problem_survives_json_and_strange_fields_do_not() {
        let text = serde_json::to_string(&problem()).unwrap();
        assert_eq!(serde_json::from_str::<Problem>(&text).unwrap(), problem());
        assert!(serde_json::from_str::<Problem>(&text.replace("envSteps", "steps")).is_err());
    }
}
