//! Images with labels: CIFAR-10's binary files, or IDX files as MNIST and Fashion-MNIST have them.

mod cifar;
mod idx;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use tch::{Device, Kind, Tensor};
use tuning::Random;

/// Classes of every data set here.
pub const CLASSES: i64 = 10;
// Stream of the data's seed.
const SPLIT: u64 = 0;

/// Which data, and how much of it.
#[derive(Args, Clone, Debug)]
pub struct DataOptions {
    /// Data set
    #[arg(long, env = "VISION_DATASET", value_enum, default_value_t = Dataset::Cifar10)]
    pub dataset: Dataset,
    /// Folder with its files, as they are published: data_batch_1.bin … test_batch.bin, or train-images-idx3-ubyte …, also packed (.gz)
    #[arg(long, env = "VISION_DATA", value_name = "FOLDER")]
    pub data: PathBuf,
    /// Share of the training images that is held out for the reward
    #[arg(long, env = "VISION_HOLDOUT", default_value_t = 0.05, value_parser = crate::share)]
    pub holdout: f64,
    /// Seed of which ones are
    #[arg(long, env = "VISION_DATA_SEED", default_value_t = 0)]
    pub data_seed: u64,
    /// Train on so many images only [default: all]
    #[arg(long, env = "VISION_TRAINING_SIZE")]
    pub training_size: Option<usize>,
}

/// A data set by its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dataset {
    /// 60,000 colour images of 32 × 32 (Krizhevsky 2009), in the binary version
    Cifar10,
    /// Grey images in the IDX form of MNIST: Fashion-MNIST (Xiao et al. 2017) for one
    Idx,
}

/// Images and labels, on the device that trains.
#[derive(Debug)]
pub struct Split {
    /// (N, channels, height, width), whole numbers from 0 to 255.
    pub images: Tensor,
    /// (N), each below [`CLASSES`].
    pub labels: Tensor,
}

/// The three splits, no image in two of them.
#[derive(Debug)]
pub struct Data {
    /// What is trained on.
    pub training: Split,
    /// Held out of the training images: what the objective is measured on.
    pub validation: Split,
    /// The test images as published; nothing is ever decided by them.
    pub test: Split,
    /// Mean of each channel over the training images, (1, channels, 1, 1).
    pub mean: Tensor,
    /// Standard deviation of each channel, likewise.
    pub deviation: Tensor,
}

impl Split {
    /// Number N of images.
    pub fn size(&self) -> i64 {
        self.labels.size()[0]
    }

    /// Some of the rows.
    pub fn rows(&self, rows: &[usize]) -> Self {
        let rows: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
        let rows = Tensor::from_slice(&rows).to_device(self.labels.device());
        Self { images: self.images.index_select(0, &rows), labels: self.labels.index_select(0, &rows) }
    }

    /// The first `count` rows, or all if they are less.
    pub fn first(&self, count: i64) -> Self {
        let count = count.min(self.size());
        Self { images: self.images.narrow(0, 0, count), labels: self.labels.narrow(0, 0, count) }
    }

    fn to_device(&self, device: Device) -> Self {
        Self { images: self.images.to_device(device), labels: self.labels.to_device(device) }
    }

    /// Of what was read: bytes of all images, one after the other, and a label each.
    fn of(images: &[u8], labels: &[u8], [channels, height, width]: [i64; 3]) -> Result<Self> {
        let count = labels.len() as i64;
        ensure!(
            images.len() as i64 == count * channels * height * width,
            "{} bytes of images for {count} labels, expected {channels} × {height} × {width} each",
            images.len()
        );
        ensure!(count > 0, "there are no images");
        if let Some(label) = labels.iter().find(|label| i64::from(**label) >= CLASSES) {
            anyhow::bail!("a label is {label}, expected 0 to {}", CLASSES - 1);
        }
        let images = Tensor::from_slice(images).view([count, channels, height, width]);
        Ok(Self { images, labels: Tensor::from_slice(labels).to_kind(Kind::Int64) })
    }
}

impl Data {
    /// Reads the data, holds some of it out and brings it to `device`.
    ///
    /// # Errors
    /// If a file is missing or is not what its name says, or less than one image is left of a split.
    pub fn load(options: &DataOptions, device: Device) -> Result<Self> {
        let folder = options.data.as_path();
        let (whole, test) = match options.dataset {
            Dataset::Cifar10 => cifar::read(folder),
            Dataset::Idx => idx::read(folder),
        }
        .with_context(|| format!("no data set in {}", folder.display()))?;
        let count = whole.size() as usize;
        let held_out = (options.holdout * count as f64).round() as usize;
        let size = options.training_size.unwrap_or(count - held_out);
        ensure!(held_out > 0, "--holdout {} leaves no image of {count} for validation", options.holdout);
        ensure!(
            (1..=count - held_out).contains(&size),
            "--training-size is {size}, expected 1 to the {} images that are not held out",
            count - held_out
        );
        let order = Random::stream(options.data_seed, &[SPLIT]).shuffled(count);
        let (validation, training) = order.split_at(held_out);
        let training = whole.rows(&training[..size]);
        let (mean, deviation) = statistics(&training.images);
        Ok(Self {
            training: training.to_device(device),
            validation: whole.rows(validation).to_device(device),
            test: test.to_device(device),
            mean: mean.to_device(device),
            deviation: deviation.to_device(device),
        })
    }

    /// images: (B, channels, height, width) of bytes -> the same as `kind`, standardised by channel.
    pub fn standardised(&self, images: &Tensor, kind: Kind) -> Tensor {
        ((images.to_kind(Kind::Float) - &self.mean) / &self.deviation).to_kind(kind)
    }
}

/// Mean and standard deviation of each channel, in two passes over bytes: as floats all of them would take gigabytes.
fn statistics(images: &Tensor) -> (Tensor, Tensor) {
    let (over, chunks) = ([0_i64, 2, 3].as_slice(), images.chunk(images.size()[0].div_euclid(1000) + 1, 0));
    let count = (images.numel() / images.size()[1] as usize) as f64;
    let sum = |of: &dyn Fn(Tensor) -> Tensor| {
        let parts =
            chunks.iter().map(|chunk| of(chunk.to_kind(Kind::Double)).sum_dim_intlist(over, true, Kind::Double));
        parts.reduce(|a, b| a + b).unwrap_or_else(|| Tensor::zeros([1], (Kind::Double, Device::Cpu)))
    };
    let mean = sum(&|x| x) / count;
    let variance = sum(&|x| (x - &mean).square()) / count;
    (mean.to_kind(Kind::Float), variance.sqrt().clamp_min(1e-6).to_kind(Kind::Float))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
#[path = "tests.rs"]
pub(crate) mod tests;
