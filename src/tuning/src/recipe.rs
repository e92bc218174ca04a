//! Recipes: schedules fixed beforehand, which baselines follow and `search` looks for.

use serde::{Deserialize, Serialize};

use crate::{Decay, Problem, Random, Schedule};

/// A schedule, and perhaps a starting value, for each hyperparameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recipe {
    /// Starting values, in the problem's order; without them the trajectory's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<Vec<f64>>,
    /// Schedules, in the problem's order.
    pub schedules: Vec<Schedule>,
}

/// What `search` draws recipes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecipeSpace {
    /// Shapes to choose from, each as likely as the others.
    pub decays: Vec<Decay>,
    /// Lowest and highest starting value of each hyperparameter, in the problem's order.
    pub starts: Vec<[f64; 2]>,
}

impl RecipeSpace {
    /// Draws a recipe: starting values log-uniform in x', and a shape for each hyperparameter.
    pub fn draw(&self, problem: &Problem, random: &mut Random) -> Recipe {
        let (mut starts, mut schedules) = (Vec::new(), Vec::new());
        for (h, [low, high]) in problem.hyperparameters.iter().zip(&self.starts) {
            let (a, b) = (h.primed(*low).ln(), h.primed(*high).ln());
            starts.push(h.primed(h.clip((a + random.uniform() * (b - a)).exp())));
            let decay = self.decays[random.below(self.decays.len())];
            // A complement decays towards 1, which no recipe wants: only the plain ones take a shape.
            let decay = if h.complement { Decay::Constant } else { decay };
            schedules.push(Schedule { decay, to: 0.0, warm_up: 0 });
        }
        Recipe { starts: Some(starts), schedules }
    }
}
