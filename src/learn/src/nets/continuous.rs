//! The continuous Transformer policy, as `wire::artifact::Continuous` describes it.
//!
//! Notation: B trajectories, T env steps, I inputs, C hyperparameters, A multipliers, D width.

use tch::{Device, Tensor};
use tuning::Problem;
use wire::artifact::{CENTER, Continuous, STRETCH};

use super::attention::Window;
use super::blocks::{Linear, positions};
use super::{Past, Trunk, Weights};

/// First weights of the heads are this much smaller, so that a fresh policy is near uniform …
const ACTIONS_GAIN: f64 = 0.01;
/// … and expects almost nothing.
const VALUE_GAIN: f64 = 0.01;

/// A causal Transformer over the observations of a trajectory.
#[derive(Debug)]
pub struct ContinuousPolicy {
    weights: Weights,
    input: Linear,
    trunk: Trunk,
    actions: Linear,
    value: Linear,
    /// (T, D).
    positions: Tensor,
    hyperparameters: i64,
    multipliers: i64,
}

/// What a policy says at each observation.
#[derive(Debug)]
pub struct Outputs {
    /// Logarithm of each multiplier's probability, for each hyperparameter on its own; (B, T, C, A).
    pub log_probabilities: Tensor,
    /// Return expected from here on; (B, T).
    pub values: Tensor,
}

impl ContinuousPolicy {
    /// A fresh policy for `problem`, whose weights depend on `seed` alone. `block_gain` scales those by which blocks add to
    /// what they are given.
    pub fn new(problem: &Problem, shape: &Continuous, block_gain: f64, seed: u64, device: Device) -> Self {
        let mut policy = Self::zeros(problem, shape, device);
        policy.weights.draw(seed, |name| match name {
            "actions.weight" => ACTIONS_GAIN,
            "value.weight" => VALUE_GAIN,
            _ if name.ends_with(".output.weight") || name.ends_with(".down.weight") => block_gain,
            _ => 1.0,
        });
        policy
    }

    /// A policy whose weights are all 0, to be overwritten.
    pub(crate) fn zeros(problem: &Problem, shape: &Continuous, device: Device) -> Self {
        let weights = Weights::zeros(shape.tensors(problem), device);
        Self {
            input: Linear::new(&weights, "input"),
            trunk: Trunk::new(&weights, shape.layers, shape.heads, Window::All),
            actions: Linear::new(&weights, "actions"),
            value: Linear::new(&weights, "value"),
            positions: positions(problem.env_steps as usize, shape.d_model, device),
            hyperparameters: problem.hyperparameters.len() as i64,
            multipliers: problem.multipliers.len() as i64,
            weights,
        }
    }

    /// Reads observations (B, T, I), with T at most the problem's env steps.
    ///
    /// Position t depends on observations 0 ..= t only, so whatever pads the end of a trajectory cannot matter.
    pub fn forward(&self, observations: &Tensor) -> Outputs {
        self.outputs(&self.trunk.forward(self.embed(observations, 0), 0.0))
    }

    /// Goes on from the observations that `past` holds by the next one, (B, 1, I). Keeps no gradients.
    pub(crate) fn step(&self, observation: &Tensor, past: &mut Past) -> Outputs {
        self.outputs(&self.trunk.step(self.embed(observation, past.seen), past))
    }

    /// What [`ContinuousPolicy::step`] starts from.
    pub(crate) fn past(&self) -> Past {
        self.trunk.past(self.positions.size()[0] as usize)
    }

    /// Observations from `from` on, (B, T, I) -> (B, T, D).
    fn embed(&self, observations: &Tensor, from: i64) -> Tensor {
        let stretched = (observations - f64::from(CENTER)) * f64::from(STRETCH);
        self.input.forward(&stretched) + self.positions.narrow(0, from, observations.size()[1])
    }

    fn outputs(&self, x: &Tensor) -> Outputs {
        let (b, t, _) = x.size3().expect("x is (B, T, D)");
        let logits = self.actions.forward(x).view([b, t, self.hyperparameters, self.multipliers]); // (B, T, C, A)
        let values = self.value.forward(x).squeeze_dim(-1); // (B, T, 1) -> (B, T)
        Outputs { log_probabilities: logits.log_softmax(-1, tch::Kind::Float), values }
    }

    /// Its weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Its weights, to be changed.
    pub fn weights_mut(&mut self) -> &mut Weights {
        &mut self.weights
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.positions.device()
    }
}
