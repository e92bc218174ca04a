//! An analytic training: stochastic gradient descent on a noisy quadratic whose best schedule is known.
//!
//! The noisy quadratic model (Schaul, Zhang and LeCun 2013; Wu et al. 2018, "Understanding short-horizon bias"):
//! the loss is `h/2 · mean θ²` over D coordinates, of which gradients `h · (θ − ξ)` with `ξ ~ N(0, σ²)` are seen.
//! One env step is one step of gradient descent with learning rate α. Starting from `θ ~ N(0, d²)`, each coordinate
//! stays normal under any schedule fixed beforehand, with variance
//!
//! ```text
//! A ← (1 − αh)² A + (αh)² σ²,   smallest at   αh = A / (A + σ²),   where   1/A grows by 1/σ².
//! ```
//!
//! The smaller A now, the smaller it can be later, so greedy is best: the best schedule starts near 1/h and falls like
//! 1/(h·t). No constant comes near, since one fast enough to arrive stops at a noise floor of `αh σ² / (2 − αh)`;
//! αh > 2 diverges. A policy that sees the loss may do a little better than any schedule fixed beforehand.

use std::path::Path;

use clap::Args;
use tuning::Random;

use crate::checkpoints;
use crate::contract::Values;
use crate::trainer::{Divergence, Training};

/// The score is 1/2 where the mean square of the coordinates is one over this.
const SHARPNESS: f64 = 4.0;

/// A training whose loss passes this multiple of the expected starting loss has diverged.
const HOPELESS: f64 = 1e4;

const START: u64 = 0;
const NOISE: u64 = 1;

/// A family of trainings, one for each seed.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Quadratic {
    /// Curvature h of the loss; good learning rates are inversely proportional to it
    #[arg(long, env = "CURVES_CURVATURE", default_value_t = 1.0, value_parser = positive)]
    pub curvature: f64,
    /// Standard deviation σ of the minimum that each gradient sees
    #[arg(long, env = "CURVES_NOISE", default_value_t = 1.0, value_parser = positive)]
    pub noise: f64,
    /// Standard deviation d of the coordinates before training
    #[arg(long, env = "CURVES_DISTANCE", default_value_t = 10.0, value_parser = positive)]
    pub distance: f64,
    /// Number D of coordinates; the more, the less trainings of the same schedule differ
    #[arg(long, env = "CURVES_COORDINATES", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub coordinates: u32,
}

impl Default for Quadratic {
    fn default() -> Self {
        Self { curvature: 1.0, noise: 1.0, distance: 10.0, coordinates: 32 }
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if f64::is_finite(value) && value > 0.0 => Ok(value),
        _ => Err("expected a finite number above 0".to_owned()),
    }
}

impl Quadratic {
    /// The learning rates that give the smallest expected loss, and the highest expected score, after `env_steps`.
    pub fn optimal_schedule(&self, env_steps: u32) -> Vec<f64> {
        let mut square = self.distance.powi(2);
        let mut best = || {
            let rate = square / (square + self.noise.powi(2)) / self.curvature;
            square = self.next_square(square, rate);
            rate
        };
        (0..env_steps).map(|_| best()).collect()
    }

    /// Expectation of [`CurveMetrics::loss`] after training with these learning rates, exactly.
    pub fn expected_loss(&self, learning_rates: &[f64]) -> f64 {
        self.curvature / 2.0 * self.expected_square(learning_rates)
    }

    /// Expectation of [`CurveMetrics::score`] after training with these learning rates, by quadrature (error < 1e-6
    /// from 4 coordinates): the mean square is the expected one times a gamma variable of shape D/2 and mean 1.
    pub fn expected_score(&self, learning_rates: &[f64]) -> f64 {
        let square = self.expected_square(learning_rates);
        let shape = f64::from(self.coordinates) / 2.0;
        let (mut total, mut weights) = (0.0, 0.0);
        for point in -1000..=1000 {
            // Over the logarithm of the gamma variable, twelve standard deviations to each side.
            let log = f64::from(point) / 1000.0 * 12.0 / shape.sqrt();
            let weight = (shape * (log + 1.0 - log.exp())).exp();
            weights += weight;
            total += weight * score(square * log.exp());
        }
        total / weights
    }

    fn expected_square(&self, learning_rates: &[f64]) -> f64 {
        learning_rates.iter().fold(self.distance.powi(2), |square, rate| self.next_square(square, *rate))
    }

    fn next_square(&self, square: f64, rate: f64) -> f64 {
        let stride = rate * self.curvature;
        (1.0 - stride).powi(2) * square + (stride * self.noise).powi(2)
    }
}

/// Of a mean square in [0, ∞], in [0, 1].
fn score(square: f64) -> f64 {
    1.0 / (1.0 + SHARPNESS * square)
}

/// What is measured after an env step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurveMetrics {
    /// Loss without the gradients' noise, at least 0.
    pub loss: f64,
    /// Grows from near 0 to at most 1 as the loss falls, on the same scale for every curvature.
    pub score: f64,
}

/// One training, fixed by its seed and its learning rates.
#[derive(Clone, Debug)]
pub struct Curve {
    quadratic: Quadratic,
    coordinates: Vec<f64>,
    noise: Random,
    learning_rate: f64,
}

impl Curve {
    /// A training before its first env step. `learning_rate` is what [`Training::env_step`] uses until it is set.
    pub fn new(quadratic: Quadratic, seed: u64, learning_rate: f64) -> Self {
        let mut start = Random::stream(seed, &[START]);
        let coordinates = (0..quadratic.coordinates).map(|_| quadratic.distance * start.normal()).collect();
        Self { quadratic, coordinates, noise: Random::stream(seed, &[NOISE]), learning_rate }
    }

    /// The metrics as things stand.
    pub fn evaluate(&self) -> CurveMetrics {
        let square = self.coordinates.iter().map(|x| x * x).sum::<f64>() / self.coordinates.len() as f64;
        CurveMetrics { loss: self.quadratic.curvature / 2.0 * square, score: score(square) }
    }

    /// Trains one env step.
    pub fn train(&mut self, learning_rate: f64) {
        let stride = learning_rate * self.quadratic.curvature;
        for x in &mut self.coordinates {
            *x -= stride * (*x - self.quadratic.noise * self.noise.normal());
        }
    }

    /// Whether the loss is not a number any more, or beyond hope.
    pub fn diverged(&self) -> bool {
        let loss = self.evaluate().loss;
        loss.is_nan() || loss > HOPELESS * self.quadratic.expected_loss(&[])
    }

    fn measured(&self) -> Result<Values, Divergence> {
        let CurveMetrics { loss, score } = self.evaluate();
        match self.diverged() {
            true => Err(format!("loss is {loss:e}")),
            false => Ok(Values::from([("loss".to_owned(), loss), ("score".to_owned(), score)])),
        }
    }
}

impl Training for Curve {
    fn hyperparameter(&mut self, name: &str) -> Option<&mut f64> {
        (name == "learning_rate").then_some(&mut self.learning_rate)
    }

    fn hyperparameters(&self) -> Vec<String> {
        vec!["learning_rate".to_owned()]
    }

    fn evaluate(&mut self) -> Result<Values, Divergence> {
        self.measured()
    }

    fn env_step(&mut self) -> Result<Values, Divergence> {
        self.train(self.learning_rate);
        self.measured()
    }

    fn save(&self, folder: &Path) -> anyhow::Result<()> {
        checkpoints::write(folder, &(&self.coordinates, &self.noise))
    }

    fn restore(&mut self, folder: &Path) -> anyhow::Result<()> {
        let (coordinates, noise): (Vec<f64>, Random) = checkpoints::read(folder)?;
        let (found, expected) = (coordinates.len(), self.coordinates.len());
        anyhow::ensure!(found == expected, "it has {found} coordinates, expected {expected}");
        (self.coordinates, self.noise) = (coordinates, noise);
        Ok(())
    }
}

#[cfg(test)]
#[path = "curves_tests.rs"]
mod tests;
