//! One training: what it can be steered by, the order of its batches, and what is measured.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::json;
use tasks::checkpoints;
use tasks::classification::{Measured, Passes, metrics};
use tasks::contract::Values;
use tasks::trainer::{Divergence, Training};
use tch::{Kind, Reduction, Tensor, no_grad};
use tuning::Random;

use super::dropouts::Dropouts;
use super::network::{Size, Transformer};
use super::options::{Choice, Hyperparameters, TrainingOptions};
use crate::checkpoint::{self, Common, Named};
use crate::generator::seeded;
use crate::optimizers::{Adafactor, AdamW};
use crate::text::{Batch, Examples, IGNORED, Text};

// Streams of the trajectory's seed.
const BATCHES: u64 = 1;
const DROPOUTS: u64 = 2;
/// Batches that come to the device in one copy.
const AT_ONCE: usize = 64;
// Files of a checkpoint.
const WEIGHTS: &str = "weights.safetensors";
const MOMENTS: &str = "moments.safetensors";

enum Optimizer {
    Adafactor(Adafactor),
    AdamW(AdamW),
}

impl Optimizer {
    fn new(choice: Choice, network: &Transformer) -> Self {
        match choice {
            Choice::Adafactor => Self::Adafactor(Adafactor::new(&network.weights)),
            Choice::Adamw => Self::AdamW(AdamW::new(&network.weights)),
        }
    }

    fn step(&mut self, step: u64, loss: &Tensor, learning_rate: f64, weight_decay: f64) {
        match self {
            Self::Adafactor(adafactor) => adafactor.step(step, loss, learning_rate, weight_decay),
            Self::AdamW(adamw) => adamw.step(step, loss, learning_rate, weight_decay),
        }
    }

    fn state(&self) -> &Named {
        match self {
            Self::Adafactor(adafactor) => adafactor.state(),
            Self::AdamW(adamw) => adamw.state(),
        }
    }
}

/// A training under way.
pub struct LanguageModelTraining<'a> {
    text: &'a Text,
    options: &'a TrainingOptions,
    seed: u64,
    same: Common,
    network: Transformer,
    optimizer: Optimizer,
    learning_rate: f64,
    weight_decay: f64,
    dropouts: Dropouts,
    passes: Passes,
    /// Steps of the optimizer so far.
    steps: u64,
}

impl<'a> LanguageModelTraining<'a> {
    /// A training before its first step; `seed` fixes the order of its batches and its dropouts.
    ///
    /// # Errors
    /// If a batch is larger than what there is to train on.
    pub fn new(
        text: &'a Text,
        network: Transformer,
        size: Size,
        options: &'a TrainingOptions,
        start: Hyperparameters,
        seed: u64,
    ) -> Result<Self> {
        let same = Common::new(&json!({
            "size": size, "vocabulary": text.vocabulary.sum(), "optimizer": options.optimizer,
            "batch_size": options.batch_size, "rows": text.training.count(), "seed": seed,
        }));
        let Hyperparameters { learning_rate, weight_decay, dropout } = start;
        Ok(Self {
            text,
            options,
            seed,
            same,
            optimizer: Optimizer::new(options.optimizer, &network),
            network,
            learning_rate,
            weight_decay,
            dropouts: Dropouts::new(size.layers as usize, options.dropouts, dropout),
            passes: passes(&text.training, options.batch_size, seed)?,
            steps: 0,
        })
    }

    /// Makes so many steps under the values in force. What is returned are means over the batches, each before its step and with
    /// its dropouts.
    pub fn train(&mut self, steps: u32) -> Measured {
        // What is dropped follows from the steps made, so that a training which goes on drops the same.
        let _alone = seeded(Random::stream(self.seed, &[DROPOUTS, self.steps]).bits());
        let rows: Vec<Vec<usize>> = (0..steps).map(|_| self.passes.next_batch().to_vec()).collect();
        let mut sums: Option<Tensor> = None;
        for part in rows.chunks(AT_ONCE) {
            for batch in self.text.training.batches(part, self.network.device()) {
                let step = self.step(&batch);
                sums = Some(sums.map_or_else(|| step.shallow_clone(), |sums| sums + &step));
            }
        }
        mean(&sums)
    }

    /// A step of the optimizer. Sums of loss and of right answers, and how many answers there were, (3), still on the device:
    /// to ask for them would stop it.
    fn step(&mut self, batch: &Batch) -> Tensor {
        let (loss, sums) = measured(&self.network.forward(&batch.inputs, Some(&self.dropouts)), batch);
        self.steps += 1;
        self.optimizer.step(self.steps, &loss, self.learning_rate, self.weight_decay);
        sums
    }

    /// Without dropouts, on some rows.
    fn evaluated(&self, examples: &Examples, rows: &[usize]) -> Measured {
        let batches: Vec<Vec<usize>> = rows.chunks(self.options.batch_size as usize).map(<[usize]>::to_vec).collect();
        let of_batch = |batch: Batch| measured(&self.network.forward(&batch.inputs, None), &batch).1;
        let part = |batches: &[Vec<usize>]| {
            let batches = examples.batches(batches, self.network.device());
            batches.into_iter().map(of_batch).reduce(|a, b| a + b)
        };
        mean(&no_grad(|| batches.chunks(AT_ONCE).filter_map(part).reduce(|a, b| a + b)))
    }

    fn metrics(&self, training: Measured) -> Result<Values, Divergence> {
        let evaluated = |examples: &Examples| self.evaluated(examples, &examples.spread(self.rows(examples)));
        metrics(training, evaluated(&self.text.validation), evaluated(&self.text.test))
    }

    /// How many rows of a split are evaluated.
    fn rows(&self, examples: &Examples) -> usize {
        let batches =
            self.options.evaluation_batches.map(|batches| batches as usize * self.options.batch_size as usize);
        batches.unwrap_or(usize::MAX).min(examples.count())
    }

    /// The first dropout that is none.
    fn impossible(&self) -> Option<Divergence> {
        let (name, value) = self.dropouts.values().find(|(_, value)| !(0.0..=1.0).contains(value))?;
        Some(format!("{name} is {value}, expected 0 to 1"))
    }
}

impl Training for LanguageModelTraining<'_> {
    fn hyperparameter(&mut self, name: &str) -> Option<&mut f64> {
        match name {
            "learning_rate" => Some(&mut self.learning_rate),
            "weight_decay" => Some(&mut self.weight_decay),
            _ => self.dropouts.get(name),
        }
    }

    fn hyperparameters(&self) -> Vec<String> {
        [&["learning_rate".to_owned(), "weight_decay".to_owned()], self.dropouts.names()].concat()
    }

    /// The training metrics are of as many rows as validation is measured on.
    fn evaluate(&mut self) -> Result<Values, Divergence> {
        let rows = self.text.training.spread(self.rows(&self.text.validation));
        let training = self.evaluated(&self.text.training, &rows);
        self.metrics(training)
    }

    /// The training metrics are those of the training itself.
    fn env_step(&mut self) -> Result<Values, Divergence> {
        if let Some(reason) = self.impossible() {
            return Err(reason);
        }
        let training = self.train(self.options.steps_per_env_step);
        self.metrics(training)
    }

    fn save(&self, folder: &Path) -> Result<()> {
        checkpoint::write(&folder.join(WEIGHTS), &checkpoint::all(&self.network.weights))?;
        checkpoint::write(&folder.join(MOMENTS), self.optimizer.state())?;
        checkpoints::write(folder, &(&self.same, self.steps))
    }

    fn restore(&mut self, folder: &Path) -> Result<()> {
        let (found, steps): (Common, u64) = checkpoints::read(folder)?;
        self.same.check(&found)?;
        checkpoint::read(&folder.join(WEIGHTS), &checkpoint::all(&self.network.weights))?;
        checkpoint::read(&folder.join(MOMENTS), self.optimizer.state())?;
        self.passes = passes(&self.text.training, self.options.batch_size, self.seed)?;
        for _ in 0..steps {
            self.passes.next_batch();
        }
        self.steps = steps;
        Ok(())
    }
}

/// The order of the batches, from the first one on.
fn passes(training: &Examples, batch_size: u32, seed: u64) -> Result<Passes> {
    let rows = training.count();
    ensure!(batch_size as usize <= rows, "--batch-size is {batch_size}, expected at most the {rows} rows to train on");
    Passes::new(rows, batch_size, Random::stream(seed, &[BATCHES]))
}

/// logits: (B, T, V) -> the mean cross-entropy of what counts, to go down on; and, apart from the gradient, sums of it and of
/// right answers, and their number, (3).
fn measured(logits: &Tensor, batch: &Batch) -> (Tensor, Tensor) {
    let (b, t, v) = logits.size3().expect("logits are (B, T, V)");
    let (targets, count) = batch.wanted(); // (B T), ()
    let logits = logits.view([b * t, v]);
    assert_eq!(targets.size(), [b * t], "a target for each position");
    let loss = logits.cross_entropy_loss::<&Tensor>(&targets, None, Reduction::Mean, IGNORED, 0.0);
    let right = logits.argmax(1, false).eq_tensor(&targets).sum(Kind::Float);
    let sums = Tensor::stack(&[loss.detach() * &count, right, count], 0);
    (loss, sums)
}

/// sums: those of [`measured`], added up.
fn mean(sums: &Option<Tensor>) -> Measured {
    let sums = sums.as_ref().expect("there is at least one batch");
    let [loss, right, count] = [0, 1, 2].map(|place| sums.double_value(&[place]));
    Measured { loss: loss / count, accuracy: right / count }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
