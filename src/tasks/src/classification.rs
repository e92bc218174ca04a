//! What trainings of a classifier have in common: the order of their batches, and what is reported of them.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use tuning::Random;

use crate::contract::Values;
use crate::trainer::Divergence;

/// Accuracy in [0, 1] and mean cross-entropy in nats.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Share of the answers that are right.
    pub accuracy: f64,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
}

/// Metrics of the three splits, by name: `training_accuracy`, `training_loss` and so on.
///
/// # Errors
/// If a loss is no number any more.
pub fn metrics(training: Measured, validation: Measured, test: Measured) -> Result<Values, Divergence> {
    let mut metrics = Values::new();
    for (name, measured) in [("training", training), ("validation", validation), ("test", test)] {
        if !measured.loss.is_finite() {
            return Err(format!("{name}_loss is {}", measured.loss));
        }
        metrics.insert(format!("{name}_accuracy"), measured.accuracy);
        metrics.insert(format!("{name}_loss"), measured.loss);
    }
    Ok(metrics)
}

/// The hyperparameters of SGD with momentum, all of which can be steered.
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// Learning rate.
    pub learning_rate: f64,
    /// Share of the velocity that is kept in each step.
    pub momentum: f64,
    /// Weight decay, added to the gradient.
    pub weight_decay: f64,
}

impl Sgd {
    /// Their names.
    pub const NAMES: [&str; 3] = ["learning_rate", "momentum", "weight_decay"];

    /// One of them by its name.
    pub fn get(&mut self, name: &str) -> Option<&mut f64> {
        match name {
            "learning_rate" => Some(&mut self.learning_rate),
            "momentum" => Some(&mut self.momentum),
            "weight_decay" => Some(&mut self.weight_decay),
            _ => None,
        }
    }

    /// All of them, by name.
    pub fn values(&self) -> Values {
        let values = [self.learning_rate, self.momentum, self.weight_decay];
        Self::NAMES.map(str::to_owned).into_iter().zip(values).collect()
    }
}

/// Passes through the training images in batches, each in a new order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Passes {
    random: Random,
    batch: usize,
    order: Vec<usize>, // rows of this pass in their order
    used: usize,       // batches of this pass that are trained
}

impl Passes {
    /// Through `images` images, in batches of `batch`, as `random` draws.
    ///
    /// # Errors
    /// If they do not fill one batch.
    pub fn new(images: usize, batch: u32, mut random: Random) -> Result<Self> {
        let batch = batch as usize;
        ensure!(batch <= images, "batch size is {batch}, expected at most the {images} training images");
        let order = random.shuffled(images);
        Ok(Self { random, batch, order, used: 0 })
    }

    /// Rows of the next batch; what does not fill one is left over until the next pass.
    pub fn next_batch(&mut self) -> &[usize] {
        let images = self.order.len();
        if self.used == images / self.batch {
            self.order = self.random.shuffled(images);
            self.used = 0;
        }
        let rows = &self.order[self.used * self.batch..][..self.batch];
        self.used += 1;
        rows
    }

    /// Goes on where `kept` was.
    ///
    /// # Errors
    /// If that is of another number of images.
    pub fn go_on(&mut self, kept: Self) -> Result<()> {
        let [found, expected] = [&kept, &*self].map(|passes| passes.order.len());
        ensure!(found == expected, "it is of {found} training images, expected {expected}");
        *self = kept;
        Ok(())
    }

    /// The first rows of this pass, or all if they are less.
    pub fn first(&self, rows: usize) -> &[usize] {
        &self.order[..rows.min(self.order.len())]
    }
}
