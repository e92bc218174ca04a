//! The program as somebody starts it who has no agent.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn idx(dimensions: &[u32], bytes: Vec<u8>) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dimensions.len() as u8];
    dimensions.iter().for_each(|size| file.extend(size.to_be_bytes()));
    file.extend(bytes);
    file
}

/// Forty images to train on and ten to test, of 8 × 8 pixels, as Fashion-MNIST names its files.
fn write_images(folder: &Path) {
    for (which, count) in [("train", 40_u32), ("t10k", 10)] {
        let pixels = (0..count * 64).map(|place| (place / 64 * 6 + place % 7) as u8).collect();
        fs::write(folder.join(format!("{which}-images-idx3-ubyte")), idx(&[count, 8, 8], pixels)).unwrap();
        let labels = (0..count).map(|n| (n % 10) as u8).collect();
        fs::write(folder.join(format!("{which}-labels-idx1-ubyte")), idx(&[count], labels)).unwrap();
    }
}

fn wide_resnet(folder: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainpilot-torch-tasks"));
    command.args(["wide-resnet", "--dataset", "idx", "--env-steps", "3", "--schedule", "linear", "--data"]).arg(folder);
    let small = [("DEPTH", "10"), ("WIDTH", "1"), ("BATCH_SIZE", "4"), ("STEPS_PER_ENV_STEP", "2")];
    command.envs(small.map(|(name, value)| (format!("WRN_{name}"), value)));
    command.args(more).env_remove("TRAINPILOT_URL").env("OMP_NUM_THREADS", "1").output().unwrap()
}

#[test]
fn alone_it_follows_a_schedule_and_the_same_seed_gives_the_same_lines() {
    let folder = tempfile::tempdir().unwrap();
    write_images(folder.path());
    let output = wide_resnet(folder.path(), &["--seed", "4"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let rates: Vec<f64> = lines.iter().map(|line| line["hyperparameters"]["learning_rate"].as_f64().unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert!(rates[1] > rates[2] && rates[2] > rates[3], "{rates:?}");
    for line in &lines {
        let metrics = line["metrics"].as_object().unwrap();
        let names: Vec<&str> = metrics.keys().map(String::as_str).collect();
        let [kinds, splits] = [["accuracy", "loss"].as_slice(), &["test", "training", "validation"]];
        let expected: Vec<String> =
            splits.iter().flat_map(|split| kinds.iter().map(move |kind| format!("{split}_{kind}"))).collect();
        assert_eq!(names, expected);
        assert!(metrics.values().all(|value| value.as_f64().is_some_and(f64::is_finite)), "{line}");
    }
    assert_eq!(wide_resnet(folder.path(), &["--seed", "4"]).stdout, text.as_bytes());
    assert_ne!(wide_resnet(folder.path(), &["--seed", "5"]).stdout, text.as_bytes());
}

#[test]
fn what_is_wrong_is_told_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |more: &[&str], sentence: &str| {
        let output = wide_resnet(folder.path(), more);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(sentence), "{more:?}: {stderr}");
    };
    refused(&[], "error: no data set in");
    write_images(folder.path());
    refused(&["--depth", "11"], "--depth is 11, expected 10, 16, 22, 28");
    refused(&["--batch-size", "400"], "batch size is 400");
    refused(&["--holdout", "1"], "from 0 up to, but not, 1");
}

fn language_model(folder: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainpilot-torch-tasks"));
    command.args(["language-model", "--env-steps", "2", "--data"]).arg(folder).args(more);
    let small = [("LAYERS", "2"), ("WIDTH", "16"), ("HEADS", "2"), ("FEED_FORWARD", "32"), ("CONTEXT", "16")];
    command.envs(small.map(|(name, value)| (format!("LM_{name}"), value)));
    command.envs([("LM_BATCH_SIZE", "4"), ("LM_STEPS_PER_ENV_STEP", "3"), ("TEXT_VOCABULARY_SIZE", "300")]);
    command.env_remove("TRAINPILOT_URL").env("OMP_NUM_THREADS", "1").output().unwrap()
}

#[test]
fn a_language_model_learns_from_text_and_from_pairs_and_two_processes_come_to_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let sentence = |n: usize| format!("this is the sentence number {n} .\n");
    for name in ["text.txt", "train.en", "train.de"] {
        fs::write(folder.path().join(name), (0..200).map(sentence).collect::<String>()).unwrap();
    }
    let vocabulary = folder.path().join("vocabulary.json");
    let pairs = ["--format", "parallel", "--context", "32", "--vocabulary-file", vocabulary.to_str().unwrap()];
    for more in [["--vocabulary", "word"].as_slice(), &["--dropouts", "per-layer"], &pairs] {
        let [first, second] = [(); 2].map(|()| language_model(folder.path(), more));
        assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
        assert_eq!(first.stdout, second.stdout);
        let text = String::from_utf8(first.stdout).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3);
        let steered = lines[0]["hyperparameters"].as_object().unwrap();
        let name = if more.contains(&"per-layer") { "layer1_hidden_dropout" } else { "last_hidden_dropout" };
        assert!(steered.len() == 9 && steered[name] == 0.1, "{steered:?}");
        assert!(lines[2]["metrics"]["test_loss"].as_f64().unwrap() < 7.0);
    }
    assert!(vocabulary.is_file());
    let other = language_model(folder.path(), &[&pairs[2..], &["--format", "plain"]].concat());
    let said = String::from_utf8_lossy(&other.stderr);
    assert!(!other.status.success() && said.contains("vocabulary.json is of"), "{said}");
}
