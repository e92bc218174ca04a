//! Draws: the seed, task and starting values of each trajectory, the same wherever and whenever they are made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Hyperparameter, Problem, Random};

/// A training problem of an experiment that has several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Task {
    /// Name, as recorded in the dataset.
    pub name: String,
    /// How often it is drawn, relative to the others; the final evaluation takes tasks in turn instead.
    pub weight: f64,
    /// Starting values of its own, by hyperparameter, in place of the problem's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub initial: BTreeMap<String, f64>,
}

/// What the draws of one experiment depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Draws {
    /// Seed of the experiment.
    pub seed: u64,
    /// Tasks drawn from; empty where there is only one.
    pub tasks: Vec<Task>,
    /// Trajectories next to one another that share task and starting values (not the seed), so that their mean is a
    /// baseline for each.
    pub group: u32,
}

/// What a trajectory is gathered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// To learn from, in this repetition and epoch.
    Learning {
        /// Repetition, from 0.
        repetition: u32,
        /// Epoch, from 1.
        epoch: u32,
    },
    /// The final evaluation: the same draws in every repetition and every experiment of the same seed, so that results
    /// compare in pairs.
    Final,
}

/// What a trajectory starts from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Draw {
    /// Seed of the training, below 2³² so that any language can take it; the highest bit is set in final evaluations
    /// only, which keeps their seeds apart from all that learning used.
    pub seed: u32,
    /// Place of the task in [`Draws::tasks`]; none where there is only one.
    pub task: Option<usize>,
    /// Starting value of each hyperparameter, in the problem's order.
    pub initial: Vec<f64>,
}

const SEED: u64 = 1;
const GROUP: u64 = 2;
const FINAL: u64 = u64::MAX;

impl Draws {
    /// Draws the trajectory at `index`.
    pub fn draw(&self, problem: &Problem, stage: Stage, index: u32) -> Draw {
        let (place, group, top) = match stage {
            Stage::Learning { repetition, epoch } => ([repetition.into(), epoch.into()], self.group.max(1), 0),
            Stage::Final => ([FINAL, FINAL], 1, 1_u32 << 31),
        };
        let stream = |purpose, n: u32| Random::stream(self.seed, &[purpose, place[0], place[1], n.into()]);
        let seed = (stream(SEED, index).bits() >> 33) as u32 | top;
        let mut shared = stream(GROUP, index / group);
        let uniform = shared.uniform();
        let task = match stage {
            Stage::Learning { .. } => self.task(uniform),
            // In turn, so that every task is evaluated equally often.
            Stage::Final => (index as usize).checked_rem(self.tasks.len()),
        };
        let own = |h: &Hyperparameter| self.tasks.get(task?)?.initial.get(&h.name).copied();
        let start = |h: &Hyperparameter, uniform| own(h).unwrap_or_else(|| h.start(uniform));
        let initial = problem.hyperparameters.iter().map(|h| start(h, shared.uniform())).collect();
        Draw { seed, task, initial }
    }

    fn task(&self, uniform: f64) -> Option<usize> {
        let last = self.tasks.len().checked_sub(1)?;
        let mut left = uniform * self.tasks.iter().map(|task| task.weight).sum::<f64>();
        let drawn = self.tasks.iter().position(|task| {
            left -= task.weight;
            left < 0.0
        });
        Some(drawn.unwrap_or(last))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;

    use serde_json::json;

    use super::*;
    use crate::fixtures::problem;

    const STAGE: Stage = Stage::Learning { repetition: 0, epoch: 1 };

    fn draws(seed: u64, group: u32) -> Draws {
        let tasks = json!([{"name": "narrow", "weight": 1.0}, {"name": "wide", "weight": 3.0}]);
        serde_json::from_value(json!({"seed": seed, "tasks": tasks, "group": group})).unwrap()
    }

    fn ranged() -> Problem {
        let mut problem = problem();
        problem.hyperparameters[0].initial_range = Some([1e-3, 1e-1]);
        problem
    }

    fn all(draws: &Draws, stage: Stage, n: u32) -> Vec<Draw> {
        (0..n).map(|index| draws.draw(&ranged(), stage, index)).collect()
    }

    fn seeds(draws: &[Draw]) -> HashSet<u32> {
        draws.iter().map(|draw| draw.seed).collect()
    }

    #[test]
    fn the_order_in_which_trajectories_are_drawn_does_not_matter() {
        let forwards = all(&draws(1, 4), STAGE, 50);
        let mut backwards: Vec<_> = (0..50).rev().map(|index| draws(1, 4).draw(&ranged(), STAGE, index)).collect();
        backwards.reverse();
        assert_eq!(forwards, backwards);
    }

    #[test]
    fn a_group_shares_task_and_starting_values_but_not_the_seed() {
        let drawn = all(&draws(1, 8), STAGE, 64);
        for group in drawn.chunks(8) {
            assert!(group.iter().all(|draw| draw.task == group[0].task && draw.initial == group[0].initial));
        }
        let starts: HashSet<_> = drawn.iter().map(|draw| draw.initial[0].to_bits()).collect();
        assert_eq!((starts.len(), seeds(&drawn).len()), (8, 64));
    }

    #[test]
    fn without_groups_every_trajectory_has_its_own_start() {
        for group in [0, 1] {
            let starts: HashSet<_> = all(&draws(1, group), STAGE, 64).iter().map(|d| d.initial[0].to_bits()).collect();
            assert_eq!(starts.len(), 64);
        }
    }

    #[test]
    fn the_final_evaluation_draws_each_start_alone_whatever_the_group() {
        let [grouped, alone] = [8, 1].map(|group| all(&draws(1, group), Stage::Final, 16));
        assert_eq!(grouped, alone);
    }

    #[test]
    fn seeds_of_the_final_evaluation_have_the_highest_bit_and_those_of_learning_do_not() {
        assert!(all(&draws(1, 1), Stage::Final, 200).iter().all(|draw| draw.seed >= 1 << 31));
        assert!(all(&draws(1, 1), STAGE, 200).iter().all(|draw| draw.seed < 1 << 31));
    }

    #[test]
    fn repetitions_epochs_and_experiments_draw_apart() {
        let stages = [(0, 1), (0, 2), (1, 1), (2, 0)].map(|(repetition, epoch)| Stage::Learning { repetition, epoch });
        let mut drawn: Vec<_> = stages.iter().flat_map(|stage| all(&draws(1, 1), *stage, 100)).collect();
        drawn.extend(all(&draws(2, 1), STAGE, 100));
        assert_eq!(seeds(&drawn).len(), 500);
    }

    #[test]
    fn tasks_are_drawn_as_often_as_their_weights_say() {
        let wide = all(&draws(1, 1), STAGE, 4000).iter().filter(|draw| draw.task == Some(1)).count();
        // Six standard deviations of a count, √(n p (1 − p)) = 27.
        assert!(wide.abs_diff(3000) < 164, "{wide} of 4000");
    }

    #[test]
    fn the_final_evaluation_takes_tasks_in_turn() {
        let tasks: Vec<_> = all(&draws(1, 1), Stage::Final, 5).iter().map(|draw| draw.task).collect();
        assert_eq!(tasks, [Some(0), Some(1), Some(0), Some(1), Some(0)]);
    }

    #[test]
    fn a_tasks_own_starting_value_replaces_the_drawn_one_and_nothing_else() {
        let mut own = draws(1, 1);
        own.tasks[1].initial.insert("learning_rate".to_owned(), 0.5);
        for (draw, plain) in all(&own, STAGE, 50).iter().zip(all(&draws(1, 1), STAGE, 50)) {
            let expected = if draw.task == Some(1) { 0.5 } else { plain.initial[0] };
            assert_eq!(draw.initial, [expected, plain.initial[1]]);
            assert_eq!((draw.seed, draw.task), (plain.seed, plain.task));
        }
    }

    #[test]
    fn without_tasks_none_is_drawn() {
        let draws = Draws { tasks: Vec::new(), ..draws(1, 1) };
        assert!(all(&draws, STAGE, 10).iter().all(|draw| draw.task.is_none()));
    }

    #[test]
    fn starting_values_come_from_their_range_or_are_the_initial_ones() {
        for draw in all(&draws(1, 1), STAGE, 100) {
            assert!((1e-3..=1e-1).contains(&draw.initial[0]) && draw.initial[1] == 0.9);
        }
    }
}
