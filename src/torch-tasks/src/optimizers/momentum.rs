//! SGD with momentum (Sutskever et al. 2013, as PyTorch has it: the learning rate is not within the velocity).

use tasks::classification::Sgd;
use tch::{Tensor, nn::VarStore, no_grad};

use super::{gradients, trainable};
use crate::checkpoint::Named;

/// The velocity of each weight.
pub struct Momentum {
    weights: Vec<Tensor>,
    velocities: Named,
}

impl Momentum {
    /// Of all that can be trained in `weights`, at rest.
    pub fn new(weights: &VarStore) -> Self {
        let named = trainable(weights);
        let velocities = named.iter().map(|(name, weight)| (name.clone(), weight.zeros_like())).collect();
        Self { weights: named.into_values().collect(), velocities }
    }

    /// One step down `loss`, a single number.
    pub fn step(&mut self, loss: &Tensor, with: &Sgd) {
        let gradients = gradients(loss, &self.weights);
        no_grad(|| {
            let weights = self.weights.iter_mut().zip(gradients);
            for ((weight, gradient), velocity) in weights.zip(self.velocities.values_mut()) {
                *velocity *= with.momentum;
                *velocity += gradient + with.weight_decay * &*weight;
                *weight -= with.learning_rate * &*velocity;
            }
        });
    }

    /// Velocities by the names of their weights.
    pub fn state(&self) -> &Named {
        &self.velocities
    }
}
