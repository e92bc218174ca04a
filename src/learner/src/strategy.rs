//! How policies come about: one face for all algorithms of an experiment.

use std::collections::BTreeMap;
use std::path::PathBuf;

use learn::Ppo;
use tch::Device;
use tuning::{Random, Recipe, Trajectory};
use wire::artifact::{self, Policy, Tensor};
use wire::settings::{Algorithm, LearnerConfig};

use crate::LearnerError;
use crate::search::Search;

/// Keeps the draws of a learner apart from all others under the same seed.
const LEARNER: u64 = 5;

/// What a learner learns with.
pub enum Strategy {
    /// A network learned by PPO.
    Ppo(Box<Ppo>),
    /// The best of many recipes.
    Search(Search),
    /// A policy that never changes.
    Still(Policy, Vec<Tensor>),
}

impl Strategy {
    /// The state before any learning.
    ///
    /// # Errors
    /// If a frozen policy can't be read or was learned for something else.
    pub fn new(config: &LearnerConfig, device: Device) -> Result<Self, LearnerError> {
        let seed = Random::stream(config.seed, &[LEARNER, config.repetition.into()]).bits();
        Ok(match &config.algorithm {
            Algorithm::Ppo(settings) => Self::Ppo(Box::new(Ppo::new(config.problem.clone(), settings, seed, device)?)),
            Algorithm::Search(settings) => Self::Search(Search::new(settings.clone(), &config.problem, seed)),
            Algorithm::Fixed(recipe) => Self::Still(recipes(std::slice::from_ref(recipe)), Vec::new()),
            Algorithm::Random => Self::Still(Policy::Random, Vec::new()),
            Algorithm::Frozen(path) => frozen(config, artifact_of(path, config.repetition))?,
        })
    }

    /// Goes back to the state that [`Strategy::save`] gave.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), LearnerError> {
        match self {
            Self::Ppo(ppo) => ppo.restore(bytes)?,
            Self::Search(search) => {
                *search = serde_json::from_slice(bytes).map_err(|source| LearnerError::Corrupt {
                    path: PathBuf::from("checkpoint"),
                    expected: "the state of a search",
                    source: Box::new(source),
                })?;
            }
            Self::Still(..) => {}
        }
        Ok(())
    }

    /// All that learning goes on from.
    pub fn save(&self) -> Vec<u8> {
        match self {
            Self::Ppo(ppo) => ppo.save(),
            Self::Search(search) => serde_json::to_vec(search).expect("plain data always serialises"),
            Self::Still(..) => Vec::new(),
        }
    }

    /// Learns from a whole epoch. Gives what is worth a figure, by name.
    pub fn learn(
        &mut self,
        epoch: u32,
        problem: &tuning::Problem,
        trajectories: &[Trajectory],
    ) -> Result<BTreeMap<String, f64>, LearnerError> {
        match self {
            Self::Ppo(ppo) => Ok(named(&ppo.learn(epoch, trajectories)?)),
            Self::Search(search) => {
                search.learn(epoch, problem, trajectories);
                Ok(BTreeMap::from([("recipes_left".to_owned(), search.recipes().len() as f64)]))
            }
            Self::Still(..) => Ok(BTreeMap::new()),
        }
    }

    /// Whether epochs change anything; if not, one policy is published and stays.
    pub fn learns(&self) -> bool {
        !matches!(self, Self::Still(..))
    }

    /// The policy as it stands, and its weights.
    pub fn policy(&self) -> (Policy, Vec<Tensor>) {
        match self {
            Self::Ppo(ppo) => (Policy::Continuous(ppo.shape()), ppo.tensors()),
            Self::Search(search) => (recipes(search.recipes()), Vec::new()),
            Self::Still(policy, tensors) => (policy.clone(), tensors.clone()),
        }
    }
}

fn recipes(recipes: &[Recipe]) -> Policy {
    Policy::Recipes { recipes: recipes.to_vec() }
}

/// Figures by name, as metrics and files hold them.
fn named(figures: &learn::Figures) -> BTreeMap<String, f64> {
    let figures = serde_json::to_value(figures).and_then(serde_json::from_value);
    figures.expect("figures are plain numbers")
}

/// `path` with the repetition's number in place of its name.
fn artifact_of(path: &str, repetition: u32) -> PathBuf {
    path.replace("{repetition}", &repetition.to_string()).into()
}

fn frozen(config: &LearnerConfig, path: PathBuf) -> Result<Strategy, LearnerError> {
    let bytes = std::fs::read(&path).map_err(|source| LearnerError::Storage { path: path.clone(), source })?;
    let (header, tensors) = artifact::read(&bytes)?;
    artifact::fits(&header, &config.problem)
        .map_err(|misfit| LearnerError::Misfit { path, misfit: misfit.to_string() })?;
    Ok(Strategy::Still(header.policy, tensors))
}
