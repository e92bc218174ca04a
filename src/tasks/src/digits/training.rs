//! One training: the network, the order of its batches, and what is measured.

use std::path::Path;

use crate::checkpoints;
use crate::classification::{Measured, Passes, Sgd, metrics};
use crate::contract::Values;
use crate::trainer::{Divergence, Training};
use anyhow::{Result, ensure};
use clap::{Args, value_parser};
use ndarray::{Array2, Axis, concatenate};
use tuning::Random;

use super::data::{CLASSES, Data, Split};
use super::network::Network;

// Streams of the trajectory's seed.
const WEIGHTS: u64 = 0;
const BATCHES: u64 = 1;

/// Budget and size of a training.
#[derive(Args, Clone, Debug)]
pub struct TrainingOptions {
    /// Steps of SGD in an env step
    #[arg(long, env = "DIGITS_STEPS_PER_ENV_STEP", default_value_t = 10, value_parser = value_parser!(u32).range(1..))]
    pub steps_per_env_step: u32,
    /// Images in a batch
    #[arg(long, env = "DIGITS_BATCH_SIZE", default_value_t = 8, value_parser = value_parser!(u32).range(1..))]
    pub batch_size: u32,
    /// Hidden units
    #[arg(long, env = "DIGITS_WIDTH", default_value_t = 128, value_parser = value_parser!(u32).range(1..))]
    pub width: u32,
}

/// What can be steered. The flags hold for what nobody steers.
#[derive(Args, Clone, Copy, Debug)]
pub struct Hyperparameters {
    /// Learning rate of SGD
    #[arg(long, env = "DIGITS_LEARNING_RATE", default_value_t = 1e-2)]
    pub learning_rate: f64,
    /// Share of the velocity that is kept in each step
    #[arg(long, env = "DIGITS_MOMENTUM", default_value_t = 0.9)]
    pub momentum: f64,
    /// Weight decay, added to the gradient; biases have none
    #[arg(long, env = "DIGITS_WEIGHT_DECAY", default_value_t = 1e-3)]
    pub weight_decay: f64,
}

impl From<Hyperparameters> for Sgd {
    fn from(Hyperparameters { learning_rate, momentum, weight_decay }: Hyperparameters) -> Self {
        Self { learning_rate, momentum, weight_decay }
    }
}

/// A training under way.
pub struct Digits<'a> {
    data: &'a Data,
    options: &'a TrainingOptions,
    hyperparameters: Sgd,
    network: Network,
    passes: Passes,
}

impl<'a> Digits<'a> {
    /// A training before its first step; `seed` fixes the weights it starts from and the order of its batches.
    pub fn new(data: &'a Data, options: &'a TrainingOptions, hyperparameters: Sgd, seed: u64) -> Result<Self> {
        let inputs = data.training.images.ncols();
        let width = options.width as usize;
        let network = Network::new(inputs, width, CLASSES, &mut Random::stream(seed, &[WEIGHTS]));
        let passes = Passes::new(data.training.size(), options.batch_size, Random::stream(seed, &[BATCHES]))?;
        Ok(Self { data, options, hyperparameters, network, passes })
    }

    /// Takes the place of the learning rate in force.
    pub fn set_learning_rate(&mut self, learning_rate: f64) {
        self.hyperparameters.learning_rate = learning_rate;
    }

    fn measure(&self, training: Measured) -> Result<Values, Divergence> {
        let on = |split: &Split| measured(&self.network.forward(&split.images.view()), &split.labels);
        metrics(training, on(&self.data.validation), on(&self.data.test))
    }
}

impl Training for Digits<'_> {
    fn hyperparameter(&mut self, name: &str) -> Option<&mut f64> {
        self.hyperparameters.get(name)
    }

    fn hyperparameters(&self) -> Vec<String> {
        Sgd::NAMES.map(str::to_owned).to_vec()
    }

    /// The training metrics are of the images that the first env step will train on, or all of them if it will go
    /// through more.
    fn evaluate(&mut self) -> Result<Values, Divergence> {
        let images = (self.options.steps_per_env_step * self.options.batch_size) as usize;
        let first = self.data.training.rows(self.passes.first(images));
        self.measure(measured(&self.network.forward(&first.images.view()), &first.labels))
    }

    /// The training metrics are running ones: of each batch just before the step that it makes.
    fn env_step(&mut self) -> Result<Values, Divergence> {
        let (mut steps, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..self.options.steps_per_env_step {
            let batch = self.data.training.rows(self.passes.next_batch());
            steps.push(self.network.step(&batch.images.view(), &batch.labels, &self.hyperparameters));
            labels.extend(batch.labels);
        }
        let views: Vec<_> = steps.iter().map(|step| step.view()).collect();
        let log_probabilities =
            concatenate(Axis(0), &views).expect("each has a row for an image and a column for a class");
        self.measure(measured(&log_probabilities, &labels))
    }

    fn save(&self, folder: &Path) -> Result<()> {
        checkpoints::write(folder, &(&self.network, &self.passes))
    }

    fn restore(&mut self, folder: &Path) -> Result<()> {
        let (network, passes): (Network, Passes) = checkpoints::read(folder)?;
        let [found, expected] = [&network, &self.network].map(Network::shape);
        ensure!(found == expected, "its network has (inputs, hidden units, classes) {found:?}, expected {expected:?}");
        self.passes.go_on(passes)?;
        self.network = network;
        Ok(())
    }
}

/// log_probabilities: (N, classes), labels: (N).
fn measured(log_probabilities: &Array2<f32>, labels: &[u8]) -> Measured {
    let (mut right, mut loss) = (0, 0.0);
    for (row, label) in log_probabilities.rows().into_iter().zip(labels) {
        let label = usize::from(*label);
        let top = row.fold(f32::NEG_INFINITY, |top, x| top.max(*x));
        // Among equals the first class is the answer.
        right += usize::from(row.iter().position(|x| *x == top) == Some(label));
        loss -= f64::from(row[label]);
    }
    let images = labels.len() as f64;
    Measured { accuracy: right as f64 / images, loss: loss / images }
}

#[cfg(test)]
#[path = "training_tests.rs"]
mod tests;
