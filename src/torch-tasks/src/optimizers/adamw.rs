//! Adam with weight decay apart from the gradient (Loshchilov and Hutter 2019, Algorithm 2), as PyTorch has it: what decays is
//! multiplied by the learning rate.

use tch::nn::VarStore;
use tch::{Tensor, no_grad};

use super::{gradients, trainable};
use crate::checkpoint::Named;

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Running means of the gradients and of their squares.
pub struct AdamW {
    weights: Vec<Tensor>,
    /// `mean.NAME` and `square.NAME`, which share memory with the next two.
    state: Named,
    means: Vec<Tensor>,
    squares: Vec<Tensor>,
}

impl AdamW {
    /// Of all that can be trained in `weights`, before its first step.
    pub fn new(weights: &VarStore) -> Self {
        let named = trainable(weights);
        let zeros = || named.values().map(Tensor::zeros_like).collect::<Vec<_>>();
        let (means, squares) = (zeros(), zeros());
        let under = |part: &str, tensors: &[Tensor]| -> Named {
            let names = named.keys().map(|name| format!("{part}.{name}"));
            names.zip(tensors.iter().map(Tensor::shallow_clone)).collect()
        };
        let state = under("mean", &means).into_iter().chain(under("square", &squares)).collect();
        Self { weights: named.into_values().collect(), state, means, squares }
    }

    /// Step number `step`, from 1 on, down `loss`, a single number.
    pub fn step(&mut self, step: u64, loss: &Tensor, learning_rate: f64, weight_decay: f64) {
        let gradients = gradients(loss, &self.weights);
        let [mean_left, square_left] = [BETA1, BETA2].map(|beta| 1.0 - beta.powf(step as f64));
        let root = square_left.sqrt();
        no_grad(|| {
            let moments = self.means.iter_mut().zip(&mut self.squares);
            for ((weight, gradient), (mean, square)) in self.weights.iter_mut().zip(&gradients).zip(moments) {
                let _ = mean.lerp_(gradient, 1.0 - BETA1);
                let _ = square.lerp_(&gradient.square(), 1.0 - BETA2);
                // The paper's learning rate · (mean / mean_left) / (√square / root + ε), turned so that it is one division.
                let mut divisor = square.sqrt();
                divisor += EPSILON * root;
                divisor *= -mean_left / (learning_rate * root);
                *weight *= 1.0 - learning_rate * weight_decay;
                let _ = weight.addcdiv_(mean, &divisor);
            }
        });
    }

    /// Running means, by the names of their weights.
    pub fn state(&self) -> &Named {
        &self.state
    }
}
