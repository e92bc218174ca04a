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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::fixtures::problem;

    fn recipes(n: u64) -> Vec<Recipe> {
        let decays = vec![Decay::Constant, Decay::Linear, Decay::Cosine];
        let space = RecipeSpace { decays, starts: vec![[1e-3, 1e-1], [0.0, 0.99]] };
        (0..n).map(|label| space.draw(&problem(), &mut Random::stream(1, &[label]))).collect()
    }

    #[test]
    fn starting_values_fill_their_ranges_in_the_logarithm() {
        let recipes = recipes(2000);
        let below = |place: usize, x: f64| recipes.iter().filter(|r| r.starts.as_ref().unwrap()[place] < x).count();
        assert_eq!([below(0, 1e-3 - 1e-12), below(0, 1e-1 + 1e-12)], [0, 2000]);
        assert_eq!([below(1, -1e-12), below(1, 0.99 + 1e-12)], [0, 2000]);
        // Half of them on either side of the geometric mean, within six standard deviations of a count (22).
        assert!(below(0, 1e-2).abs_diff(1000) < 134 && below(1, 0.9).abs_diff(1000) < 134);
    }

    #[test]
    fn every_shape_is_drawn_and_a_complement_stays_constant() {
        let recipes = recipes(300);
        for decay in [Decay::Constant, Decay::Linear, Decay::Cosine] {
            let drawn = recipes.iter().filter(|recipe| recipe.schedules[0].decay == decay).count();
            assert!(drawn.abs_diff(100) < 50, "{decay:?} {drawn} times");
        }
        assert!(recipes.iter().all(|recipe| recipe.schedules[1] == Schedule::default()));
    }

    #[test]
    fn the_same_stream_gives_the_same_recipe_and_another_another() {
        assert_eq!(recipes(2), recipes(2));
        assert_ne!(recipes(2)[0], recipes(2)[1]);
    }

    #[test]
    fn starting_values_outside_the_bounds_are_clipped() {
        let space = RecipeSpace { decays: vec![Decay::Constant], starts: vec![[10.0, 100.0], [0.5, 0.9]] };
        let recipe = space.draw(&problem(), &mut Random::stream(1, &[]));
        assert_eq!(recipe.starts.unwrap()[0], 1.0);
    }
}
