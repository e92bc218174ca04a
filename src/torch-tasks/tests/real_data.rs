//! Short trainings on real data come to an accuracy that only learning comes to.
//!
//! The data are those of Debian packages. Where one is not installed its test says so and ends, unless TRAINPILOT_REQUIRE_ALL is
//! set, as CI has it.
#![allow(clippy::unwrap_used)]

use std::env;
use std::process::Command;

use clap::Parser;
use serde_json::Value;
use tasks::data::Options;

#[derive(Parser)]
struct Data {
    #[command(flatten)]
    options: Options,
}

/// Accuracy on the test split, before and after a training on a data set that is prepared from its package; none where that is not
/// there.
fn trained_on(data: &str, task: &str, flags: &str) -> Option<[f64; 2]> {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let prepared = Data::parse_from(["data", data, "--to", place]).options.run();
    match &prepared {
        Err(error) if env::var_os("TRAINPILOT_REQUIRE_ALL").is_none() => {
            eprintln!("left out: {error:#}");
            return None;
        }
        prepared => assert!(prepared.is_ok(), "{prepared:?}"),
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainpilot-torch-tasks"));
    command.args([task, "--data", place, "--schedule", "linear", "--env-steps", "4"]).args(flags.split_whitespace());
    let output = command.env_remove("TRAINPILOT_URL").env("OMP_NUM_THREADS", "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let accuracies = [0, 4].map(|step| lines[step]["metrics"]["test_accuracy"].as_f64().unwrap());
    println!("{data}: {accuracies:?}");
    Some(accuracies)
}

/// A Transformer of 3 layers, for 400 steps.
const TRANSFORMER: &str = "--layers 3 --width 48 --heads 4 --feed-forward 192 --optimizer adamw --learning-rate 5e-3 \
                           --dropout 0 --batch-size 16 --steps-per-env-step 100 --evaluation-batches 16 --vocabulary-size 1000";

#[test]
fn a_wide_resnet_tells_clothes_apart() {
    let flags = "--dataset idx --depth 10 --width 1 --learning-rate 0.1 --batch-size 64 --steps-per-env-step 75 \
                 --evaluation-batches 16";
    if let Some([before, after]) = trained_on("fashion-mnist", "wide-resnet", flags) {
        assert!(before < 0.2 && after > 0.72, "{before} {after}");
    }
}

#[test]
fn a_language_model_reads_the_bible() {
    let flags = format!("{TRANSFORMER} --vocabulary word --context 32");
    if let Some([before, after]) = trained_on("kjv", "language-model", &flags) {
        // The most frequent word alone is right for 12 of 100.
        assert!(before < 0.05 && after > 0.22, "{before} {after}");
    }
}

#[test]
fn a_language_model_translates_what_programs_say() {
    let flags = format!("{TRANSFORMER} --format parallel --context 48");
    if let Some([before, after]) = trained_on("en-de", "language-model", &flags) {
        assert!(before < 0.05 && after > 0.1, "{before} {after}");
    }
}
