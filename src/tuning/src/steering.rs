//! Action arithmetic: the one place where a decision becomes hyperparameter values.

use crate::{Problem, Recipe, Schedule};

/// What is in force for one trajectory: levels that multipliers move, and schedules that act under them.
///
/// After action a_t the value of a hyperparameter during env step t is `clip(level · schedule(t))`, in x' (design §2).
#[derive(Clone, Debug, PartialEq)]
pub struct Steering<'a> {
    problem: &'a Problem,
    /// x' without the schedule's factor; one for each hyperparameter.
    levels: Vec<f64>,
    schedules: Vec<Schedule>,
    /// Env step whose training the values are for.
    step: u32,
}

impl<'a> Steering<'a> {
    /// Starts a trajectory from the values in `initial`, one for each hyperparameter.
    pub fn start(problem: &'a Problem, initial: &[f64]) -> Self {
        let levels = problem.hyperparameters.iter().zip(initial).map(|(h, x)| h.clip(h.primed(*x))).collect();
        let schedules = problem.hyperparameters.iter().map(|h| h.schedule).collect();
        Self { problem, levels, schedules, step: 0 }
    }

    /// Values in force: before the first action those that the trajectory starts from.
    pub fn values(&self) -> Vec<f64> {
        let in_force = self.problem.hyperparameters.iter().zip(&self.levels).zip(&self.schedules);
        in_force
            .map(|((h, level), schedule)| h.primed(h.clip(level * schedule.factor(self.step, self.problem.env_steps))))
            .collect()
    }

    /// Takes the action decided at observation `step`: an index into the multipliers for each hyperparameter.
    pub fn act(&mut self, step: u32, actions: &[usize]) {
        self.step = step;
        for ((level, h), action) in self.levels.iter_mut().zip(&self.problem.hyperparameters).zip(actions) {
            *level = h.clip(*level * self.problem.multipliers[*action]);
        }
    }

    /// Follows `recipe` from observation `step` on instead of what the trajectory started from.
    pub fn follow(&mut self, step: u32, recipe: &Recipe) {
        self.step = step;
        if let Some(starts) = &recipe.starts {
            let steered = self.problem.hyperparameters.iter().zip(starts);
            self.levels = steered.map(|(h, x)| h.clip(h.primed(*x))).collect();
        }
        self.schedules.clone_from(&recipe.schedules);
    }
}
