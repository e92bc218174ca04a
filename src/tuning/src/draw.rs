//! Draws: the seed, task and starting values of each trajectory, the same wherever and whenever they are made.

use serde::{Deserialize, Serialize};

use crate::{Problem, Random};

/// A training problem of an experiment that has several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Task {
    /// Name, as recorded in the dataset.
    pub name: String,
    /// How often it is drawn, relative to the others.
    pub weight: f64,
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
        let task = self.task(shared.uniform());
        let initial = problem.hyperparameters.iter().map(|h| h.start(shared.uniform())).collect();
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
