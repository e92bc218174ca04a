//! What is read of each form of text.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::lines::Line;
use super::{Format, TextOptions};

/// Folder within the archive of the One Billion Word benchmark.
const BILLION: &str = "1-billion-word-language-modeling-benchmark-r13output";

/// Lines of each split; those that have no files are still within the training text.
pub struct Splits {
    pub training: Vec<Line>,
    pub validation: Option<Vec<Line>>,
    pub test: Option<Vec<Line>>,
}

/// Reads the files that there are.
pub fn read(options: &TextOptions) -> Result<Splits> {
    let place = options.data.as_path();
    ensure!(place.exists(), "it is not there");
    match options.format {
        Format::Plain => Ok(Splits { training: texts(&plain(place)?)?, validation: None, test: None }),
        Format::Ptb => {
            let part = |name: &str| texts(&[place.join(format!("ptb.{name}.txt"))]);
            Ok(Splits { training: part("train")?, validation: Some(part("valid")?), test: Some(part("test")?) })
        }
        Format::Lm1b => {
            let (training, test) = billion(place)?;
            Ok(Splits { training: texts(&training)?, validation: None, test: Some(texts(&test)?) })
        }
        Format::Parallel => {
            let training = pairs(options, "train")?;
            let training = training.with_context(|| format!("there is no train.{}", options.source))?;
            Ok(Splits { training, validation: pairs(options, "valid")?, test: pairs(options, "test")? })
        }
    }
}

/// All .txt files of a folder, by name; or the one file.
fn plain(place: &Path) -> Result<Vec<PathBuf>> {
    if place.is_file() {
        return Ok(vec![place.to_owned()]);
    }
    let files = listed(place, |name| name.ends_with(".txt"))?;
    ensure!(!files.is_empty(), "there is no .txt file");
    Ok(files)
}

/// Files to train on and files to test.
fn billion(place: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let prepared = ["train.txt", "heldout.txt"].map(|name| place.join(name));
    if prepared.iter().any(|file| file.is_file()) {
        return Ok(prepared.map(|file| vec![file]).into());
    }
    let place = if place.join(BILLION).is_dir() { place.join(BILLION) } else { place.to_owned() };
    let shards = |which: &str, prefix: &str| {
        let folder = place.join(format!("{which}-monolingual.tokenized.shuffled"));
        let files = listed(&folder, |name| name.starts_with(prefix))?;
        ensure!(!files.is_empty(), "{} has no file {prefix}…", folder.display());
        Ok(files)
    };
    Ok((shards("training", "news.en-")?, shards("heldout", "news.en.heldout-")?))
}

fn listed(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.is_file() && file.file_name().and_then(|name| name.to_str()).is_some_and(&wanted));
    files.sort_unstable();
    Ok(files)
}

/// Lines of all files, one after the other, without empty ones.
fn texts(files: &[PathBuf]) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for file in files {
        let text = text(file)?;
        let words = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.extend(words.map(|line| Line { source: None, text: line.to_owned() }));
    }
    let names = || files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
    ensure!(!lines.is_empty(), "{} has no words", names());
    Ok(lines)
}

/// Pairs of a split without those of which one is empty; none if there is no file of it.
fn pairs(options: &TextOptions, split: &str) -> Result<Option<Vec<Line>>> {
    let files = [&options.source, &options.target].map(|end| options.data.join(format!("{split}.{end}")));
    if files.iter().all(|file| !file.exists()) {
        return Ok(None);
    }
    let [source, target] = [text(&files[0])?, text(&files[1])?];
    let counts = [&source, &target].map(|text| text.lines().count());
    let [left, right] = files.map(|file| file.display().to_string());
    ensure!(counts[0] == counts[1], "{left} has {} lines, but {right} has {}", counts[0], counts[1]);
    let both = source.lines().map(str::trim).zip(target.lines().map(str::trim));
    let both = both.filter(|(source, target)| !source.is_empty() && !target.is_empty());
    let lines: Vec<Line> =
        both.map(|(source, target)| Line { source: Some(source.to_owned()), text: target.to_owned() }).collect();
    ensure!(!lines.is_empty(), "{left} and {right} have no pair of sentences");
    Ok(Some(lines))
}

fn text(file: &Path) -> Result<String> {
    let shown = file.display();
    let bytes = fs::read(file).with_context(|| format!("cannot read {shown}"))?;
    match String::from_utf8(bytes) {
        Ok(text) if text.contains('\0') => bail!("{shown} is no text: it has a zero byte"),
        Ok(text) => Ok(text),
        Err(error) => {
            Err(anyhow!("{shown} is no UTF-8 text from byte {} on, expected UTF-8", error.utf8_error().valid_up_to()))
        }
    }
}
