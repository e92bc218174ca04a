#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;

use ndarray::ArrayView1;

use super::*;

/// The files that `cargo xtask setup` gets.
pub fn options() -> DataOptions {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../third_party/data");
    DataOptions { dataset: Dataset::Digits, data: Some(data.into()), data_seed: 0, noise: 0.3, training_size: None }
}

fn clean() -> DataOptions {
    DataOptions { noise: 0.0, ..options() }
}

/// A picture, exactly.
pub fn bits(row: ArrayView1<f32>) -> Vec<u32> {
    row.iter().map(|x| x.to_bits()).collect()
}

/// Each row's label and pixels, exactly.
fn rows(split: &Split) -> Vec<(u8, Vec<u32>)> {
    split.labels.iter().copied().zip(split.images.rows().into_iter().map(bits)).collect()
}

fn wrong(options: &DataOptions) -> Vec<(u8, u8)> {
    let right = rows(&Data::load(&DataOptions { noise: 0.0, ..options.clone() }).unwrap().training);
    let noisy = rows(&Data::load(options).unwrap().training);
    right.iter().zip(&noisy).map(|(a, b)| (a.0, b.0)).filter(|(a, b)| a != b).collect()
}

#[test]
fn the_splits_share_no_row_and_are_all_of_the_file() {
    let data = Data::load(&clean()).unwrap();
    assert_eq!([data.training.size(), data.validation.size(), data.test.size()], [1000, 400, 397]);
    // No two of scikit-learn's digits are the same picture, so the pixels name the row.
    let all: BTreeSet<_> = [&data.training, &data.validation, &data.test].into_iter().flat_map(rows).collect();
    assert_eq!(all.len(), 1797);
}

#[test]
fn three_training_labels_in_ten_are_wrong_and_no_others() {
    let wrong_ones = wrong(&options());
    assert_eq!(wrong_ones.len(), 300);
    let kinds: BTreeSet<_> = wrong_ones.into_iter().collect();
    assert!(kinds.len() > 80, "only {} of the 90 mistakes occur", kinds.len());
    let (noisy, right) = (Data::load(&options()).unwrap(), Data::load(&clean()).unwrap());
    assert_eq!(rows(&noisy.validation), rows(&right.validation));
    assert_eq!(rows(&noisy.test), rows(&right.test));
}

#[test]
fn a_smaller_training_set_is_part_of_the_whole_and_leaves_the_rest_of_the_split_alone() {
    let labels = |split: &Split| split.labels.clone();
    let small = Data::load(&DataOptions { training_size: Some(200), ..clean() }).unwrap();
    let whole = Data::load(&clean()).unwrap();
    assert_eq!(labels(&small.training), labels(&whole.training)[..200]);
    assert_eq!(labels(&small.test), labels(&whole.test));
    assert_eq!(wrong(&DataOptions { training_size: Some(200), ..options() }).len(), 60);
}

#[test]
fn another_data_seed_gives_another_split() {
    let other = Data::load(&DataOptions { data_seed: 1, ..clean() }).unwrap();
    assert_ne!(rows(&other.test), rows(&Data::load(&clean()).unwrap().test));
}

#[test]
fn the_training_images_have_mean_zero_and_deviation_one() {
    let images = Data::load(&options()).unwrap().training.images.mapv(f64::from);
    assert!(images.mean_axis(Axis(0)).unwrap().iter().all(|mean| mean.abs() < 1e-6));
    assert!((images.mapv(|x| x * x).mean().unwrap() - 1.0).abs() < 1e-6);
}

#[test]
fn mnist_5k_is_read_and_split() {
    let data = Data::load(&DataOptions { dataset: Dataset::Mnist5k, ..options() }).unwrap();
    assert_eq!([data.training.size(), data.validation.size(), data.test.size()], [3500, 750, 750]);
    assert_eq!(data.training.images.dim(), (3500, 784));
}

#[test]
fn a_size_that_the_data_does_not_have_is_refused_with_what_it_has() {
    let problem = Data::load(&DataOptions { training_size: Some(1001), ..options() }).err().unwrap();
    assert_eq!(problem.to_string(), "training size is 1001, expected 1 to 1000 for this data set");
}

#[test]
fn a_missing_file_is_named_with_the_way_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let problem = Data::load(&DataOptions { data: Some(folder.path().into()), ..options() }).err().unwrap().to_string();
    assert!(problem.starts_with("no digits.csv.gz in ") && problem.contains("cargo xtask setup"), "{problem}");
}

#[test]
fn a_file_cut_short_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(locate(options().data.as_deref(), "digits.csv.gz").unwrap()).unwrap();
    fs::write(folder.path().join("digits.csv.gz"), &whole[..whole.len() / 2]).unwrap();
    let problem = Data::load(&DataOptions { data: Some(folder.path().into()), ..options() }).err().unwrap();
    assert!(problem.to_string().starts_with("cannot unpack "), "{problem}");
}

#[test]
fn a_bad_line_is_named() {
    let layout = Layout { file: "", pixels: 2, brightest: 1.0, training: 1, validation: 1, test: 0 };
    let problem = |text: &str| format!("{:#}", parse(text.as_bytes(), &layout).err().unwrap());
    assert_eq!(problem("1,2,3\n1,2\n"), "line 2: expected 2 pixels and a label below 10");
    assert_eq!(problem("1,256,3\n"), "line 1: \"256\" is not a whole number up to 255");
    assert_eq!(problem("1,,3\n"), "line 1: \"\" is not a whole number up to 255");
    assert_eq!(problem("1,2,10\n"), "line 1: expected 2 pixels and a label below 10");
    assert_eq!(problem("1,2,3\n"), "1 lines, expected 2");
    assert_eq!(parse(b"1,2,3\n4,5,6", &layout).unwrap(), (vec![1, 2, 4, 5], vec![3, 6]));
}
