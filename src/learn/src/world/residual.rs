//! A forecaster: a causal Transformer whose output is a mixture of Gaussians over the change of all metrics, and the odds
//! of a divergence (Bishop 1994, mixture density networks).
//!
//! Notation: B trajectories, T env steps, I inputs, M metrics, K components, D width. Within a component metrics are
//! independent; that they move together is what the choice of a component says.

use tch::{Device, Kind, Tensor, no_grad};
use tuning::Problem;
use wire::artifact::{CENTER, STRETCH, block, layer};
use wire::settings::WorldModelSettings;

use super::examples::{Examples, forecast, width};
use crate::nets::{Block, Linear, Norm, Past, Weights, positions};

/// Smallest standard deviation, in the unit of changes: curves of accuracies have steps, and a density must not grow
/// without bound on them.
const NARROWEST: f64 = 0.02;
/// First standard deviations are this large.
const FIRST: f64 = 0.5;
/// First log-odds of a divergence: rare until seen otherwise.
const RARE: f64 = -7.0;

/// One forecaster.
#[derive(Debug)]
pub(super) struct Residual {
    weights: Weights,
    input: Linear,
    blocks: Vec<Block>,
    norm: Norm,
    output: Linear,
    /// (T, D).
    positions: Tensor,
    metrics: i64,
    components: i64,
}

/// The distribution of what comes after each env step.
pub(super) struct Density {
    /// Logarithm of each component's probability, (B, T, K).
    pub log_shares: Tensor,
    /// (B, T, K, M).
    pub means: Tensor,
    /// Logarithms of standard deviations, (B, T, K, M).
    pub log_deviations: Tensor,
    /// Log-odds of a divergence, (B, T).
    pub divergence: Tensor,
}

impl Residual {
    /// A fresh forecaster, whose weights depend on `seed` alone.
    pub fn new(problem: &Problem, settings: &WorldModelSettings, seed: u64, device: Device) -> Self {
        let (d, f) = (settings.d_model, settings.d_ff);
        let (m, k) = (forecast(problem).count(), settings.components);
        let mut shapes = layer("input", d, Some(width(problem))).to_vec();
        shapes.extend((0..settings.layers).flat_map(|n| block(&format!("block{n}"), d, f)));
        shapes.extend(layer("norm", d, None));
        shapes.extend(layer("output", k * (1 + 2 * m) + 1, Some(d)));
        let mut weights = Weights::zeros(shapes, device);
        weights.draw(seed, |name| match name {
            "output.weight" => 0.1,
            _ => 1.0,
        });
        let last = (k * (1 + 2 * m)) as i64;
        let _ = no_grad(|| weights.get("output.bias").narrow(0, last, 1).fill_(RARE));
        Self {
            input: Linear::new(&weights, "input"),
            blocks: (0..settings.layers).map(|n| Block::new(&weights, &format!("block{n}"), settings.heads)).collect(),
            norm: Norm::new(&weights, "norm"),
            output: Linear::new(&weights, "output"),
            positions: positions(problem.env_steps as usize, d, device),
            metrics: m as i64,
            components: k as i64,
            weights,
        }
    }

    /// inputs: (B, T, I); position t depends on 0 ..= t only.
    pub fn forward(&self, inputs: &Tensor) -> Density {
        let t = inputs.size()[1];
        let mut x = self.embed(inputs) + self.positions.narrow(0, 0, t); // (B, T, D)
        for block in &self.blocks {
            x = block.forward(&x);
        }
        self.density(&x)
    }

    /// Goes on from what `past` holds by one env step. inputs: (B, 1, I).
    pub fn step(&self, inputs: &Tensor, past: &mut [Past], t: usize) -> Density {
        let mut x = self.embed(inputs) + self.positions.narrow(0, t as i64, 1); // (B, 1, D)
        for (block, past) in self.blocks.iter().zip(past) {
            x = block.step(&x, past);
        }
        self.density(&x)
    }

    /// What [`Residual::step`] starts from.
    pub fn past(&self) -> Vec<Past> {
        self.blocks.iter().map(|_| Past::default()).collect()
    }

    fn embed(&self, inputs: &Tensor) -> Tensor {
        self.input.forward(&((inputs - f64::from(CENTER)) * f64::from(STRETCH)))
    }

    fn density(&self, x: &Tensor) -> Density {
        let (b, t, _) = x.size3().expect("x is (B, T, D)");
        let (k, m) = (self.components, self.metrics);
        let out = self.output.forward(&self.norm.forward(x)); // (B, T, K + 2 K M + 1)
        let parts = out.split_with_sizes([k, k * m, k * m, 1], -1);
        let floor = NARROWEST.ln();
        // Softplus keeps it above the floor, smoothly.
        let log_deviations = (&parts[2] + (FIRST.ln() - floor)).softplus() + floor;
        Density {
            log_shares: parts[0].log_softmax(-1, Kind::Float),
            means: parts[1].view([b, t, k, m]),
            log_deviations: log_deviations.view([b, t, k, m]),
            divergence: parts[3].squeeze_dim(-1),
        }
    }

    /// Mean over env steps of the negative log-likelihood of what came after them, in nats.
    pub fn loss(&self, examples: &Examples) -> Tensor {
        let density = self.forward(&examples.inputs);
        let happened = &examples.ended + &examples.diverged; // (B, T)
        let likelihood = density.log_likelihood(&examples.changes) * &examples.ended; // (B, T)
        // Of a divergence: ln σ(x) where it came, ln σ(−x) where it did not.
        let sign = &examples.diverged * 2.0 - 1.0;
        let divergence = (&density.divergence * sign).log_sigmoid() * &happened;
        -(likelihood + divergence).sum(Kind::Float) / happened.sum(Kind::Float)
    }

    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    pub fn weights_mut(&mut self) -> &mut Weights {
        &mut self.weights
    }

    pub fn device(&self) -> Device {
        self.positions.device()
    }
}

impl Density {
    /// changes: (B, T, M) -> (B, T), in nats.
    pub fn log_likelihood(&self, changes: &Tensor) -> Tensor {
        let half_log_tau = (2.0 * std::f64::consts::PI).ln() / 2.0;
        let distance = (changes.unsqueeze(2) - &self.means) / self.log_deviations.exp(); // (B, T, K, M)
        let each: Tensor = distance.square() / -2.0 - &self.log_deviations - half_log_tau;
        (each.sum_dim_intlist(-1, false, Kind::Float) + &self.log_shares).logsumexp(-1, false)
    }
}
