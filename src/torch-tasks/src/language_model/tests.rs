#![allow(clippy::unwrap_used)]
use std::fs;

use tch::Device;

use super::*;
use crate::language_model::{Choice, Grouping};
use crate::text::Format;
use crate::text::tests::{folder, options as text_options};

const SIZE: Size = Size { layers: 2, width: 32, heads: 2, feed_forward: 64, context: 16, tied: false };
const START: Hyperparameters = Hyperparameters { learning_rate: 3e-3, weight_decay: 1e-5, dropout: 0.1 };

/// Sentences that can be learned: what is counted says what comes next.
fn text() -> Text {
    let words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let sentence = |n: usize| (0..6).map(|k| words[(n + k * (1 + n % 3)) % 10]).collect::<Vec<_>>().join(" ") + " .\n";
    let folder = folder(&[("text.txt", &(0..400).map(|n| sentence(n * 7 + n / 10)).collect::<String>())]);
    Text::load(&text_options(Format::Plain, folder.path()), SIZE.context as usize).unwrap()
}

fn pairs() -> Text {
    let english: String = (0..60).map(|n| format!("w{} w{}\n", n % 10, n / 10)).collect();
    let german: String = (0..60).map(|n| format!("v{} v{}\n", n / 10, n % 10)).collect();
    let folder = folder(&[("train.en", &english), ("train.de", &german)]);
    Text::load(&text_options(Format::Parallel, folder.path()), SIZE.context as usize).unwrap()
}

fn options(optimizer: Choice) -> TrainingOptions {
    TrainingOptions {
        steps_per_env_step: 5,
        batch_size: 8,
        evaluation_batches: Some(2),
        optimizer,
        dropouts: Grouping::Grouped,
    }
}

fn training<'a>(text: &'a Text, options: &'a TrainingOptions, size: Size, seed: u64) -> LanguageModelTraining<'a> {
    let network = Transformer::new(size, text.vocabulary.size(), seed, Device::Cpu, Kind::Float).unwrap();
    LanguageModelTraining::new(text, network, size, options, START, seed).unwrap()
}

#[test]
fn a_training_learns_what_can_be_learned_and_the_same_seed_gives_the_same_numbers() {
    let text = text();
    let options = TrainingOptions { steps_per_env_step: 40, ..options(Choice::Adamw) };
    let run = || {
        let mut training = training(&text, &options, SIZE, 4);
        let first = training.evaluate().unwrap();
        (first, (0..8).map(|_| training.env_step().unwrap()).collect::<Vec<Values>>())
    };
    let (first, rest) = run();
    assert_eq!(first.len(), 6);
    let fresh = (text.vocabulary.size() as f64).ln();
    assert!((first["validation_loss"] - fresh).abs() < 0.05 * fresh, "{first:?}");
    // The first two words of seven can only be guessed.
    let last = rest.last().unwrap();
    assert!(last["validation_accuracy"] > 0.65 && last["validation_loss"] < 1.0, "{last:?}");
    assert_eq!(run(), (first, rest));
}

/// The loss on the one batch of these rows that is left after so many steps on it, without dropouts.
fn overfitted(text: &Text, optimizer: Choice, learning_rate: f64, steps: u32) -> (f64, f64) {
    let options = options(optimizer);
    let mut training = training(text, &options, SIZE, 4);
    (training.learning_rate, training.weight_decay) = (learning_rate, 0.0);
    training.dropouts.fill(0.0);
    let rows: Vec<usize> = (0..8).collect();
    let batch = text.training.batches(&[rows], Device::Cpu).remove(0);
    let sums: Vec<Tensor> = (0..steps).map(|_| training.step(&batch)).collect();
    let [first, last] = [0, sums.len() - 1].map(|at| mean(&Some(sums[at].shallow_clone())));
    assert!(first.loss > 2.0, "{first:?}");
    (last.loss, last.accuracy)
}

#[test]
fn one_batch_is_learned_by_heart_by_either_optimizer_from_text_and_from_pairs() {
    let (text, pairs) = (text(), pairs());
    for (text, optimizer, learning_rate) in
        [(&text, Choice::Adamw, 1e-2), (&pairs, Choice::Adamw, 1e-2), (&pairs, Choice::Adafactor, 1e-1)]
    {
        let (loss, accuracy) = overfitted(text, optimizer, learning_rate, 150);
        assert!(loss < 0.1 && accuracy > 0.97, "{optimizer:?}: {loss} {accuracy}");
    }
}

#[test]
fn of_a_pair_what_is_said_of_the_source_does_not_count() {
    let text = pairs();
    let batch = text.training.batches(&[vec![0, 1]], Device::Cpu).remove(0);
    let (b, t) = batch.inputs.size2().unwrap();
    let v = text.vocabulary.size() as i64;
    let logits = Tensor::arange(b * t * v, (Kind::Float, Device::Cpu)).sin().view([b, t, v]);
    let other = logits.copy();
    // w, w and the separator: of the first two nothing counts, and w w is two tokens.
    let _ = other.narrow(1, 0, 2).fill_(5.0);
    let sums = |logits| measured(logits, &batch).1;
    assert!(sums(&logits).equal(&sums(&other)));
    let _ = other.narrow(1, 2, 1).cos_();
    assert!(!sums(&logits).equal(&sums(&other)));
    assert_eq!(sums(&logits).double_value(&[2]), 2.0 * 3.0, "two words and the end");
}

#[test]
fn what_goes_on_from_a_checkpoint_is_what_was_never_interrupted() {
    let text = text();
    for optimizer in [Choice::Adamw, Choice::Adafactor] {
        let options = options(optimizer);
        let folder = tempfile::tempdir().unwrap();
        let mut whole = training(&text, &options, SIZE, 4);
        whole.env_step().unwrap();
        whole.env_step().unwrap();
        whole.save(folder.path()).unwrap();
        let expected = [(); 3].map(|()| whole.env_step().unwrap());
        let mut resumed = training(&text, &options, SIZE, 4);
        // Wherever it was before.
        resumed.env_step().unwrap();
        resumed.restore(folder.path()).unwrap();
        assert_eq!([(); 3].map(|()| resumed.env_step().unwrap()), expected, "{optimizer:?}");
    }
}

#[test]
fn a_checkpoint_of_another_training_is_refused_by_the_field_that_differs() {
    let (text, options, folder) = (text(), options(Choice::Adamw), tempfile::tempdir().unwrap());
    training(&text, &options, SIZE, 4).save(folder.path()).unwrap();
    let refused = |text: &Text, options: &TrainingOptions, size, seed| {
        format!("{:#}", training(text, options, size, seed).restore(folder.path()).unwrap_err())
    };
    let said = refused(&text, &options, Size { width: 16, ..SIZE }, 4);
    assert!(said.contains("its size is") && said.contains(r#""width":32"#) && said.contains(r#""width":16"#), "{said}");
    assert!(refused(&text, &options, SIZE, 5).contains("its seed is 4, expected 5"));
    let adafactor = TrainingOptions { optimizer: Choice::Adafactor, ..options.clone() };
    assert!(refused(&text, &adafactor, SIZE, 4).contains(r#"its optimizer is "adamw", expected "adafactor""#));
    assert!(refused(&pairs(), &options, SIZE, 4).contains("of another training: its rows is"));
    fs::remove_file(folder.path().join(MOMENTS)).unwrap();
    assert!(refused(&text, &options, SIZE, 4).contains("moments.safetensors is missing or damaged"));
    fs::write(folder.path().join("state.json"), "{").unwrap();
    assert!(refused(&text, &options, SIZE, 4).contains("state.json is damaged"));
}

#[test]
fn what_is_steered_takes_effect_and_too_much_of_it_diverges() {
    let (text, options) = (text(), options(Choice::Adamw));
    let mut still = training(&text, &options, SIZE, 4);
    assert_eq!(still.hyperparameters().len(), 2 + 1 + 2 * 3);
    assert_eq!(START.values(SIZE.layers, options.dropouts).into_keys().collect::<Vec<_>>(), {
        let mut names = still.hyperparameters();
        names.sort();
        names
    });
    *still.hyperparameter("learning_rate").unwrap() = 0.0;
    let before = still.evaluate().unwrap();
    let after = still.env_step().unwrap();
    assert_eq!(before["validation_loss"], after["validation_loss"], "at a learning rate of 0 nothing moves");
    still.dropouts.fill(0.9);
    let dropped = still.env_step().unwrap();
    assert!(dropped["training_loss"] != after["training_loss"]);
    assert_eq!(dropped["validation_loss"], after["validation_loss"], "dropouts are for training");
    *still.hyperparameter("last_output_dropout").unwrap() = 1.5;
    assert_eq!(still.env_step().unwrap_err(), "last_output_dropout is 1.5, expected 0 to 1");
    assert!(still.hyperparameter("momentum").is_none());

    let mut wild = training(&text, &options, SIZE, 4);
    wild.learning_rate = 1e30;
    let reason = (0..5).find_map(|_| wild.env_step().err()).unwrap();
    assert!(reason.contains("_loss is"), "{reason}");
}

#[test]
fn a_batch_larger_than_the_text_is_refused() {
    let (text, options) = (text(), TrainingOptions { batch_size: 10_000, ..options(Choice::Adamw) });
    let network = Transformer::new(SIZE, text.vocabulary.size(), 4, Device::Cpu, Kind::Float).unwrap();
    let refused = LanguageModelTraining::new(&text, network, SIZE, &options, START, 4).err().unwrap();
    assert!(refused.to_string().contains("--batch-size is 10000, expected at most the"), "{refused}");
}
