//! Policies, read from artifacts and asked one observation at a time.

mod layers;
mod network;

use std::sync::Arc;

use tuning::{Problem, Reader, Reading, Recipe};
use wire::artifact::{self, ArtifactError, Misfit};

use network::{Memory, Network};

/// Why a policy can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The bytes are no sound artifact.
    #[error("the artifact is not sound")]
    Artifact(#[from] ArtifactError),
    /// It was learned for something else.
    #[error("the artifact does not fit the experiment")]
    Misfit(#[from] Misfit),
}

/// What decides, for one problem.
#[derive(Debug)]
pub struct Policy<'a> {
    problem: &'a Problem,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Network(Reading, Arc<Network>),
    Random,
    Recipes(Vec<Recipe>),
}

/// What a policy says at an observation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// Log-probability of each multiplier, a row for each hyperparameter; no rows where the policy steers nothing.
    pub log_probabilities: Vec<Vec<f32>>,
    /// Estimate of the return from here on, where the policy makes one.
    pub value: Option<f32>,
}

impl Output {
    /// Whether all are numbers that can be drawn from and recorded.
    pub fn is_sound(&self) -> bool {
        let row = |row: &Vec<f32>| row.iter().any(|x| x.is_finite()) && row.iter().all(|x| *x < f32::INFINITY);
        self.log_probabilities.iter().all(row) && self.value.is_none_or(f32::is_finite)
    }
}

impl<'a> Policy<'a> {
    /// Reads an artifact, which must be sound and fit `problem`.
    pub fn load(bytes: &[u8], problem: &'a Problem) -> Result<Self, PolicyError> {
        let (header, tensors) = artifact::read(bytes)?;
        artifact::fits(&header.problem, problem)?;
        let kind = match header.policy {
            artifact::Policy::Random => Kind::Random,
            artifact::Policy::Recipes { recipes } => Kind::Recipes(recipes),
            artifact::Policy::Continuous(shape) => {
                let network = Network::continuous(problem, &shape, tensors);
                Kind::Network(Reading::Vectors(shape.inputs), Arc::new(network))
            }
            artifact::Policy::Symbols(shape) => {
                Kind::Network(Reading::Symbols(shape.code), Arc::new(Network::symbols(problem, &shape, tensors)))
            }
        };
        Ok(Self { problem, kind })
    }

    /// Starts a trajectory.
    pub fn start(&self) -> Decider<'a> {
        let way = match &self.kind {
            Kind::Network(reading, network) => Way::Network {
                reader: reading.start(self.problem),
                memory: Memory::default(),
                network: network.clone(),
            },
            Kind::Random => {
                let [rows, columns] = [self.problem.hyperparameters.len(), self.problem.multipliers.len()];
                Way::Always(Output {
                    log_probabilities: vec![vec![-(columns as f32).ln(); columns]; rows],
                    value: None,
                })
            }
            Kind::Recipes(_) => Way::Always(Output::default()),
        };
        Decider { way }
    }

    /// The recipe that the trajectory at `index` follows, if it is recipes that decide.
    pub fn recipe(&self, index: u32) -> Option<&Recipe> {
        match &self.kind {
            Kind::Recipes(recipes) => recipes.get(index as usize % recipes.len()),
            _ => None,
        }
    }

    /// Whether every action is equally likely, so that there is no most probable one.
    pub fn is_random(&self) -> bool {
        matches!(self.kind, Kind::Random)
    }
}

/// A policy in the course of one trajectory.
#[derive(Debug)]
pub struct Decider<'a> {
    way: Way<'a>,
}

#[derive(Debug)]
enum Way<'a> {
    Network { reader: Reader<'a>, memory: Memory, network: Arc<Network> },
    Always(Output),
}

impl Decider<'_> {
    /// What the policy says at the next observation, given the actions taken since the one before (of no account at the
    /// first), and raw metrics and hyperparameters in the problem's order.
    pub fn decide(&mut self, before: &[usize], metrics: &[f64], hyperparameters: &[f64]) -> Output {
        match &mut self.way {
            Way::Network { reader, memory, network } => {
                network.step(memory, &reader.read(before, metrics, hyperparameters))
            }
            Way::Always(output) => output.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
