//! Adam (Kingma and Ba 2015) with a state that can be saved, which libtorch's cannot from Rust.

use tch::{Device, Kind, Tensor, no_grad};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
/// As in the talk's code (trax) and most implementations of PPO: steps stay small where gradients all but vanish.
const EPSILON: f64 = 1e-5;

/// Moments of the gradients of N weights.
#[derive(Debug)]
pub(crate) struct Adam {
    /// Running mean of the gradients, (N).
    pub(crate) mean: Tensor,
    /// Running mean of their squares, (N).
    pub(crate) square: Tensor,
    /// Steps made since the start.
    pub(crate) steps: u64,
}

impl Adam {
    pub(crate) fn new(weights: usize, device: Device) -> Self {
        let zeros = || Tensor::zeros([weights as i64], (Kind::Float, device));
        Self { mean: zeros(), square: zeros(), steps: 0 }
    }

    /// Moves `weights` (N) against `gradient` (N), by about `learning_rate` times its entry of `rates` (N) each.
    pub(crate) fn step(&mut self, weights: &mut Tensor, gradient: &Tensor, learning_rate: f64, rates: &Tensor) {
        self.steps += 1;
        let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let (mean_scale, square_scale) = (1.0 - BETA1.powi(steps), 1.0 - BETA2.powi(steps));
        no_grad(|| {
            let _ = self.mean.lerp_(gradient, 1.0 - BETA1);
            let _ = self.square.lerp_(&(gradient * gradient), 1.0 - BETA2);
            let spread = (&self.square / square_scale).sqrt_() + EPSILON;
            let _ = weights.g_sub_(&((&self.mean / spread) * rates * (learning_rate / mean_scale)));
        });
    }

    /// A copy that shares no memory.
    pub(crate) fn copy(&self) -> Self {
        Self { mean: self.mean.copy(), square: self.square.copy(), steps: self.steps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::to_vec;

    /// The paper's Algorithm 1 on one number.
    fn by_hand(gradients: &[f64], learning_rate: f64) -> f64 {
        let (mut weight, mut m, mut v) = (1.0, 0.0, 0.0);
        for (t, g) in (1..).zip(gradients) {
            m = BETA1 * m + (1.0 - BETA1) * g;
            v = BETA2 * v + (1.0 - BETA2) * g * g;
            let (mean, square) = (m / (1.0 - BETA1.powi(t)), v / (1.0 - BETA2.powi(t)));
            weight -= learning_rate * mean / (square.sqrt() + EPSILON);
        }
        weight
    }

    #[test]
    fn each_step_is_the_papers() {
        let (mut weights, rates) = (Tensor::from_slice(&[1_f32, 1.0]), Tensor::from_slice(&[1_f32, 0.3]));
        let mut adam = Adam::new(2, Device::Cpu);
        let gradients = [[0.3, -4.0], [-0.1, 0.0], [2.0, 1e-6]];
        for gradient in gradients {
            adam.step(&mut weights, &Tensor::from_slice(&gradient.map(|g| g as f32)), 0.05, &rates);
        }
        for (place, weight) in to_vec(&weights).into_iter().enumerate() {
            let expected = by_hand(&gradients.map(|g| g[place]), 0.05 * [1.0, 0.3][place]);
            assert!((f64::from(weight) - expected).abs() < 1e-6, "{weight} is not {expected}");
        }
    }

    #[test]
    fn a_copy_does_not_follow() {
        let mut adam = Adam::new(1, Device::Cpu);
        let copy = adam.copy();
        adam.step(&mut Tensor::from_slice(&[0_f32]), &Tensor::from_slice(&[1_f32]), 0.1, &Tensor::from_slice(&[1_f32]));
        assert_eq!((to_vec(&copy.mean), copy.steps), (vec![0.0], 0));
        assert_ne!(to_vec(&adam.mean), vec![0.0]);
    }
}
