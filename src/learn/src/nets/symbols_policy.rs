//! The talk's policy over symbols, as `wire::artifact::Symbols` describes it.
//!
//! Notation: B trajectories, T env steps of S symbols, of which C are actions and O an observation's, D width.

use tch::{Device, Kind, Tensor};
use tuning::{Problem, SymbolCode};
use wire::artifact::Symbols;

use super::attention::Window;
use super::policy::{Heads, gain};
use super::{Embedding, Outputs, Past, Trunk, Weights};

/// A causal Transformer over trajectories in symbols.
#[derive(Debug)]
pub struct SymbolsPolicy {
    weights: Weights,
    code: SymbolCode,
    embedding: Embedding,
    trunk: Trunk,
    heads: Heads,
    /// C: at the first observation, all but one of them stand for nothing.
    actions: i64,
    env_steps: usize,
}

impl SymbolsPolicy {
    /// A fresh policy for `problem`, whose weights depend on `seed` alone. `block_gain` scales those by which blocks add to
    /// what they are given.
    pub fn new(problem: &Problem, shape: &Symbols, block_gain: f64, seed: u64, device: Device) -> Self {
        let mut policy = Self::zeros(problem, shape, device);
        policy.weights.draw(seed, |name| match name {
            "embedding.weight" => Embedding::gain([shape.code.entries(problem), shape.d_model]),
            "places.weight" => Embedding::gain([shape.code.env_step(problem), shape.d_model]),
            name => gain(name, block_gain),
        });
        policy
    }

    /// A policy whose weights are all 0, to be overwritten.
    pub(crate) fn zeros(problem: &Problem, shape: &Symbols, device: Device) -> Self {
        let weights = Weights::zeros(shape.tensors(problem), device);
        Self {
            code: shape.code,
            embedding: Embedding::new(&weights, problem, shape.code, shape.d_model, device),
            trunk: Trunk::new(&weights, shape.layers, shape.heads, Window::of(shape.window)),
            heads: Heads::new(&weights, problem),
            actions: problem.hyperparameters.len() as i64,
            env_steps: problem.env_steps as usize,
            weights,
        }
    }

    /// Takes over what it shares with member 0 of a world model of its architecture: all but the heads.
    ///
    /// # Panics
    /// If the world model has other shapes.
    pub(crate) fn start_from(&mut self, world_model: &Weights) {
        let shared = |name: &str| !(name.starts_with("actions.") || name.starts_with("value."));
        let names: Vec<String> = self.weights.shapes().map(|(name, _)| name.to_owned()).collect();
        tch::no_grad(|| {
            for name in names.iter().filter(|name| shared(name)) {
                self.weights.get(name).copy_(&world_model.get(name).get(0));
            }
        });
    }

    /// Reads trajectories (B, T, S) as `tuning::Reader` does, with T at most the problem's env steps.
    pub fn forward(&self, read: &Tensor) -> Outputs {
        let (b, t, s) = read.size3().expect("what is read is (B, T, S)");
        let nothing = self.actions - 1;
        let symbols = read.to_kind(Kind::Int64).view([b, t * s]).narrow(1, nothing, t * s - nothing);
        let x = self.trunk.forward(self.embedding.forward(&symbols, 0), 0.0); // (B, T S − C + 1, D)
        // With what stands for nothing back in its place, each observation ends where its row does.
        let ends = x.constant_pad_nd([0, 0, nothing, 0]).view([b, t, s, -1]).select(2, s - 1);
        self.heads.forward(&ends)
    }

    /// Goes on from the observations that `past` holds by the next one, (B, 1, S). Keeps no gradients.
    pub(crate) fn step(&self, read: &Tensor, past: &mut Past) -> Outputs {
        let symbols = read.to_kind(Kind::Int64).squeeze_dim(1); // (B, S)
        let nothing = if past.seen == 0 { self.actions - 1 } else { 0 };
        let symbols = symbols.narrow(1, nothing, symbols.size()[1] - nothing);
        self.heads.forward(&self.trunk.step(self.embedding.forward(&symbols, past.seen), past))
    }

    /// What [`SymbolsPolicy::step`] starts from.
    pub(crate) fn past(&self) -> Past {
        let s = self.weights.get("places.weight").size()[0] as usize;
        self.trunk.past(self.env_steps * s)
    }

    /// How it reads trajectories.
    pub fn code(&self) -> SymbolCode {
        self.code
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

#[cfg(test)]
mod tests {
    use tuning::{Random, Reading};

    use super::*;
    use crate::nets::to_vec;
    use crate::world::fixtures::problem;

    const CODE: SymbolCode = SymbolCode { vocabulary: 16, symbols: 2, one_range: None };

    fn policy(window: Option<u32>) -> SymbolsPolicy {
        let shape = Symbols { code: CODE, d_model: 12, d_ff: 20, layers: 2, heads: 3, window };
        let mut policy = SymbolsPolicy::new(&problem(), &shape, 1.0, 1, Device::Cpu);
        // Heads that a fresh policy has say next to nothing.
        let _ = tch::no_grad(|| policy.weights_mut().get("actions.weight").g_mul_scalar_(100.0));
        policy
    }

    /// Six observations of two trajectories that have the first `common` in common; (2, 6, S).
    fn read(common: usize) -> Tensor {
        let problem = problem();
        let trajectory = |seed: u64| {
            let mut reader = Reading::Symbols(CODE).start(&problem);
            let row = |t: usize| {
                let mut random = Random::stream(if t < common { 0 } else { seed }, &[t as u64]);
                let metrics: Vec<f64> = (0..3).map(|_| random.uniform()).collect();
                reader.read(&[random.below(3)], &metrics, &[0.01 + 0.9 * random.uniform()])
            };
            (0..6).flat_map(row).collect::<Vec<f32>>()
        };
        Tensor::from_slice(&[trajectory(1), trajectory(2)].concat()).view([2, 6, -1])
    }

    fn distance(a: &Tensor, b: &Tensor) -> f64 {
        (a - b).abs().max().double_value(&[])
    }

    #[test]
    fn the_future_cannot_matter_and_the_past_does() {
        for window in [None, Some(5)] {
            let outputs = policy(window).forward(&read(3));
            let of = |n: i64| outputs.log_probabilities.get(n);
            assert!(distance(&of(0).narrow(0, 0, 3), &of(1).narrow(0, 0, 3)) < 1e-6);
            assert!(distance(&of(0).narrow(0, 3, 1), &of(1).narrow(0, 3, 1)) > 1e-4);
        }
    }

    #[test]
    fn observation_by_observation_it_says_the_same() {
        for window in [None, Some(5)] {
            let (policy, read) = (policy(window), read(0));
            let (whole, mut past) = (policy.forward(&read), policy.past());
            for t in 0..6 {
                let step = tch::no_grad(|| policy.step(&read.narrow(1, t, 1), &mut past));
                assert!(distance(&step.log_probabilities, &whole.log_probabilities.narrow(1, t, 1)) < 1e-5);
                assert!(distance(&step.values, &whole.values.narrow(1, t, 1)) < 1e-5);
            }
        }
    }

    #[test]
    fn gradients_reach_every_weight() {
        let policy = policy(None);
        let outputs = policy.forward(&read(0));
        let chosen = outputs.log_probabilities.select(-1, 0).sum(Kind::Float);
        let gradient = policy.weights().gradient(&(chosen + outputs.values.square().sum(Kind::Float)));
        let mut rest = &to_vec(&gradient)[..];
        for (name, shape) in policy.weights().shapes() {
            let (part, after) = rest.split_at(shape.iter().product());
            rest = after;
            // Softmax over keys leaves their bias without effect.
            assert!(name.ends_with("key.bias") || part.iter().any(|x| *x != 0.0), "{name}");
        }
    }
}
