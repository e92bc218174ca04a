#![allow(clippy::unwrap_used)]
use tch::Device;

use super::*;
use crate::images::tests::{options, write_cifar};
use crate::images::{DataOptions, Dataset};
use crate::wide_resnet::Size;

/// Images that tell their label by their brightness.
fn data() -> Data {
    let folder = tempfile::tempdir().unwrap();
    write_cifar(folder.path(), 40);
    let options = DataOptions { holdout: 0.2, ..options(Dataset::Cifar10, folder.path()) };
    let mut data = Data::load(&options, Device::Cpu).unwrap();
    for split in [&mut data.training, &mut data.validation, &mut data.test] {
        split.labels =
            split.images.select(3, 0).select(2, 0).select(1, 0).to_kind(Kind::Int64).ge(20).to_kind(Kind::Int64);
    }
    data
}

const SLOWLY: Sgd = Sgd { learning_rate: 0.02, momentum: 0.9, weight_decay: 5e-4 };

fn few_steps() -> TrainingOptions {
    TrainingOptions { steps_per_env_step: 5, batch_size: 16, evaluation_batches: None, no_augmentation: true }
}

fn training<'a>(data: &'a Data, options: &'a TrainingOptions, start: Sgd) -> WideResNetTraining<'a> {
    let network = WideResNet::new(Size { depth: 10, width: 1 }, 3, 5, Device::Cpu, Kind::Float).unwrap();
    WideResNetTraining::new(data, network, options, start, 5).unwrap()
}

#[test]
fn a_training_learns_what_can_be_learned_and_the_same_seed_gives_the_same_numbers() {
    let (data, options) = (data(), few_steps());
    let run = || {
        let mut training = training(&data, &options, SLOWLY);
        let first = training.evaluate().unwrap();
        let rest: Vec<Values> = (0..6).map(|_| training.env_step().unwrap()).collect();
        (first, rest)
    };
    let (first, rest) = run();
    assert_eq!(first.len(), 6);
    assert!(first["test_loss"] > 0.6, "{first:?}");
    let last = rest.last().unwrap();
    assert!(last["training_loss"] < 0.25 && last["training_accuracy"] > 0.9, "{last:?}");
    assert_eq!(run(), (first, rest));
}

#[test]
fn what_is_steered_takes_effect_and_too_much_of_it_diverges() {
    let (data, options) = (data(), few_steps());
    let mut still = training(&data, &options, SLOWLY);
    *still.hyperparameter("learning_rate").unwrap() = 0.0;
    let before = still.network.weights.trainable_variables().iter().map(|w| w.copy()).collect::<Vec<_>>();
    still.env_step().unwrap();
    let unchanged =
        still.network.weights.trainable_variables().iter().zip(&before).all(|(now, before)| now.equal(before));
    assert!(unchanged, "at a learning rate of 0 nothing moves");
    assert!(still.hyperparameter("dropout").is_none());

    let mut wild = training(&data, &options, Sgd { learning_rate: 1e30, ..SLOWLY });
    let reason = (0..5).find_map(|_| wild.env_step().err()).unwrap();
    assert!(reason.contains("_loss is"), "{reason}");
}

#[test]
fn a_batch_larger_than_the_data_is_refused() {
    let data = data();
    let options = TrainingOptions { batch_size: 10_000, ..few_steps() };
    let network = WideResNet::new(Size { depth: 10, width: 1 }, 3, 5, Device::Cpu, Kind::Float).unwrap();
    let refused = WideResNetTraining::new(&data, network, &options, SLOWLY, 5).err().unwrap();
    assert!(refused.to_string().contains("batch size is 10000"));
}

#[test]
fn a_training_goes_on_from_a_checkpoint_to_the_bit_and_not_from_that_of_another() {
    let (data, options) = (data(), TrainingOptions { no_augmentation: false, ..few_steps() });
    let folder = tempfile::tempdir().unwrap();
    let mut whole = training(&data, &options, SLOWLY);
    (0..3).for_each(|_| drop(whole.env_step().unwrap()));
    whole.save(folder.path()).unwrap();
    let rest: Vec<Values> = (0..2).map(|_| whole.env_step().unwrap()).collect();
    let mut resumed = training(&data, &options, SLOWLY);
    resumed.restore(folder.path()).unwrap();
    assert_eq!((0..2).map(|_| resumed.env_step().unwrap()).collect::<Vec<_>>(), rest);

    let network = WideResNet::new(Size { depth: 10, width: 2 }, 3, 5, Device::Cpu, Kind::Float).unwrap();
    let mut other = WideResNetTraining::new(&data, network, &options, SLOWLY, 5).unwrap();
    let sentence = format!("{:#}", other.restore(folder.path()).unwrap_err());
    assert!(sentence.contains("is of another model: \"block0-0"), "{sentence}");
    let network = WideResNet::new(Size { depth: 10, width: 1 }, 3, 5, Device::Cpu, Kind::Float).unwrap();
    let mut later = WideResNetTraining::new(&data, network, &options, SLOWLY, 6).unwrap();
    let sentence = later.restore(folder.path()).unwrap_err().to_string();
    assert!(sentence.contains("its seed is 5, expected 6"), "{sentence}");
}
