//! A gathered epoch in figures.

use std::collections::BTreeMap;

use tuning::{Outcome, Problem, Trajectory};
use wire::learner::EpochSummary;

/// What an epoch came to. `policy_version` is that of the policy that acted in it.
pub(crate) fn summary(problem: &Problem, epoch: u32, trajectories: &[Trajectory], policy_version: u64) -> EpochSummary {
    let winners = winners(trajectories);
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

/// The attempt of each index that counts: the first that came to an end, else the last that was lost.
fn winners(trajectories: &[Trajectory]) -> BTreeMap<u32, &Trajectory> {
    let mut winners: BTreeMap<u32, &Trajectory> = BTreeMap::new();
    for trajectory in trajectories {
        let ended = |t: &Trajectory| t.outcome.is_some_and(|outcome| outcome != Outcome::Lost);
        let held = winners.entry(trajectory.key.index).or_insert(trajectory);
        if !ended(held) {
            *held = trajectory;
        }
    }
    winners
}

/// Env steps really trained: an attempt with observations 0 ..= n has trained n.
pub(crate) fn env_steps(trajectories: &[Trajectory]) -> u64 {
    trajectories.iter().map(|t| t.steps.len().saturating_sub(1) as u64).sum()
}
