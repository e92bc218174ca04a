//! Flags of one training.

use clap::{Args, ValueEnum, value_parser};
use serde::{Deserialize, Serialize};
use tasks::contract::Values;

use super::dropouts::{Dropouts, Grouping};

/// Budget of a training.
#[derive(Args, Clone, Debug)]
pub struct TrainingOptions {
    /// Steps of the optimizer in an env step
    #[arg(long, env = "LM_STEPS_PER_ENV_STEP", default_value_t = 200, value_parser = value_parser!(u32).range(1..))]
    pub steps_per_env_step: u32,
    /// Rows in a batch
    #[arg(long, env = "LM_BATCH_SIZE", default_value_t = 32, value_parser = value_parser!(u32).range(1..))]
    pub batch_size: u32,
    /// Batches of each split that metrics are measured on, evenly spread over it [default: all of validation and test]
    #[arg(long, env = "LM_EVALUATION_BATCHES", value_parser = value_parser!(u32).range(1..))]
    pub evaluation_batches: Option<u32>,
    /// Optimizer
    #[arg(long, env = "LM_OPTIMIZER", value_enum, default_value_t = Choice::Adafactor)]
    pub optimizer: Choice,
    /// Which layers have a dropout in common
    #[arg(long, env = "LM_DROPOUTS", value_enum, default_value_t = Grouping::Grouped)]
    pub dropouts: Grouping,
}

/// What can be steered. The flags hold for what nobody steers.
#[derive(Args, Clone, Copy, Debug)]
pub struct Hyperparameters {
    /// Learning rate: of AdamW, or for Adafactor a share of each weight's own size
    #[arg(long, env = "LM_LEARNING_RATE", default_value_t = 1e-3)]
    pub learning_rate: f64,
    /// What weights shrink by in each step: times the learning rate for AdamW, as it is for Adafactor
    #[arg(long, env = "LM_WEIGHT_DECAY", default_value_t = 1e-5)]
    pub weight_decay: f64,
    /// Every dropout
    #[arg(long, env = "LM_DROPOUT", default_value_t = 0.1)]
    pub dropout: f64,
}

impl Hyperparameters {
    /// All of them by name, for a model of so many layers.
    pub fn values(&self, layers: u32, grouping: Grouping) -> Values {
        let rest = [("learning_rate", self.learning_rate), ("weight_decay", self.weight_decay)];
        let rest = rest.into_iter().map(|(name, value)| (name.to_owned(), value));
        rest.chain(Dropouts::new(layers as usize, grouping, self.dropout).values()).collect()
    }
}

/// An optimizer by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// Adafactor (Shazeer and Stern 2018), the talk's
    Adafactor,
    /// AdamW (Loshchilov and Hutter 2019)
    Adamw,
}
