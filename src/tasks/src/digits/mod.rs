//! The training on handwritten digits: its data, its network, and baselines without any loop around them.

mod data;
mod network;
mod sweep;
mod training;

use anyhow::Result;
use clap::Args;

use crate::classification::Sgd;
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
        let start = Sgd::from(self.hyperparameters);
        let guide = Guide::open(&self.alone, start.values())?;
        let data = Data::load(&self.data)?;
        let mut digits = Digits::new(&data, &self.training, start, guide.trajectory().seed)?;
        Ok(train(&guide, &mut digits)?)
    }
}
