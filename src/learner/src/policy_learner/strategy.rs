//! How policies come about: one face for all algorithms of an experiment.

use std::collections::BTreeMap;
use std::time::Instant;

use learn::{Ppo, Simple, Simulated, Trained};
use tch::Device;
use tokio::runtime::Handle;
use tuning::{Problem, Recipe, Trajectory};
use wire::artifact::{Policy, Tensor};
use wire::forecast::ForecastScores;
use wire::settings::{Algorithm, LearnerConfig};

use super::frozen::frozen;
use super::search::Search;
use crate::{LearnerError, seed};

/// What is to be learned from.
pub struct Lesson<'a> {
    /// Epoch, from 1.
    pub epoch: u32,
    /// What is tuned.
    pub problem: &'a Problem,
    /// Trajectories, those of the epoch last; of earlier ones, for who [remembers](Strategy::remembers).
    pub known: &'a [Trajectory],
    /// How many of them are the epoch's.
    pub gathered: usize,
    /// Hears what is being done.
    pub tell: &'a dyn Fn(String),
    /// Gives the world model trained up to this epoch, once there is one.
    pub world_model: &'a dyn Fn() -> Result<Vec<u8>, LearnerError>,
}

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
    pub fn new(config: &LearnerConfig, device: Device, runtime: &Handle) -> Result<Self, LearnerError> {
        let seed = seed(config);
        Ok(match &config.algorithm {
            Algorithm::Ppo(settings) => Self::Ppo(Box::new(Ppo::new(config.problem.clone(), settings, seed, device)?)),
            Algorithm::Simple(settings) => {
                Self::Simple(Box::new(Simple::new(config.problem.clone(), settings, seed, device)?))
            }
            Algorithm::Search(settings) => Self::Search(Search::new(settings.clone(), &config.problem, seed)),
            Algorithm::Fixed(recipe) => Self::Still(recipes(std::slice::from_ref(recipe)), Vec::new()),
            Algorithm::Random => Self::Still(Policy::Random, Vec::new()),
            Algorithm::Frozen(policy) => runtime.block_on(frozen(policy, config))?,
        })
    }

    /// Goes back to the state that [`Strategy::save`] gave.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), LearnerError> {
        match self {
            Self::Ppo(ppo) => ppo.restore(bytes)?,
            Self::Simple(simple) => simple.restore(bytes)?,
            Self::Search(search) => {
                *search = serde_json::from_slice(bytes).map_err(|source| LearnerError::Corrupt {
                    place: "checkpoint".to_owned(),
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

    /// Learns from a whole epoch.
    ///
    /// # Errors
    /// [`LearnerError::Learn`] if a number stops being finite: the state is then to be restored.
    pub fn learn(&mut self, lesson: &Lesson<'_>) -> Result<Learned, LearnerError> {
        let trajectories = &lesson.known[lesson.known.len() - lesson.gathered..];
        Ok(match self {
            Self::Ppo(ppo) => named(&ppo.learn(lesson.epoch, trajectories)?).into(),
            Self::Simple(simple) => learn_in_simulation(simple, lesson, trajectories)?,
            Self::Search(search) => {
                search.learn(lesson.epoch, lesson.problem, trajectories);
                BTreeMap::from([("recipes_left".to_owned(), search.recipes().len() as f64)]).into()
            }
            Self::Still(..) => Learned::default(),
        })
    }

    /// Whether it learns from the trajectories of earlier epochs too.
    pub fn remembers(&self) -> bool {
        matches!(self, Self::Simple(_))
    }

    /// Whether simulated trainings begin anywhere within real ones.
    pub fn branches(&self) -> bool {
        matches!(self, Self::Simple(simple) if simple.branches())
    }

    /// Whether epochs change anything; if not, one policy is published and stays.
    pub fn learns(&self) -> bool {
        !matches!(self, Self::Still(..))
    }

    /// The policy as it stands, and its weights.
    pub fn policy(&self) -> (Policy, Vec<Tensor>) {
        match self {
            Self::Ppo(ppo) => (ppo.shape().clone(), ppo.tensors()),
            Self::Simple(simple) => (simple.ppo().shape().clone(), simple.ppo().tensors()),
            Self::Search(search) => (recipes(search.recipes()), Vec::new()),
            Self::Still(policy, tensors) => (policy.clone(), tensors.clone()),
        }
    }
}

fn recipes(recipes: &[Recipe]) -> Policy {
    Policy::Recipes { recipes: recipes.to_vec() }
}

/// Figures by name, as metrics and files hold them; those that there are.
fn named(figures: &impl serde::Serialize) -> BTreeMap<String, f64> {
    let figures = serde_json::to_value(figures).and_then(serde_json::from_value);
    let figures: BTreeMap<String, Option<f64>> = figures.expect("figures are plain numbers");
    figures.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// One epoch of SimPLe: from real trajectories, if it is to be, then in the world model that has come of them.
fn learn_in_simulation(
    simple: &mut Simple,
    lesson: &Lesson<'_>,
    trajectories: &[Trajectory],
) -> Result<Learned, LearnerError> {
    if simple.learns_from_real() {
        (lesson.tell)("learning from real trajectories".to_owned());
        simple.learn_from_real(trajectories)?;
    }
    (lesson.tell)("waiting for the world model".to_owned());
    let trained = simple.take(&(lesson.world_model)()?)?;
    let epochs = simple.simulated_epochs();
    let begin = Instant::now();
    let tell = |epoch| (lesson.tell)(format!("simulated epoch {epoch}/{epochs}"));
    let simulated = simple.simulate(lesson.epoch, lesson.known, &tell)?;
    let figures = figures(&trained, simulated.as_ref(), begin.elapsed().as_secs_f64());
    Ok(Learned { figures, forecasts: trained.scores })
}

/// Those of the world model, and of PPO in the last simulated epoch.
fn figures(trained: &Trained, simulated: Option<&Simulated>, seconds: f64) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::from([("world_model_seconds".to_owned(), trained.seconds)]);
    match &trained.fit {
        Some(fit) => all.extend(named(fit).into_iter().map(|(name, value)| (format!("world_model_{name}"), value))),
        None => drop(all.insert("world_model_refused".to_owned(), 1.0)),
    }
    if let Some(Simulated { figures, objective, clipped_share }) = simulated {
        all.extend(named(figures).into_iter().map(|(name, value)| (format!("simulated_{name}"), value)));
        let others = [("objective", *objective), ("clipped_share", *clipped_share), ("seconds", seconds)];
        all.extend(others.map(|(name, value)| (format!("simulated_{name}"), value)));
    }
    all
}
