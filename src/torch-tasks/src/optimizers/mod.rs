//! Optimizers whose state can be kept and brought back, which those of tch do not let out.

mod adafactor;
mod adamw;
mod momentum;

use tch::Tensor;
use tch::nn::VarStore;

use crate::checkpoint::Named;

pub use adafactor::Adafactor;
pub use adamw::AdamW;
pub use momentum::Momentum;

/// All of `weights` that can be trained, by name.
fn trainable(weights: &VarStore) -> Named {
    weights.variables().into_iter().filter(|(_, weight)| weight.requires_grad()).collect()
}

/// The gradient of `loss`, a single number, by each of `weights`, all of which it depends on.
fn gradients(loss: &Tensor, weights: &[Tensor]) -> Vec<Tensor> {
    Tensor::run_backward(&[loss], weights, false, false)
}

#[cfg(test)]
mod tests;
