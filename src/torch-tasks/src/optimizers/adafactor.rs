//! Adafactor (Shazeer and Stern 2018, Algorithms 4 and 5): Adam's squares of gradients as sums of rows and columns, without a
//! running mean of gradients. Reference: trax/optimizers/adafactor.py at ce75cb71, the talk's.
//!
//! As there, weight decay is not multiplied by the learning rate, and a learning rate is a share of a weight's own size.
//! Deviation from trax: ε₁ is the paper's 1e-30, not 1e-16.

use tch::nn::VarStore;
use tch::{Kind, Tensor, no_grad};

use super::{gradients, trainable};
use crate::checkpoint::Named;

/// ε₁, added to squares.
const EPSILON: f64 = 1e-30;
/// ε₂, the least size of a weight that steps are a share of.
const SMALLEST: f64 = 1e-3;
/// d, the largest root mean square of an update.
const CLIP: f64 = 1.0;
/// Running means forget by 1 − t^−0.8 in step t.
const DECAY: f64 = 0.8;

/// Running means of the squares of gradients.
pub struct Adafactor {
    weights: Vec<(Tensor, Squares)>,
    /// `row.NAME` and `column.NAME`, or `square.NAME`, which share memory with the above.
    state: Named,
}

/// Of one weight.
enum Squares {
    /// Of a weight (…, R, C): means over columns (…, R) and over rows (…, C).
    Factored { row: Tensor, column: Tensor },
    /// Of a vector.
    Whole(Tensor),
}

impl Squares {
    fn new(weight: &Tensor) -> Self {
        let size = weight.size();
        let zeros = |size: &[i64]| Tensor::zeros(size, (Kind::Float, weight.device()));
        match size[..] {
            [ref outer @ .., rows, columns] => {
                Self::Factored { row: zeros(&[outer, &[rows]].concat()), column: zeros(&[outer, &[columns]].concat()) }
            }
            _ => Self::Whole(zeros(&size)),
        }
    }

    fn named(&self, name: &str) -> Vec<(String, Tensor)> {
        let named = |part: &str, tensor: &Tensor| (format!("{part}.{name}"), tensor.shallow_clone());
        match self {
            Self::Factored { row, column } => vec![named("row", row), named("column", column)],
            Self::Whole(square) => vec![named("square", square)],
        }
    }

    /// Takes in `gradient`, and divides it by the root of what is now estimated of its squares.
    fn scaled(&mut self, gradient: &Tensor, mixed_in: f64) -> Tensor {
        let squares = gradient.square() + EPSILON;
        match self {
            Self::Factored { row, column } => {
                let mean = |over: i64| squares.mean_dim([over].as_slice(), false, Kind::Float);
                let _ = row.lerp_(&mean(-1), mixed_in);
                let _ = column.lerp_(&mean(-2), mixed_in);
                let mut by_row = &*row / row.mean_dim([-1_i64].as_slice(), true, Kind::Float);
                gradient * by_row.rsqrt_().unsqueeze(-1) * column.rsqrt().unsqueeze(-2)
            }
            Self::Whole(square) => {
                let _ = square.lerp_(&squares, mixed_in);
                gradient * square.rsqrt()
            }
        }
    }
}

impl Adafactor {
    /// Of all that can be trained in `weights`, before its first step.
    pub fn new(weights: &VarStore) -> Self {
        let mut state = Named::new();
        let with_squares = |(name, weight): (String, Tensor)| {
            let squares = Squares::new(&weight);
            state.extend(squares.named(&name));
            (weight, squares)
        };
        let weights = trainable(weights).into_iter().map(with_squares).collect();
        Self { weights, state }
    }

    /// Step number `step`, from 1 on, down `loss`, a single number.
    pub fn step(&mut self, step: u64, loss: &Tensor, learning_rate: f64, weight_decay: f64) {
        let weights: Vec<Tensor> = self.weights.iter().map(|(weight, _)| weight.shallow_clone()).collect();
        let gradients = gradients(loss, &weights);
        let mixed_in = (step as f64).powf(-DECAY);
        no_grad(|| {
            for ((weight, squares), gradient) in self.weights.iter_mut().zip(&gradients) {
                let mut update = squares.scaled(gradient, mixed_in);
                // Single numbers that stay on the device.
                let clipped = (root_mean_square(&update) / CLIP).clamp_min(1.0);
                let size = root_mean_square(weight).clamp_min(SMALLEST) * learning_rate;
                update *= size / clipped;
                *weight *= 1.0 - weight_decay;
                *weight -= update;
            }
        });
    }

    /// Running means, by the names of their weights.
    pub fn state(&self) -> &Named {
        &self.state
    }
}

fn root_mean_square(x: &Tensor) -> Tensor {
    x.square().mean(Kind::Float).sqrt()
}
