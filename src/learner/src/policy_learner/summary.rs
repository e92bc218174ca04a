//! A gathered epoch in figures.

use tuning::{Direction, Outcome, Problem, Trajectory, counted};
use wire::learner::EpochSummary;

/// What an epoch came to. `policy_version` is that of the policy that acted in it.
pub(crate) fn summary(problem: &Problem, epoch: u32, trajectories: &[Trajectory], policy_version: u64) -> EpochSummary {
    let winners = counted(trajectories);
    let count = |outcome| winners.values().filter(|t| t.outcome == Some(outcome)).count() as u32;
    let finals: Vec<f64> = winners.values().filter_map(|t| problem.final_objective(t)).collect();
    let better = |a: f64, b: f64| if problem.objective.direction.better(a, b) { a } else { b };
    EpochSummary {
        epoch,
        completed: count(Outcome::Completed),
        diverged: count(Outcome::Diverged),
        lost: count(Outcome::Lost),
        mean: (!finals.is_empty()).then(|| finals.iter().sum::<f64>() / finals.len() as f64),
        best: finals.iter().copied().reduce(better),
        policy_version,
    }
}

/// The least standard deviation of objectives that counts, in ranges of the objective.
const LEAST_DEVIATION: f64 = 0.01;

/// How much better trainings of the last epoch went in simulation than the policy then made real ones of `trajectories` go,
/// in standard deviations of these; none of less than four. A deviation below a hundredth of the objective's range counts as
/// that: trainings that all come to the same would make a large number of nothing. Far above 0 the policy has found what the
/// world model gets wrong.
pub(crate) fn simulated_excess(problem: &Problem, simulated: f64, trajectories: &[Trajectory]) -> Option<f64> {
    let finals: Vec<f64> = counted(trajectories).values().filter_map(|t| problem.final_objective(t)).collect();
    let count = finals.len() as f64;
    let mean = finals.iter().sum::<f64>() / count;
    let deviation = (finals.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt();
    let better = if problem.objective.direction == Direction::Maximize { simulated - mean } else { mean - simulated };
    let [low, high] = problem.metrics[problem.objective_index()].range;
    (finals.len() >= 4).then(|| better / deviation.max(LEAST_DEVIATION * (high - low)))
}

/// Env steps really trained, those of failed attempts included.
pub(crate) fn env_steps(trajectories: &[Trajectory]) -> u64 {
    trajectories.iter().map(Trajectory::env_steps).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn problem(direction: &str) -> Problem {
        let problem = json!({
            "objective": {"metric": "score", "direction": direction}, "metrics": [{"name": "score", "range": [0, 9]}],
            "hyperparameters": [{"name": "h", "initial": 0.1, "min": 0.01, "max": 1.0}], "multipliers": [0.5, 1.0, 2.0],
            "envSteps": 1,
        });
        serde_json::from_value(problem).unwrap()
    }

    fn ended(index: u32, score: f64) -> Trajectory {
        let step = |step: u32| json!({"step": step, "metrics": [score], "hyperparameters": [0.1], "applied": [0.1], "elapsedSeconds": 0.0});
        let trajectory = json!({
            "key": {"repetition": 0, "epoch": 1, "index": index, "attempt": 0}, "seed": 1, "task": "",
            "outcome": "Completed", "steps": [step(0), step(1)],
        });
        serde_json::from_value(trajectory).unwrap()
    }

    #[test]
    fn simulation_exceeds_what_is_real_in_the_direction_that_is_better() {
        let real: Vec<Trajectory> =
            [1.0, 2.0, 2.0, 3.0].into_iter().zip(0..).map(|(x, index)| ended(index, x)).collect();
        let deviation = f64::sqrt(2.0 / 3.0);
        let excess = |direction, simulated, real| simulated_excess(&problem(direction), simulated, real);
        assert!((excess("Maximize", 4.0, &real).unwrap() - 2.0 / deviation).abs() < 1e-12);
        assert!((excess("Minimize", 4.0, &real).unwrap() + 2.0 / deviation).abs() < 1e-12);
        assert_eq!(excess("Maximize", 4.0, &real[..3]), None, "too few");
        let alike: Vec<Trajectory> = (0..5).map(|index| ended(index, 2.0)).collect();
        assert!(
            (excess("Maximize", 2.009, &alike).unwrap() - 0.1).abs() < 1e-9,
            "all came to the same, of a range of 9"
        );
    }
}
