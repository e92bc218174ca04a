//! Search for a fixed recipe: many are tried once, the best few again, and the winner is what the final evaluation uses.
//! The control that decides whether a learned policy is worth its price (design §2, *Baselines*).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tuning::{Problem, Random, Recipe, Trajectory};
use wire::settings::SearchSettings;

/// Keeps the search's draws apart from all others under the same seed.
const SEARCH: u64 = 4;

/// A search between two epochs: recipes to be tried next, the best first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Search {
    settings: SearchSettings,
    /// Recipe i is followed by the trajectories at index i mod n.
    recipes: Vec<Recipe>,
}

impl Search {
    /// Draws the candidates.
    pub fn new(settings: SearchSettings, problem: &Problem, seed: u64) -> Self {
        let candidates = u64::from(settings.candidates.max(1));
        let draw = |i| settings.space.draw(problem, &mut Random::stream(seed, &[SEARCH, i]));
        let recipes = (0..candidates).map(draw).collect();
        Self { settings, recipes }
    }

    /// Recipes to be tried next.
    pub fn recipes(&self) -> &[Recipe] {
        &self.recipes
    }

    /// Keeps the best recipes of an epoch: the finalists after the first, one after the second (or where there are no
    /// finalists). Only the epoch's own results count, so that a finalist can't live on a lucky first try.
    pub fn learn(&mut self, epoch: u32, problem: &Problem, trajectories: &[Trajectory]) {
        let ranked = self.ranked(problem, trajectories);
        let finalists = self.settings.finalists.max(1) as usize;
        let keep = if epoch == 1 { finalists } else { 1 };
        // With everything lost nothing is known: the recipes stay as they are, and the first one wins.
        self.recipes = ranked.into_iter().take(keep).map(|recipe| self.recipes[recipe].clone()).collect();
    }

    /// Indices of the recipes by mean objective, the best first; those without a result come last.
    fn ranked(&self, problem: &Problem, trajectories: &[Trajectory]) -> Vec<usize> {
        let mut scores: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for trajectory in trajectories {
            if let Some(objective) = problem.final_objective(trajectory) {
                let recipe = trajectory.key.index as usize % self.recipes.len();
                scores.entry(recipe).or_default().push(problem.objective.direction.sign() * objective);
            }
        }
        let mean = |recipe: &usize| {
            scores.get(recipe).map_or(f64::NEG_INFINITY, |tries| tries.iter().sum::<f64>() / tries.len() as f64)
        };
        let mut order: Vec<usize> = (0..self.recipes.len()).collect();
        order.sort_by(|a, b| mean(b).total_cmp(&mean(a)));
        order
    }
}
