#![allow(clippy::unwrap_used)]
use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

pub fn options(dataset: Dataset, folder: &Path) -> DataOptions {
    DataOptions { dataset, data: folder.to_owned(), holdout: 0.2, data_seed: 3, training_size: None }
}

/// CIFAR-10 of `count` images in each file; every byte of image n is n, its label n modulo 10.
pub fn write_cifar(folder: &Path, count: u8) {
    for file in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"] {
        let record = |n: u8| [vec![n % 10], vec![n; 3 * 32 * 32]].concat();
        fs::write(folder.join(format!("{file}.bin")), (0..count).flat_map(record).collect::<Vec<u8>>()).unwrap();
    }
}

fn idx(dimensions: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dimensions.len() as u8];
    dimensions.iter().for_each(|size| file.extend(size.to_be_bytes()));
    file.extend(bytes);
    file
}

fn write_idx(folder: &Path) {
    let packed = |name: &str, bytes: &[u8]| {
        let mut file = GzEncoder::new(fs::File::create(folder.join(name)).unwrap(), Compression::fast());
        file.write_all(bytes).unwrap();
        file.finish().unwrap();
    };
    packed("train-images-idx3-ubyte.gz", &idx(&[10, 2, 3], &(0..60).collect::<Vec<u8>>()));
    packed("train-labels-idx1-ubyte.gz", &idx(&[10], &(0..10).collect::<Vec<u8>>()));
    fs::write(folder.join("t10k-images-idx3-ubyte"), idx(&[2, 2, 3], &[7; 12])).unwrap();
    fs::write(folder.join("t10k-labels-idx1-ubyte"), idx(&[2], &[1, 2])).unwrap();
}

fn refused(options: &DataOptions) -> String {
    format!("{:#}", Data::load(options, Device::Cpu).unwrap_err())
}

#[test]
fn cifar_is_split_without_an_image_in_two_splits_and_standardised_by_what_is_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    write_cifar(folder.path(), 20);
    let data = Data::load(&options(Dataset::Cifar10, folder.path()), Device::Cpu).unwrap();
    assert_eq!((data.training.size(), data.validation.size(), data.test.size()), (80, 20, 20));
    assert_eq!(data.test.images.size(), [20, 3, 32, 32]);
    let byte = |split: &Split, row: i64| i64::try_from(split.images.get(row).get(0).get(0).get(0)).unwrap();
    assert_eq!((byte(&data.test, 13), data.test.labels.int64_value(&[13])), (13, 3));
    let standard = data.standardised(&data.training.images, Kind::Float);
    assert!(standard.mean(Kind::Float).double_value(&[]).abs() < 1e-4);
    assert!((standard.std(false).double_value(&[]) - 1.0).abs() < 1e-3);
    assert_eq!(data.standardised(&data.test.images, Kind::BFloat16).kind(), Kind::BFloat16);
}

#[test]
fn idx_is_read_plain_and_packed() {
    let folder = tempfile::tempdir().unwrap();
    write_idx(folder.path());
    let data = Data::load(&options(Dataset::Idx, folder.path()), Device::Cpu).unwrap();
    assert_eq!((data.training.size(), data.validation.size(), data.test.size()), (8, 2, 2));
    assert_eq!(data.training.images.size(), [8, 1, 2, 3]);
    let label = data.training.labels.int64_value(&[0]);
    let first = i64::try_from(data.training.images.get(0).get(0).get(0).get(0)).unwrap();
    assert_eq!(first, 6 * label, "an image keeps its label");
}

#[test]
fn what_is_no_data_set_is_told_of_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let cifar = options(Dataset::Cifar10, folder.path());
    assert!(refused(&cifar).contains("data_batch_1.bin"));
    write_cifar(folder.path(), 20);
    let few = DataOptions { training_size: Some(81), ..cifar.clone() };
    assert!(refused(&few).contains("expected 1 to the 80 images"));
    assert!(refused(&DataOptions { holdout: 0.0, ..cifar.clone() }).contains("leaves no image"));
    fs::write(folder.path().join("data_batch_3.bin"), [0; 100]).unwrap();
    assert!(refused(&cifar).contains("data_batch_3.bin is cut off"));
    fs::write(folder.path().join("data_batch_3.bin"), [99; RECORD]).unwrap();
    assert!(refused(&cifar).contains("a label is 99"));

    let idx_options = options(Dataset::Idx, folder.path());
    write_idx(folder.path());
    fs::write(folder.path().join("t10k-labels-idx1-ubyte"), idx(&[3], &[1, 2, 3])).unwrap();
    assert!(refused(&idx_options).contains("t10k: 2 images, but 3 labels"));
    fs::write(folder.path().join("t10k-images-idx3-ubyte"), idx(&[2, 2, 3], &[7; 11])).unwrap();
    assert!(refused(&idx_options).contains("t10k-images-idx3-ubyte has 27 bytes, expected 28"));
    fs::write(folder.path().join("t10k-images-idx3-ubyte"), "<html>").unwrap();
    assert!(refused(&idx_options).contains("does not begin as IDX does"));
    fs::write(folder.path().join("train-images-idx3-ubyte.gz"), "<html>").unwrap();
    assert!(refused(&idx_options).contains("can't be unpacked"));
}

const RECORD: usize = 3073;
