//! Texts as numbers: read from files, split, and cut into what a language model learns from.
//!
//! A token is a word or a part of one, a row what a model reads at once. Start at [`Text::load`].

mod examples;
mod files;
mod lines;
mod summary;
mod vocabulary;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use tuning::Random;

use self::lines::{Line, hold_out};

pub use examples::{Batch, Examples, IGNORED};
pub use summary::Summary;
pub use vocabulary::{Units, Vocabulary};

// Streams of the data's seed.
const TEST: u64 = 0;
const VALIDATION: u64 = 1;

/// Which text, how it is split, and what its words are.
#[derive(Args, Clone, Debug)]
pub struct TextOptions {
    /// Form of the text
    #[arg(long, env = "TEXT_FORMAT", value_enum, default_value_t = Format::Plain)]
    pub format: Format,
    /// Folder with its files; for a plain text also a single file
    #[arg(long, env = "TEXT_DATA", value_name = "PLACE")]
    pub data: PathBuf,
    /// Parallel text: how the files end that are translated from
    #[arg(long, env = "TEXT_SOURCE", default_value = "en")]
    pub source: String,
    /// Parallel text: how the files end that are translated to
    #[arg(long, env = "TEXT_TARGET", default_value = "de")]
    pub target: String,
    /// Share of the training text that is held out for the reward, where there are no files for it
    #[arg(long, env = "TEXT_HOLDOUT", default_value_t = 0.05, value_parser = crate::share)]
    pub holdout: f64,
    /// Share of the text that is set aside as test split, where there are no files for it
    #[arg(long, env = "TEXT_TEST_SHARE", default_value_t = 0.05, value_parser = crate::share)]
    pub test_share: f64,
    /// Seed of which parts those are
    #[arg(long, env = "TEXT_DATA_SEED", default_value_t = 0)]
    pub data_seed: u64,
    /// Train on so many lines only, the first ones [default: all]
    #[arg(long, env = "TEXT_TRAINING_LINES")]
    pub training_lines: Option<usize>,
    /// What a token is
    #[arg(long, env = "TEXT_VOCABULARY", value_enum, default_value_t = Units::Subword)]
    pub vocabulary: Units,
    /// How many different tokens there are at most
    #[arg(long, env = "TEXT_VOCABULARY_SIZE", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(4..))]
    pub vocabulary_size: u32,
    /// File that keeps the vocabulary: made if it is not there, so that other trainings need not make it again
    #[arg(long, env = "TEXT_VOCABULARY_FILE", value_name = "FILE")]
    pub vocabulary_file: Option<PathBuf>,
}

/// A form of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Any text: a file, or all .txt files of a folder
    Plain,
    /// Penn Treebank as language models read it (Mikolov et al. 2010): ptb.train.txt, ptb.valid.txt, ptb.test.txt
    Ptb,
    /// The One Billion Word benchmark (Chelba et al. 2013): its shards as published, or train.txt and heldout.txt
    Lm1b,
    /// Sentences and their translations, line by line: train.en and train.de, also valid.* and test.*
    Parallel,
}

/// The three splits, no line in two of them, and what their numbers stand for.
pub struct Text {
    /// What is trained on.
    pub training: Examples,
    /// What the objective is measured on.
    pub validation: Examples,
    /// Nothing is ever decided by it.
    pub test: Examples,
    /// Of the training text alone.
    pub vocabulary: Vocabulary,
}

impl Text {
    /// Reads a text and cuts it into rows of `context` tokens and the one after them.
    ///
    /// # Errors
    /// If a file is missing or is not what its name says, there is nothing in a split, or the vocabulary file is of another
    /// text.
    pub fn load(options: &TextOptions, context: usize) -> Result<Self> {
        let shown = options.data.display();
        let splits = files::read(options).with_context(|| format!("no text in {shown}"))?;
        let (rest, test) = match splits.test {
            Some(test) => (splits.training, test),
            None => options.split(splits.training, "test-share", options.test_share, TEST)?,
        };
        let (mut training, validation) = match splits.validation {
            Some(validation) => (rest, validation),
            None => options.split(rest, "holdout", options.holdout, VALIDATION)?,
        };
        training.truncate(options.training_lines.unwrap_or(training.len()));
        ensure!(!training.is_empty(), "--training-lines is 0, expected at least 1");
        let vocabulary = Vocabulary::of(options, &training)?;
        let examples = |lines: Vec<Line>, split: &str| {
            Examples::of(&vocabulary, lines, context).with_context(|| format!("no {split} split in {shown}"))
        };
        let (training, validation, test) =
            (examples(training, "training")?, examples(validation, "validation")?, examples(test, "test")?);
        Ok(Self { training, validation, test, vocabulary })
    }
}

impl TextOptions {
    fn split(&self, lines: Vec<Line>, field: &str, share: f64, stream: u64) -> Result<(Vec<Line>, Vec<Line>)> {
        let count = lines.len();
        let split = hold_out(lines, share, &mut Random::stream(self.data_seed, &[stream]));
        let ok = !split.0.is_empty() && !split.1.is_empty();
        ensure!(ok, "--{field} {share} of {count} lines leaves {} and {}", split.0.len(), split.1.len());
        Ok(split)
    }
}

#[cfg(test)]
pub(crate) mod tests;
