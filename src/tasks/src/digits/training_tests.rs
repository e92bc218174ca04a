#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;
use crate::digits::data::DataOptions;
use crate::digits::data::tests::{bits, options};

const OPTIONS: TrainingOptions = TrainingOptions { steps_per_env_step: 10, batch_size: 8, width: 128 };
const START: Sgd = Sgd { learning_rate: 3e-3, momentum: 0.9, weight_decay: 1e-3 };

fn trained(data: &Data, seed: u64, env_steps: u32) -> Vec<Values> {
    let mut digits = Digits::new(data, &OPTIONS, START, seed).unwrap();
    let mut metrics = vec![digits.evaluate().unwrap()];
    metrics.extend((0..env_steps).map(|_| digits.env_step().unwrap()));
    metrics
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_does_not() {
    let data = Data::load(&options()).unwrap();
    let first = trained(&data, 7, 14);
    assert_eq!(first, trained(&Data::load(&options()).unwrap(), 7, 14));
    assert_ne!(first, trained(&data, 8, 14));
}

#[test]
fn a_training_learns_the_digits_in_spite_of_their_wrong_labels() {
    let metrics = trained(&Data::load(&options()).unwrap(), 1, 20);
    let (before, after) = (&metrics[0], &metrics[20]);
    for name in ["validation_accuracy", "test_accuracy"] {
        assert!(before[name] < 0.25 && after[name] > 0.8, "{name}: {} to {}", before[name], after[name]);
    }
    // Three labels in ten are wrong, so hardly more than seven in ten can be right.
    assert!(after["training_accuracy"] < 0.85, "{}", after["training_accuracy"]);
    assert!(after["test_loss"] < before["test_loss"] && after["training_loss"] < before["training_loss"]);
}

#[test]
fn each_pass_uses_every_image_at_most_once_and_leaves_out_what_does_not_fill_a_batch() {
    let data = Data::load(&DataOptions { training_size: Some(100), ..options() }).unwrap();
    let mut digits = Digits::new(&data, &OPTIONS, START, 0).unwrap();
    let mut pass = || {
        let batches: Vec<_> = (0..12).map(|_| data.training.rows(digits.passes.next_batch()).images).collect();
        batches.iter().flat_map(|images| images.rows().into_iter().map(bits)).collect::<Vec<_>>()
    };
    let (first, second) = (pass(), pass());
    for images in [&first, &second] {
        assert_eq!(images.iter().collect::<BTreeSet<_>>().len(), 96);
    }
    assert_ne!(first, second);
}

#[test]
fn before_training_the_images_of_the_first_env_step_are_evaluated() {
    let data = Data::load(&options()).unwrap();
    let mut still = Digits::new(&data, &OPTIONS, Sgd { learning_rate: 0.0, ..START }, 3).unwrap();
    let (before, after) = (still.evaluate().unwrap(), still.env_step().unwrap());
    assert_eq!(before["training_accuracy"], after["training_accuracy"]);
    assert!((before["training_loss"] - after["training_loss"]).abs() < 1e-5);
    assert_eq!(before["test_loss"], after["test_loss"]);
}

#[test]
fn an_absurd_learning_rate_diverges_and_says_in_which_metric() {
    let data = Data::load(&options()).unwrap();
    let mut digits = Digits::new(&data, &OPTIONS, Sgd { learning_rate: 1e12, ..START }, 0).unwrap();
    let reason = (0..20).find_map(|_| digits.env_step().err()).unwrap();
    assert_eq!(reason, "training_loss is NaN");
}

#[test]
fn a_batch_larger_than_the_training_set_is_refused() {
    let data = Data::load(&DataOptions { training_size: Some(20), ..options() }).unwrap();
    let options = TrainingOptions { batch_size: 21, ..OPTIONS };
    let problem = Digits::new(&data, &options, START, 0).err().unwrap();
    assert_eq!(problem.to_string(), "batch size is 21, expected at most the 20 training images");
}
