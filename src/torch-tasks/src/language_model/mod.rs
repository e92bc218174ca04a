//! The training of a language model on text: a Transformer that says the next token, or a sentence's translation.
//!
//! The talk's on the One Billion Words, Penn Treebank and WMT is of 6 layers, width 512 and 2048 hidden units.

mod dropouts;
mod network;
mod options;
mod training;

use anyhow::Result;
use clap::Args;
use tasks::trainer::{Alone, Guide, train};

use crate::device::Compute;
use crate::text::{Text, TextOptions};

pub use dropouts::{Dropouts, Grouping, OfLayer};
pub use network::{Size, Transformer};
pub use options::{Choice, Hyperparameters, TrainingOptions};
pub use training::LanguageModelTraining;

/// One training, steered or alone.
#[derive(Args)]
pub struct Single {
    #[command(flatten)]
    alone: Alone,
    #[command(flatten)]
    text: TextOptions,
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
    /// If there is no text or no device, or the agent can't be asked.
    pub fn run(&self) -> Result<()> {
        let (device, kind) = self.compute.choose()?;
        let start = self.hyperparameters.values(self.size.layers, self.training.dropouts);
        let guide = Guide::open(&self.alone, start)?;
        let text = Text::load(&self.text, self.size.context as usize)?;
        let seed = guide.trajectory().seed;
        let network = Transformer::new(self.size, text.vocabulary.size(), seed, device, kind)?;
        let mut training =
            LanguageModelTraining::new(&text, network, self.size, &self.training, self.hyperparameters, seed)?;
        Ok(train(&guide, &mut training)?)
    }
}
