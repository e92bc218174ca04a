//! The training on handwritten digits: its data, its network, and baselines without any loop around them.

mod data;
mod network;
mod sweep;
mod training;

use anyhow::Result;
use clap::Args;

use crate::contract::Values;
use crate::trainer::{Alone, Guide, train};

pub use data::{Data, DataOptions, Dataset, Split};
pub use sweep::Sweep;
pub use training::{Digits, Hyperparameters, TrainingOptions};

/// One training, steered or alone.
#[derive(Args)]
pub struct Single {
    #[command(flatten)]
    alone: Alone,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    training: TrainingOptions,
    #[command(flatten)]
    hyperparameters: Hyperparameters,
}

impl Single {
    /// Trains to the end.
    pub fn run(&self) -> Result<()> {
        let Hyperparameters { learning_rate, momentum, weight_decay } = self.hyperparameters;
        let names = ["learning_rate", "momentum", "weight_decay"].map(str::to_owned);
        let values = Values::from_iter(names.into_iter().zip([learning_rate, momentum, weight_decay]));
        let guide = Guide::open(&self.alone, values)?;
        let data = Data::load(&self.data)?;
        let mut digits = Digits::new(&data, &self.training, self.hyperparameters, guide.trajectory().seed)?;
        Ok(train(&guide, &mut digits)?)
    }
}
