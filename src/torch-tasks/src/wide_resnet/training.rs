//! One training: SGD with momentum, the order of its batches, and what is measured.

use std::path::Path;

use anyhow::Result;
use clap::{Args, value_parser};
use serde_json::json;
use tasks::checkpoints;
use tasks::classification::{Measured, Passes, Sgd, metrics};
use tasks::contract::Values;
use tasks::trainer::{Divergence, Training};
use tch::{Kind, Tensor, no_grad};
use tuning::Random;

use super::augmentation::augmented;
use super::network::WideResNet;
use crate::checkpoint::{self, Common};
use crate::images::{Data, Split};
use crate::optimizers::Momentum;

// Streams of the trajectory's seed.
const BATCHES: u64 = 1;
const AUGMENTATION: u64 = 2;
// Files of a checkpoint.
const WEIGHTS: &str = "weights.safetensors";
const VELOCITIES: &str = "velocities.safetensors";
/// Images that are measured at once.
const EVALUATED_AT_ONCE: i64 = 500;

/// Budget of a training.
#[derive(Args, Clone, Debug)]
pub struct TrainingOptions {
    /// Steps of SGD in an env step
    #[arg(long, env = "WRN_STEPS_PER_ENV_STEP", default_value_t = 100, value_parser = value_parser!(u32).range(1..))]
    pub steps_per_env_step: u32,
    /// Images in a batch
    #[arg(long, env = "WRN_BATCH_SIZE", default_value_t = 256, value_parser = value_parser!(u32).range(1..))]
    pub batch_size: u32,
    /// Batches of each split that metrics are measured on [default: all of validation and test]
    #[arg(long, env = "WRN_EVALUATION_BATCHES", value_parser = value_parser!(u32).range(1..))]
    pub evaluation_batches: Option<u32>,
    /// Leave training images as they are, instead of moving and mirroring them
    #[arg(long, env = "WRN_NO_AUGMENTATION")]
    pub no_augmentation: bool,
}

/// What can be steered. The flags hold for what nobody steers.
#[derive(Args, Clone, Copy, Debug)]
pub struct Hyperparameters {
    /// Learning rate of SGD
    #[arg(long, env = "WRN_LEARNING_RATE", default_value_t = 0.1)]
    pub learning_rate: f64,
    /// Share of the velocity that is kept in each step
    #[arg(long, env = "WRN_MOMENTUM", default_value_t = 0.9)]
    pub momentum: f64,
    /// Weight decay, added to the gradient of every weight
    #[arg(long, env = "WRN_WEIGHT_DECAY", default_value_t = 5e-4)]
    pub weight_decay: f64,
}

impl From<Hyperparameters> for Sgd {
    fn from(Hyperparameters { learning_rate, momentum, weight_decay }: Hyperparameters) -> Self {
        Self { learning_rate, momentum, weight_decay }
    }
}

/// A training under way.
pub struct WideResNetTraining<'a> {
    data: &'a Data,
    options: &'a TrainingOptions,
    same: Common,
    hyperparameters: Sgd,
    network: WideResNet,
    optimizer: Momentum,
    passes: Passes,
    augmentation: Random,
}

impl<'a> WideResNetTraining<'a> {
    /// A training before its first step; `seed` fixes the order of its batches and what is done to its images.
    ///
    /// # Errors
    /// If a batch is larger than what there is to train on.
    pub fn new(
        data: &'a Data,
        network: WideResNet,
        options: &'a TrainingOptions,
        hyperparameters: Sgd,
        seed: u64,
    ) -> Result<Self> {
        let passes = Passes::new(data.training.size() as usize, options.batch_size, Random::stream(seed, &[BATCHES]))?;
        let rows = data.training.size();
        let same = Common::new(&json!({"batch_size": options.batch_size, "rows": rows, "seed": seed}));
        let optimizer = Momentum::new(&network.weights);
        let augmentation = Random::stream(seed, &[AUGMENTATION]);
        Ok(Self { data, options, same, hyperparameters, network, optimizer, passes, augmentation })
    }

    /// Makes so many steps under the values in force. What is returned are means over the batches, each before its step, as they
    /// were moved and mirrored.
    pub fn train(&mut self, steps: u32) -> Measured {
        let sums = (0..steps).map(|_| self.step()).reduce(|(a, b), (c, d)| (a + c, b + d));
        let (loss, accuracy) = sums.expect("there is at least one step");
        let mean = |sum: Tensor| sum.double_value(&[]) / f64::from(steps);
        Measured { loss: mean(loss), accuracy: mean(accuracy) }
    }

    /// A step of SGD. Sums of loss and of right answers, still on the device: to ask for them would stop it.
    fn step(&mut self) -> (Tensor, Tensor) {
        let Split { images, labels } = self.data.training.rows(self.passes.next_batch());
        let images = if self.options.no_augmentation { images } else { augmented(&images, &mut self.augmentation) };
        let logits = self.network.forward(&self.data.standardised(&images, self.network.kind()), true);
        let loss = logits.cross_entropy_for_logits(&labels);
        self.optimizer.step(&loss, &self.hyperparameters);
        (loss.detach(), right(&logits, &labels) / labels.size()[0] as f64)
    }

    fn measured(&self, split: &Split) -> Measured {
        let images = self
            .options
            .evaluation_batches
            .map_or(split.size(), |batches| i64::from(batches * self.options.batch_size));
        let part = split.first(images);
        let count = part.size();
        let chunks = (count + EVALUATED_AT_ONCE - 1) / EVALUATED_AT_ONCE;
        let pairs = part.images.chunk(chunks, 0).into_iter().zip(part.labels.chunk(chunks, 0));
        let sums = no_grad(|| {
            let of_chunk = |(images, labels): (Tensor, Tensor)| {
                let logits = self.network.forward(&self.data.standardised(&images, self.network.kind()), false);
                let loss = logits.cross_entropy_for_logits(&labels) * labels.size()[0] as f64;
                Tensor::stack(&[loss, right(&logits, &labels)], 0)
            };
            pairs.map(of_chunk).reduce(|a, b| a + b)
        });
        let sums = sums.expect("a split is never empty") / count as f64;
        Measured { loss: sums.double_value(&[0]), accuracy: sums.double_value(&[1]) }
    }

    fn metrics(&self, training: Measured) -> Result<Values, Divergence> {
        metrics(training, self.measured(&self.data.validation), self.measured(&self.data.test))
    }
}

impl Training for WideResNetTraining<'_> {
    fn hyperparameter(&mut self, name: &str) -> Option<&mut f64> {
        self.hyperparameters.get(name)
    }

    fn hyperparameters(&self) -> Vec<String> {
        Sgd::NAMES.map(str::to_owned).to_vec()
    }

    /// The training metrics are of as many images as validation has: of all of them it would take a pass.
    fn evaluate(&mut self) -> Result<Values, Divergence> {
        let training = self.measured(&self.data.training.first(self.data.validation.size()));
        self.metrics(training)
    }

    /// The training metrics are those of the training itself.
    fn env_step(&mut self) -> Result<Values, Divergence> {
        let training = self.train(self.options.steps_per_env_step);
        self.metrics(training)
    }

    fn save(&self, folder: &Path) -> Result<()> {
        checkpoint::write(&folder.join(WEIGHTS), &checkpoint::all(&self.network.weights))?;
        checkpoint::write(&folder.join(VELOCITIES), self.optimizer.state())?;
        checkpoints::write(folder, &(&self.same, &self.passes, &self.augmentation))
    }

    fn restore(&mut self, folder: &Path) -> Result<()> {
        let (found, passes, augmentation): (Common, Passes, Random) = checkpoints::read(folder)?;
        self.same.check(&found)?;
        self.passes.go_on(passes)?;
        checkpoint::read(&folder.join(WEIGHTS), &checkpoint::all(&self.network.weights))?;
        checkpoint::read(&folder.join(VELOCITIES), self.optimizer.state())?;
        self.augmentation = augmentation;
        Ok(())
    }
}

/// How many answers are right, in single precision. logits: (B, classes), labels: (B).
fn right(logits: &Tensor, labels: &Tensor) -> Tensor {
    logits.argmax(1, false).eq_tensor(labels).sum(Kind::Float)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
