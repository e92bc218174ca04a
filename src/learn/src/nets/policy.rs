//! Policy networks of either kind behind one face, and the heads that they share.
//!
//! Notation: B trajectories, T env steps, R numbers read at an observation, C hyperparameters, A multipliers, D width.

use tch::{Device, Kind, Tensor};
use tuning::{Problem, Reading};
use wire::artifact::Policy;

use super::blocks::Linear;
use super::{ContinuousPolicy, Past, SymbolsPolicy, Weights};

/// First weights of the heads are this much smaller, so that a fresh policy is near uniform …
const ACTIONS_GAIN: f64 = 0.01;
/// … and expects almost nothing.
const VALUE_GAIN: f64 = 0.01;

/// A causal Transformer over the observations of a trajectory.
#[derive(Debug)]
pub enum PolicyNetwork {
    /// That reads a vector for each.
    Continuous(ContinuousPolicy),
    /// That reads symbols.
    Symbols(SymbolsPolicy),
}

/// What a policy says at each observation.
#[derive(Debug)]
pub struct Outputs {
    /// Logarithm of each multiplier's probability, for each hyperparameter on its own; (B, T, C, A).
    pub log_probabilities: Tensor,
    /// Return expected from here on; (B, T).
    pub values: Tensor,
}

impl PolicyNetwork {
    /// A network of the kind and shape that `policy` says, whose weights are all 0, to be overwritten.
    ///
    /// # Panics
    /// If `policy` is not a network.
    pub(crate) fn zeros(problem: &Problem, policy: &Policy, device: Device) -> Self {
        match policy {
            Policy::Continuous(shape) => Self::Continuous(ContinuousPolicy::zeros(problem, shape, device)),
            Policy::Symbols(shape) => Self::Symbols(SymbolsPolicy::zeros(problem, shape, device)),
            Policy::Random | Policy::Recipes { .. } => unreachable!("only networks are learned"),
        }
    }

    /// What it says at each observation of whole trajectories, (B, T, R), as `tuning::Reader` reads them.
    ///
    /// Position t depends on observations 0 ..= t only, so whatever pads the end of a trajectory cannot matter.
    pub fn forward(&self, read: &Tensor) -> Outputs {
        match self {
            Self::Continuous(policy) => policy.forward(read),
            Self::Symbols(policy) => policy.forward(read),
        }
    }

    /// Goes on from the observations that `past` holds by the next one, (B, 1, R). Keeps no gradients.
    pub(crate) fn step(&self, read: &Tensor, past: &mut Past) -> Outputs {
        match self {
            Self::Continuous(policy) => policy.step(read, past),
            Self::Symbols(policy) => policy.step(read, past),
        }
    }

    /// What [`PolicyNetwork::step`] starts from.
    pub(crate) fn past(&self) -> Past {
        match self {
            Self::Continuous(policy) => policy.past(),
            Self::Symbols(policy) => policy.past(),
        }
    }

    /// How it reads trajectories.
    pub fn reading(&self) -> Reading {
        match self {
            Self::Continuous(policy) => Reading::Vectors(policy.inputs()),
            Self::Symbols(policy) => Reading::Symbols(policy.code()),
        }
    }

    /// Its weights.
    pub fn weights(&self) -> &Weights {
        match self {
            Self::Continuous(policy) => policy.weights(),
            Self::Symbols(policy) => policy.weights(),
        }
    }

    /// Its weights, to be changed.
    pub fn weights_mut(&mut self) -> &mut Weights {
        match self {
            Self::Continuous(policy) => policy.weights_mut(),
            Self::Symbols(policy) => policy.weights_mut(),
        }
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.weights().flat().device()
    }
}

/// What decides and expects, on top of a trunk: weights `actions` and `value`.
#[derive(Debug)]
pub(super) struct Heads {
    actions: Linear,
    value: Linear,
    hyperparameters: i64,
    multipliers: i64,
}

impl Heads {
    pub(super) fn new(weights: &Weights, problem: &Problem) -> Self {
        Self {
            actions: Linear::new(weights, "actions"),
            value: Linear::new(weights, "value"),
            hyperparameters: problem.hyperparameters.len() as i64,
            multipliers: problem.multipliers.len() as i64,
        }
    }

    /// (B, T, D) of each observation.
    pub(super) fn forward(&self, x: &Tensor) -> Outputs {
        let (b, t, _) = x.size3().expect("x is (B, T, D)");
        let logits = self.actions.forward(x).view([b, t, self.hyperparameters, self.multipliers]); // (B, T, C, A)
        let values = self.value.forward(x).squeeze_dim(-1); // (B, T, 1) -> (B, T)
        Outputs { log_probabilities: logits.log_softmax(-1, Kind::Float), values }
    }
}

/// What first weights of a policy are multiplied by; `block_gain` those by which blocks add to what they are given.
pub(super) fn gain(name: &str, block_gain: f64) -> f64 {
    match name {
        "actions.weight" => ACTIONS_GAIN,
        "value.weight" => VALUE_GAIN,
        _ if name.ends_with(".output.weight") || name.ends_with(".down.weight") => block_gain,
        _ => 1.0,
    }
}
