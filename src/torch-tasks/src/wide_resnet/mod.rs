//! The training of a Wide ResNet on images (Zagoruyko and Komodakis 2016): the talk's on CIFAR-10 is depth 28, width 10.

mod augmentation;
mod network;
mod training;

use anyhow::Result;
use clap::Args;
use tasks::classification::Sgd;
use tasks::trainer::{Alone, Guide, train};

use crate::device::Compute;
use crate::images::{Data, DataOptions};

pub use augmentation::augmented;
pub use network::{Size, WideResNet};
pub use training::{Hyperparameters, TrainingOptions, WideResNetTraining};

/// One training, steered or alone.
#[derive(Args)]
pub struct Single {
    #[command(flatten)]
    alone: Alone,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    size: Size,
    #[command(flatten)]
    training: TrainingOptions,
    #[command(flatten)]
    hyperparameters: Hyperparameters,
    #[command(flatten)]
    compute: Compute,
}

impl Single {
    /// Trains to the end.
    ///
    /// # Errors
    /// If there is no data or no device, or the agent can't be asked.
    pub fn run(&self) -> Result<()> {
        let start = Sgd::from(self.hyperparameters);
        let (device, kind) = self.compute.choose()?;
        let guide = Guide::open(&self.alone, start.values())?;
        let data = Data::load(&self.data, device)?;
        let seed = guide.trajectory().seed;
        let network = WideResNet::new(self.size, data.training.images.size()[1], seed, device, kind)?;
        let mut training = WideResNetTraining::new(&data, network, &self.training, start, seed)?;
        Ok(train(&guide, &mut training)?)
    }
}
