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

/// By split, how many rows and targets there are.
fn described(text: &Text) -> Value {
    let split = |examples: &Examples| json!({"rows": examples.count(), "targets": examples.targets()});
    json!({
        "vocabulary": text.vocabulary.size(),
        "training": split(&text.training), "validation": split(&text.validation), "test": split(&text.test),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Format;
    use super::super::tests::{folder, options};
    use super::*;

    #[test]
    fn a_text_is_described_by_split_and_its_vocabulary_is_kept() {
        let text = folder(&[("ptb.train.txt", "a b c d\ne f\n"), ("ptb.valid.txt", "a b\n"), ("ptb.test.txt", "c\n")]);
        let file = text.path().join("vocabulary.json");
        let options = TextOptions { vocabulary_file: Some(file.clone()), ..options(Format::Ptb, text.path()) };
        let described = described(&Text::load(&options, 3).unwrap());
        // With the end of each line; the first token of a split is not predicted.
        let expected = json!({
            "vocabulary": 9, "training": {"rows": 3, "targets": 7}, "validation": {"rows": 1, "targets": 2},
            "test": {"rows": 1, "targets": 1},
        });
        assert_eq!(described, expected);
        assert!(file.exists());
    }
}
