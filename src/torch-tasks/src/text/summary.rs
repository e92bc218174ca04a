//! What a text comes to, before anything trains on it.

use anyhow::Result;
use clap::{Args, value_parser};
use serde_json::{Value, json};

use super::{Examples, Text, TextOptions};

/// Reads a text as a training does.
#[derive(Args)]
pub struct Summary {
    #[command(flatten)]
    text: TextOptions,
    /// Tokens that a model reads at once
    #[arg(long, env = "LM_CONTEXT", default_value_t = 256, value_parser = value_parser!(u32).range(1..))]
    context: u32,
}

impl Summary {
    /// Prints how many tokens there are, and how many rows and targets in each split, as a line of JSON; keeps the vocabulary
    /// where the options say so.
    ///
    /// # Errors
    /// As [`Text::load`].
    pub fn run(&self) -> Result<()> {
        println!("{}", described(&Text::load(&self.text, self.context as usize)?));
        Ok(())
    }
}

fn described(text: &Text) -> Value {
    let split = |examples: &Examples| json!({"rows": examples.count(), "targets": examples.targets()});
    json!({
        "vocabulary": text.vocabulary.size(),
        "training": split(&text.training), "validation": split(&text.validation), "test": split(&text.test),
    })
}
