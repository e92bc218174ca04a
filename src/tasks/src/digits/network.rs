//! The network: one hidden layer of ReLU, softmax over the classes, trained by momentum SGD.
//!
//! The gradient is written out, since autograd's bookkeeping would cost more than these small matrices.
//! Notation: N images, I inputs, H hidden units, C classes.

use tch::{Kind, Tensor};
use tuning::Random;

use crate::training::Hyperparameters;

/// Weights and their velocities.
pub struct Network {
    hidden: Layer,
    output: Layer,
}

struct Layer {
    weight: Parameter, // (in, out)
    bias: Parameter,   // (out)
}

struct Parameter {
    value: Tensor,
    velocity: Tensor,
}

impl Network {
    /// Weights uniform within ±√(6 / inputs) and ±√(3 / hidden units), biases 0.
    pub fn new(inputs: usize, hidden: usize, classes: usize, random: &mut Random) -> Self {
        Self {
            hidden: Layer::new(inputs, hidden, (6.0 / inputs as f64).sqrt(), random),
            output: Layer::new(hidden, classes, (3.0 / hidden as f64).sqrt(), random),
        }
    }

    /// images: (N, I) -> log-probabilities (N, C).
    pub fn forward(&self, images: &Tensor) -> Tensor {
        self.output.forward(&self.hidden.forward(images).relu()).log_softmax(-1, Kind::Float)
    }

    /// One step down the mean cross-entropy of a batch. images: (N, I), targets: (N, C) -> log-probabilities (N, C)
    /// before the step.
    pub fn step(&mut self, images: &Tensor, targets: &Tensor, hyperparameters: &Hyperparameters) -> Tensor {
        let active = self.hidden.forward(images).relu(); // (N, H)
        let log_probabilities = self.output.forward(&active).log_softmax(-1, Kind::Float); // (N, C)
        let d_output = (log_probabilities.exp() - targets) / targets.size()[0] as f64; // (N, C)
        let d_active = d_output.mm(&self.output.weight.value.tr()); // (N, H)
        let d_hidden = active.threshold_backward(&d_active, 0.0); // (N, H)
        self.output.descend(&active, &d_output, hyperparameters);
        self.hidden.descend(images, &d_hidden, hyperparameters);
        log_probabilities
    }
}

impl Layer {
    fn new(inputs: usize, outputs: usize, bound: f64, random: &mut Random) -> Self {
        let weight: Vec<f32> = (0..inputs * outputs).map(|_| (bound * (2.0 * random.uniform() - 1.0)) as f32).collect();
        Self {
            weight: Parameter::new(Tensor::from_slice(&weight).view([inputs as i64, outputs as i64])),
            bias: Parameter::new(Tensor::from_slice(&vec![0.0_f32; outputs])),
        }
    }

    /// x: (N, in) -> (N, out).
    fn forward(&self, x: &Tensor) -> Tensor {
        self.bias.value.addmm(x, &self.weight.value)
    }

    /// x: (N, in), what came in; gradient: (N, out), of the loss by what went out. Biases do not decay.
    fn descend(&mut self, x: &Tensor, gradient: &Tensor, hyperparameters: &Hyperparameters) {
        let Hyperparameters { learning_rate, momentum, weight_decay } = *hyperparameters;
        let Parameter { value, velocity } = &mut self.weight;
        *velocity *= momentum;
        let _ = velocity.addmm_(&x.tr(), gradient);
        *velocity += &*value * weight_decay;
        *value -= &*velocity * learning_rate;
        let Parameter { value, velocity } = &mut self.bias;
        *velocity *= momentum;
        *velocity += gradient.sum_dim_intlist(0, false, Kind::Float);
        *value -= &*velocity * learning_rate;
    }
}

impl Parameter {
    fn new(value: Tensor) -> Self {
        Self { velocity: value.zeros_like(), value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uniform(shape: [i64; 2], random: &mut Random) -> Tensor {
        let values: Vec<f32> = (0..shape[0] * shape[1]).map(|_| random.uniform() as f32 * 2.0 - 1.0).collect();
        Tensor::from_slice(&values).view(shape)
    }

    /// The same steps with gradients by autograd.
    fn autograd_step(parameters: &mut [Parameter; 4], images: &Tensor, labels: &Tensor, with: &Hyperparameters) {
        let leaves: Vec<Tensor> = parameters.iter().map(|p| p.value.detach().copy().set_requires_grad(true)).collect();
        let hidden = (images.mm(&leaves[0]) + &leaves[1]).relu();
        let logits = hidden.mm(&leaves[2]) + &leaves[3];
        let gradients = Tensor::run_backward(&[logits.cross_entropy_for_logits(labels)], &leaves, false, false);
        for ((parameter, mut gradient), decays) in parameters.iter_mut().zip(gradients).zip([true, false, true, false])
        {
            if decays {
                gradient += &parameter.value * with.weight_decay;
            }
            parameter.velocity = &parameter.velocity * with.momentum + gradient;
            parameter.value = &parameter.value - &parameter.velocity * with.learning_rate;
        }
    }

    #[test]
    fn steps_agree_with_autograd() {
        let mut random = Random::stream(5, &[]);
        let mut network = Network::new(6, 16, 4, &mut random);
        let copy = |p: &Parameter| Parameter::new(p.value.copy());
        let Network { hidden, output } = &network;
        let mut oracle = [copy(&hidden.weight), copy(&hidden.bias), copy(&output.weight), copy(&output.bias)];
        let with = Hyperparameters { learning_rate: 0.3, momentum: 0.8, weight_decay: 0.05 };
        for _ in 0..20 {
            let images = uniform([7, 6], &mut random);
            let labels = Tensor::from_slice(&(0..7).map(|_| random.below(4) as i64).collect::<Vec<_>>());
            autograd_step(&mut oracle, &images, &labels, &with);
            let _ = network.step(&images, &labels.one_hot(4).to_kind(Kind::Float), &with);
        }
        let Network { hidden, output } = &network;
        for (ours, theirs) in [&hidden.weight, &hidden.bias, &output.weight, &output.bias].into_iter().zip(&oracle) {
            let gap = (&ours.value - &theirs.value).abs().max().double_value(&[]);
            assert!(gap < 1e-5, "{gap}");
        }
    }

    #[test]
    fn the_start_is_within_its_bounds_and_fills_them() {
        let network = Network::new(64, 128, 10, &mut Random::stream(1, &[]));
        for (layer, bound) in [(&network.hidden, 6.0 / 64.0), (&network.output, 3.0 / 128.0)] {
            let largest = layer.weight.value.abs().max().double_value(&[]);
            assert!(largest <= f64::sqrt(bound) && largest > 0.99 * f64::sqrt(bound), "{largest}");
            assert_eq!(layer.bias.value.abs().max().double_value(&[]), 0.0);
        }
    }
}
