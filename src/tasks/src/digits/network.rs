//! The network: one hidden layer of ReLU, softmax over the classes, trained by momentum SGD.
//!
//! The gradient is written out, on plain arrays: a training takes some ten milliseconds, and to load a library with
//! autograd would take ten times as long.
//! Notation: N images, I inputs, H hidden units, C classes.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array, Array1, Array2, ArrayView2, Axis, Dimension, Ix1, Ix2, Zip};
use serde::{Deserialize, Serialize};
use tuning::Random;

use crate::classification::Sgd;

/// Weights and their velocities.
#[derive(Serialize, Deserialize)]
pub struct Network {
    hidden: Layer,
    output: Layer,
}

#[derive(Serialize, Deserialize)]
struct Layer {
    weight: Parameter<Ix2>, // (in, out)
    bias: Parameter<Ix1>,   // (out)
}

#[derive(Serialize, Deserialize)]
#[serde(bound = "D: Dimension + Serialize + serde::de::DeserializeOwned")]
struct Parameter<D: Dimension> {
    value: Array<f32, D>,
    velocity: Array<f32, D>,
}

impl Network {
    /// Weights uniform within ±√(6 / inputs) and ±√(3 / hidden units), biases 0.
    pub fn new(inputs: usize, hidden: usize, classes: usize, random: &mut Random) -> Self {
        Self {
            hidden: Layer::new(inputs, hidden, (6.0 / inputs as f64).sqrt(), random),
            output: Layer::new(hidden, classes, (3.0 / hidden as f64).sqrt(), random),
        }
    }

    /// (inputs, hidden units, classes).
    pub fn shape(&self) -> (usize, usize, usize) {
        let (inputs, hidden) = self.hidden.weight.value.dim();
        (inputs, hidden, self.output.weight.value.ncols())
    }

    /// images: (N, I) -> log-probabilities (N, C).
    pub fn forward(&self, images: &ArrayView2<f32>) -> Array2<f32> {
        let active = relu(self.hidden.forward(images)); // (N, H)
        log_softmax(self.output.forward(&active.view()))
    }

    /// One step down the mean cross-entropy of a batch. images: (N, I), labels: (N) -> log-probabilities (N, C) before
    /// the step.
    pub fn step(&mut self, images: &ArrayView2<f32>, labels: &[u8], with: &Sgd) -> Array2<f32> {
        let active = relu(self.hidden.forward(images)); // (N, H)
        let log_probabilities = log_softmax(self.output.forward(&active.view())); // (N, C)
        let mut d_output = log_probabilities.mapv(f32::exp); // (N, C)
        for (mut row, label) in d_output.rows_mut().into_iter().zip(labels) {
            row[usize::from(*label)] -= 1.0;
        }
        d_output /= labels.len() as f32;
        let mut d_hidden = d_output.dot(&self.output.weight.value.t()); // (N, H)
        Zip::from(&mut d_hidden).and(&active).for_each(|d, active| *d = if *active > 0.0 { *d } else { 0.0 });
        self.output.descend(&active.view(), &d_output, with);
        self.hidden.descend(images, &d_hidden, with);
        log_probabilities
    }
}

impl Layer {
    fn new(inputs: usize, outputs: usize, bound: f64, random: &mut Random) -> Self {
        let weight =
            Array2::from_shape_simple_fn((inputs, outputs), || (bound * (2.0 * random.uniform() - 1.0)) as f32);
        Self { weight: Parameter::new(weight), bias: Parameter::new(Array1::zeros(outputs)) }
    }

    /// x: (N, in) -> (N, out).
    fn forward(&self, x: &ArrayView2<f32>) -> Array2<f32> {
        x.dot(&self.weight.value) + &self.bias.value
    }

    /// x: (N, in), what came in; gradient: (N, out), of the loss by what went out. Biases do not decay.
    fn descend(&mut self, x: &ArrayView2<f32>, gradient: &Array2<f32>, with: &Sgd) {
        let [rate, momentum, decay] = [with.learning_rate, with.momentum, with.weight_decay].map(|x| x as f32);
        let Parameter { value, velocity } = &mut self.weight;
        general_mat_mul(1.0, &x.t(), gradient, momentum, velocity);
        Zip::from(&mut *value).and(velocity).for_each(|value, velocity| {
            *velocity += decay * *value;
            *value -= rate * *velocity;
        });
        let Parameter { value, velocity } = &mut self.bias;
        *velocity *= momentum;
        *velocity += &gradient.sum_axis(Axis(0));
        value.scaled_add(-rate, velocity);
    }
}

impl<D: Dimension> Parameter<D> {
    fn new(value: Array<f32, D>) -> Self {
        Self { velocity: Array::zeros(value.raw_dim()), value }
    }
}

/// NaN stays NaN, which `max` would hide.
fn relu(mut x: Array2<f32>) -> Array2<f32> {
    x.mapv_inplace(|x| if x < 0.0 { 0.0 } else { x });
    x
}

/// Along each row.
fn log_softmax(mut logits: Array2<f32>) -> Array2<f32> {
    for mut row in logits.rows_mut() {
        let top = row.fold(f32::NEG_INFINITY, |top, x| top.max(*x));
        let total = row.fold(0.0, |total, x| total + (x - top).exp()).ln();
        row.mapv_inplace(|x| x - top - total);
    }
    logits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uniform(shape: (usize, usize), random: &mut Random) -> Array2<f32> {
        Array2::from_shape_simple_fn(shape, || random.uniform() as f32 * 2.0 - 1.0)
    }

    fn loss(network: &Network, images: &Array2<f32>, labels: &[u8]) -> f64 {
        let log_probabilities = network.forward(&images.view());
        let of_row = |(row, label): (usize, &u8)| -f64::from(log_probabilities[[row, usize::from(*label)]]);
        labels.iter().enumerate().map(of_row).sum::<f64>() / labels.len() as f64
    }

    /// How the loss changes where the parameter that `pick` names grows a little, by central differences.
    fn slope(network: &mut Network, pick: fn(&mut Network) -> &mut f32, images: &Array2<f32>, labels: &[u8]) -> f64 {
        const STEP: f32 = 1e-2;
        let value = *pick(network);
        let mut at = |x: f32| {
            *pick(network) = x;
            loss(network, images, labels)
        };
        let slope = (at(value + STEP) - at(value - STEP)) / f64::from(2.0 * STEP);
        *pick(network) = value;
        slope
    }

    #[test]
    fn a_step_goes_down_the_slope_of_the_loss_for_weights_and_biases_of_both_layers() {
        let mut random = Random::stream(5, &[]);
        let (images, labels) = (uniform((7, 6), &mut random), [0, 1, 2, 3, 0, 1, 2]);
        let parameters: [fn(&mut Network) -> &mut f32; 4] = [
            |n| &mut n.hidden.weight.value[[2, 3]],
            |n| &mut n.hidden.bias.value[3],
            |n| &mut n.output.weight.value[[3, 1]],
            |n| &mut n.output.bias.value[1],
        ];
        let plain = Sgd { learning_rate: 1.0, momentum: 0.0, weight_decay: 0.0 };
        for pick in parameters {
            let mut network = Network::new(6, 16, 4, &mut Random::stream(6, &[]));
            let expected = slope(&mut network, pick, &images, &labels);
            let before = *pick(&mut network);
            let _ = network.step(&images.view(), &labels, &plain);
            let moved = f64::from(before - *pick(&mut network));
            assert!((moved - expected).abs() < 1e-3 * (1.0 + expected.abs()), "{moved} is not {expected}");
        }
    }

    #[test]
    fn velocity_is_kept_by_momentum_and_weights_decay_but_biases_do_not() {
        let (images, labels) = (uniform((4, 3), &mut Random::stream(1, &[])), [0, 1, 0, 1]);
        let gradient = |network: &Network| {
            let mut copy = Network::new(3, 5, 2, &mut Random::stream(2, &[]));
            copy.hidden.weight.value.assign(&network.hidden.weight.value);
            copy.hidden.bias.value.assign(&network.hidden.bias.value);
            copy.output.weight.value.assign(&network.output.weight.value);
            copy.output.bias.value.assign(&network.output.bias.value);
            let plain = Sgd { learning_rate: 0.0, momentum: 0.0, weight_decay: 0.0 };
            let _ = copy.step(&images.view(), &labels, &plain);
            (copy.hidden.weight.velocity[[1, 2]], copy.output.bias.velocity[1])
        };
        let with = Sgd { learning_rate: 0.3, momentum: 0.8, weight_decay: 0.05 };
        let mut network = Network::new(3, 5, 2, &mut Random::stream(2, &[]));
        let (mut weight, mut bias) = (network.hidden.weight.value[[1, 2]], 0.0);
        let (mut of_weight, mut of_bias) = (0.0, 0.0);
        for _ in 0..5 {
            let (d_weight, d_bias) = gradient(&network);
            of_weight = 0.8 * of_weight + d_weight + 0.05 * weight;
            of_bias = 0.8 * of_bias + d_bias;
            (weight, bias) = (weight - 0.3 * of_weight, bias - 0.3 * of_bias);
            let _ = network.step(&images.view(), &labels, &with);
            assert!((network.hidden.weight.value[[1, 2]] - weight).abs() < 1e-5);
            assert!((network.output.bias.value[1] - bias).abs() < 1e-5);
        }
    }

    #[test]
    fn the_start_is_within_its_bounds_and_fills_them() {
        let network = Network::new(64, 128, 10, &mut Random::stream(1, &[]));
        for (layer, bound) in [(&network.hidden, 6.0 / 64.0), (&network.output, 3.0 / 128.0)] {
            let largest = layer.weight.value.iter().fold(0.0, |largest: f64, x| largest.max(f64::from(x.abs())));
            assert!(largest <= f64::sqrt(bound) && largest > 0.99 * f64::sqrt(bound), "{largest}");
            assert!(layer.bias.value.iter().all(|x| *x == 0.0));
        }
    }
}
