//! How policies come about: one face for all algorithms of an experiment.

use std::collections::BTreeMap;
use std::path::PathBuf;

use learn::{Ppo, Simple, SimpleFigures, Stand};
use tch::Device;
use tuning::{Random, Recipe, Trajectory};
use wire::artifact::{self, Policy, Tensor};
use wire::learner::ForecastScores;
use wire::settings::{Algorithm, LearnerConfig};

use crate::LearnerError;
use crate::search::Search;

/// Keeps the draws of a learner apart from all others under the same seed.
const LEARNER: u64 = 5;

/// What learning from an epoch gave.
#[derive(Clone, Debug, Default)]
pub struct Learned {
    /// Loss terms, KL, …, by name.
    pub figures: BTreeMap<String, f64>,
    /// How good the world model's forecasts are, where there is one.
    pub forecasts: Option<ForecastScores>,
}

impl From<BTreeMap<String, f64>> for Learned {
    fn from(figures: BTreeMap<String, f64>) -> Self {
        Self { figures, forecasts: None }
    }
}

/// What a learner learns with.
pub enum Strategy {
    /// A network learned by PPO.
    Ppo(Box<Ppo>),
    /// A network learned by PPO in simulated trainings.
    Simple(Box<Simple>),
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
            Algorithm::Simple(settings) => {
                Self::Simple(Box::new(Simple::new(config.problem.clone(), settings, seed, device)?))
            }
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
            Self::Simple(simple) => simple.restore(bytes)?,
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
            Self::Simple(simple) => simple.save(),
            Self::Search(search) => serde_json::to_vec(search).expect("plain data always serialises"),
            Self::Still(..) => Vec::new(),
        }
    }

    /// Learns from a whole epoch, whose `gathered` trajectories stand at the end of those `known`. Gives what is worth a
    /// figure, by name; `tell` hears what is being done.
    pub fn learn(
        &mut self,
        epoch: u32,
        problem: &tuning::Problem,
        known: &[Trajectory],
        gathered: usize,
        tell: &dyn Fn(String),
    ) -> Result<Learned, LearnerError> {
        let trajectories = &known[known.len() - gathered..];
        Ok(match self {
            Self::Ppo(ppo) => named(&ppo.learn(epoch, trajectories)?).into(),
            Self::Simple(simple) => {
                let figures = simple.learn(epoch, known, gathered, &|stand| tell(in_words(stand)))?;
                if let Some(refusal) = &figures.refusal {
                    tracing::error!(
                        epoch,
                        refusal,
                        "the world model was not trained: the one before goes on, if there is one"
                    );
                }
                Learned { figures: of_simple(&figures), forecasts: figures.scores }
            }
            Self::Search(search) => {
                search.learn(epoch, problem, trajectories);
                BTreeMap::from([("recipes_left".to_owned(), search.recipes().len() as f64)]).into()
            }
            Self::Still(..) => Learned::default(),
        })
    }

    /// Whether it learns from the trajectories of earlier epochs too.
    pub fn remembers(&self) -> bool {
        matches!(self, Self::Simple(_))
    }

    /// Whether epochs change anything; if not, one policy is published and stays.
    pub fn learns(&self) -> bool {
        !matches!(self, Self::Still(..))
    }

    /// The policy as it stands, and its weights.
    pub fn policy(&self) -> (Policy, Vec<Tensor>) {
        match self {
            Self::Ppo(ppo) => (Policy::Continuous(ppo.shape()), ppo.tensors()),
            Self::Simple(simple) => (Policy::Continuous(simple.ppo().shape()), simple.ppo().tensors()),
            Self::Search(search) => (recipes(search.recipes()), Vec::new()),
            Self::Still(policy, tensors) => (policy.clone(), tensors.clone()),
        }
    }
}

fn recipes(recipes: &[Recipe]) -> Policy {
    Policy::Recipes { recipes: recipes.to_vec() }
}

/// Figures by name, as metrics and files hold them.
fn named(figures: &impl serde::Serialize) -> BTreeMap<String, f64> {
    let figures = serde_json::to_value(figures).and_then(serde_json::from_value);
    figures.expect("figures are plain numbers")
}

/// The same of SimPLe: PPO's are those of the last simulated epoch.
fn of_simple(figures: &SimpleFigures) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    match &figures.fit {
        Some(fit) => all.extend(named(fit).into_iter().map(|(name, value)| (format!("world_model_{name}"), value))),
        None => drop(all.insert("world_model_refused".to_owned(), 1.0)),
    }
    // What nobody held out has no loss.
    all.retain(|_, value| value.is_finite());
    if let Some(simulated) = &figures.simulated {
        all.extend(named(simulated).into_iter().map(|(name, value)| (format!("simulated_{name}"), value)));
    }
    all.extend(figures.simulated_objective.map(|objective| ("simulated_objective".to_owned(), objective)));
    all.extend([
        ("simulated_clipped_share".to_owned(), figures.clipped_share),
        ("world_model_seconds".to_owned(), figures.world_model_seconds),
        ("simulated_seconds".to_owned(), figures.simulated_seconds),
    ]);
    all
}

fn in_words(stand: Stand) -> String {
    match stand {
        Stand::RealEpoch => "learning from real trajectories".to_owned(),
        Stand::WorldModel => "training the world model".to_owned(),
        Stand::Simulated { epoch, epochs } => format!("simulated epoch {epoch}/{epochs}"),
    }
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
