//! The continuous Transformer policy, as `wire::artifact::Continuous` describes it.
//!
//! Notation: B trajectories, T env steps, I inputs, D width.

use tch::{Device, Tensor};
use tuning::{Inputs, Problem};
use wire::artifact::{CENTER, Continuous, STRETCH};

use super::attention::Window;
use super::blocks::{Linear, positions};
use super::policy::{Heads, gain};
use super::{Outputs, Past, Trunk, Weights};

/// A causal Transformer over vectors of observations.
#[derive(Debug)]
pub struct ContinuousPolicy {
    weights: Weights,
    inputs: Inputs,
    input: Linear,
    trunk: Trunk,
    heads: Heads,
    /// (T, D).
    positions: Tensor,
}

impl ContinuousPolicy {
    /// A fresh policy for `problem`, whose weights depend on `seed` alone. `block_gain` scales those by which blocks add to
    /// what they are given.
    pub fn new(problem: &Problem, shape: &Continuous, block_gain: f64, seed: u64, device: Device) -> Self {
        let mut policy = Self::zeros(problem, shape, device);
        policy.weights.draw(seed, |name| gain(name, block_gain));
        policy
    }

    /// A policy whose weights are all 0, to be overwritten.
    pub(crate) fn zeros(problem: &Problem, shape: &Continuous, device: Device) -> Self {
        let weights = Weights::zeros(shape.tensors(problem), device);
        Self {
            inputs: shape.inputs,
            input: Linear::new(&weights, "input"),
            trunk: Trunk::new(&weights, shape.layers, shape.heads, Window::All),
            heads: Heads::new(&weights, problem),
            positions: positions(problem.env_steps as usize, shape.d_model, device),
            weights,
        }
    }

    /// Reads observations (B, T, I), with T at most the problem's env steps.
    ///
    /// Position t depends on observations 0 ..= t only, so whatever pads the end of a trajectory cannot matter.
    pub fn forward(&self, observations: &Tensor) -> Outputs {
        self.heads.forward(&self.trunk.forward(self.embed(observations, 0), 0.0))
    }

    /// Goes on from the observations that `past` holds by the next one, (B, 1, I). Keeps no gradients.
    pub(crate) fn step(&self, observation: &Tensor, past: &mut Past) -> Outputs {
        self.heads.forward(&self.trunk.step(self.embed(observation, past.seen), past))
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

    /// What it sees of an observation.
    pub fn inputs(&self) -> Inputs {
        self.inputs
    }

    /// Its weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Its weights, to be changed.
    pub fn weights_mut(&mut self) -> &mut Weights {
        &mut self.weights
    }
}
