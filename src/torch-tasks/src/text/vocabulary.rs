//! The tokens of a text: its most frequent words, or parts of words made by byte-pair encoding (Sennrich et al. 2016) over
//! bytes, so that nothing is unknown.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::wordlevel::{WordLevel, WordLevelTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::whitespace::{Whitespace, WhitespaceSplit};
use tokenizers::{AddedToken, PreTokenizerWrapper, Tokenizer};

use super::lines::Line;
use super::{Format, TextOptions};

/// Words that the vocabulary lacks; the end of a line; what stands between a sentence and its translation.
const SPECIAL: [&str; 3] = ["<unk>", "<eos>", "<sep>"];
/// Lines that a vocabulary is made of at most: more change little of it.
const LINES: usize = 2_000_000;
/// Lines that become tokens at once.
const AT_ONCE: usize = 10_000;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Units {
    /// A word, or signs between words
    Word,
    /// A part of a word
    Subword,
}

/// What is asked of a vocabulary; the same gives the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    vocabulary: Units,
    vocabulary_size: u32,
    /// Whether words are what stands between spaces, as texts have it that are published for language models.
    spaces_only: bool,
    /// CRC-32 of the training text.
    training_text: u32,
}

/// A file that keeps one.
#[derive(Serialize, Deserialize)]
struct Kept {
    origin: Origin,
    tokenizer: Tokenizer,
}

/// Tokens of a text.
pub struct Vocabulary {
    tokenizer: Tokenizer,
    sum: u32,
}

impl Vocabulary {
    /// The token at the end of each line.
    pub const END: u32 = 1;
    /// The token between a sentence and its translation.
    pub const SEPARATOR: u32 = 2;

    /// That of a training text: from its file, or made, and then kept in it.
    pub fn of(options: &TextOptions, training: &[Line]) -> Result<Self> {
        let origin = Origin {
            vocabulary: options.vocabulary,
            vocabulary_size: options.vocabulary_size,
            spaces_only: matches!(options.format, Format::Ptb | Format::Lm1b),
            training_text: sum(training),
        };
        let Some(file) = &options.vocabulary_file else { return Self::new(made(&origin, training)?) };
        if file.exists() {
            return Self::new(kept(file, &origin)?);
        }
        let tokenizer = made(&origin, training)?;
        let bytes = serde_json::to_vec(&Kept { origin, tokenizer: tokenizer.clone() })?;
        keep(file, &bytes).with_context(|| format!("--vocabulary-file {} can't be written", file.display()))?;
        Self::new(tokenizer)
    }

    fn new(tokenizer: Tokenizer) -> Result<Self> {
        for (id, token) in (0..).zip(SPECIAL) {
            let found = tokenizer.token_to_id(token);
            ensure!(found == Some(id), "the vocabulary has {token} as {found:?}, expected {id}");
        }
        let mut tokens: Vec<(String, u32)> = tokenizer.get_vocab(true).into_iter().collect();
        tokens.sort_unstable_by_key(|(_, id)| *id);
        let dense = tokens.iter().map(|(_, id)| *id).eq(0..tokens.len() as u32);
        ensure!(dense, "the vocabulary's {} tokens are not numbered one after the other", tokens.len());
        let sum = crc32fast::hash(&serde_json::to_vec(&tokens)?);
        Ok(Self { tokenizer, sum })
    }

    /// Number V of different tokens.
    pub fn size(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// Tells vocabularies apart.
    pub fn sum(&self) -> u32 {
        self.sum
    }

    /// Tokens of each text.
    pub fn tokens(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>> {
        let mut tokens = Vec::with_capacity(texts.len());
        for part in texts.chunks(AT_ONCE) {
            let encoded = self.tokenizer.encode_batch_fast(part.to_vec(), false).map_err(|error| anyhow!(error))?;
            tokens.extend(encoded.iter().map(|encoding| encoding.get_ids().to_vec()));
        }
        Ok(tokens)
    }

    /// The text of tokens, for messages and tests.
    pub fn text(&self, tokens: &[u32]) -> Result<String> {
        self.tokenizer.decode(tokens, false).map_err(|error| anyhow!(error))
    }
}

/// Of both sides of each line.
fn sum(lines: &[Line]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for text in lines.iter().flat_map(both) {
        hasher.update(text.as_bytes());
        hasher.update(b"\n");
    }
    hasher.finalize()
}

fn both(line: &Line) -> impl Iterator<Item = &str> {
    line.source.as_deref().into_iter().chain([line.text.as_str()])
}

/// Of the first lines of a text.
fn made(origin: &Origin, training: &[Line]) -> Result<Tokenizer> {
    let special = SPECIAL.map(|token| AddedToken::from(token, true)).to_vec();
    let size = origin.vocabulary_size as usize;
    let (mut tokenizer, mut trainer) = match origin.vocabulary {
        Units::Word => {
            let model =
                WordLevel::builder().unk_token(SPECIAL[0].to_owned()).build().map_err(|error| anyhow!(error))?;
            let mut tokenizer = Tokenizer::new(model);
            tokenizer.with_pre_tokenizer(Some(words(origin.spaces_only)));
            let mut trainer = WordLevelTrainer::builder();
            trainer.vocab_size(size).show_progress(false).special_tokens(special);
            (tokenizer, TrainerWrapper::from(trainer.build()?))
        }
        Units::Subword => {
            let alphabet = ByteLevel::alphabet();
            let fewest = SPECIAL.len() + alphabet.len();
            ensure!(size >= fewest, "--vocabulary-size is {size}, expected at least {fewest} for parts of words");
            let mut tokenizer = Tokenizer::new(BPE::default());
            tokenizer.with_pre_tokenizer(Some(ByteLevel::default())).with_decoder(Some(ByteLevel::default()));
            let trainer = BpeTrainer::builder().vocab_size(size).show_progress(false).special_tokens(special);
            (tokenizer, trainer.initial_alphabet(alphabet.into_iter().collect()).build().into())
        }
    };
    // Where a text has them itself, as Penn Treebank its <unk>, they are no words.
    let without = |text: &str| SPECIAL.iter().fold(text.to_owned(), |text, token| text.replace(token, " "));
    let lines = training.iter().take(LINES).flat_map(both).map(without);
    tokenizer.train(&mut trainer, lines).map_err(|error| anyhow!(error))?;
    Ok(tokenizer)
}

fn words(spaces_only: bool) -> PreTokenizerWrapper {
    if spaces_only { WhitespaceSplit.into() } else { Whitespace.into() }
}

fn kept(file: &Path, expected: &Origin) -> Result<Tokenizer> {
    let shown = file.display();
    let bytes = fs::read(file).with_context(|| format!("--vocabulary-file {shown} can't be read"))?;
    let kept = serde_json::from_slice(&bytes);
    let Kept { origin, tokenizer } = kept.with_context(|| format!("--vocabulary-file {shown} is no vocabulary"))?;
    ensure!(
        origin == *expected,
        "--vocabulary-file {shown} is of {origin:?}, expected {expected:?}: name another file, or remove it"
    );
    Ok(tokenizer)
}

/// Writes it at once: others that train on the same text may be reading it.
fn keep(file: &Path, bytes: &[u8]) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut partial = tempfile::Builder::new().permissions(Permissions::from_mode(0o644)).tempfile_in(folder)?;
    partial.write_all(bytes)?;
    partial.persist(file)?;
    Ok(())
}
