//! Whole runs: what they leave, and that it follows from the seed alone.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;

use runs::{CURVES, Experiment, learned, rows, said, trajectories};
use tuning::Outcome;

#[test]
fn a_run_ends_with_every_trajectory_stored_once_and_a_policy_for_every_epoch() {
    let experiment = Experiment::new(CURVES);
    let output = experiment.run();
    assert!(output.status.success(), "{}", said(&output));
    for epoch in 1..=3 {
        let gathered = trajectories(&experiment, epoch);
        assert_eq!(gathered.len(), 4, "epoch {epoch}");
        for trajectory in gathered {
            assert_eq!(trajectory.outcome, Some(Outcome::Completed));
            assert_eq!(trajectory.steps.len(), 9);
            assert!(trajectory.steps[..8].iter().all(|step| step.decision.is_some()));
        }
    }
    let versions: Vec<u64> =
        learned(&experiment).iter().map(|epoch| epoch["summary"]["policyVersion"].as_u64().unwrap()).collect();
    assert_eq!(versions, [1, 2, 3]);
    assert!(experiment.dir().join("repetition-0/policies/policy-000003.safetensors").exists());
}

#[test]
fn the_number_of_jobs_does_not_matter() {
    let one = Experiment::new(CURVES);
    let output = one.command(&["run", "experiment.yaml", "--dir", "run", "--jobs", "1"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let three = Experiment::new(CURVES);
    let output = three.command(&["run", "experiment.yaml", "--dir", "run", "--jobs", "3"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    for epoch in 1..=3 {
        assert_eq!(rows(&one, epoch), rows(&three, epoch), "epoch {epoch}");
    }
}

#[test]
fn a_finished_run_says_so_and_changes_nothing() {
    let experiment = Experiment::new(CURVES);
    assert!(experiment.run().status.success());
    let before = rows(&experiment, 3);
    let output = experiment.run();
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("already complete"), "{}", said(&output));
    assert_eq!(rows(&experiment, 3), before);
}

#[test]
fn a_changed_immutable_field_is_refused_by_name() {
    let experiment = Experiment::new(CURVES);
    assert!(experiment.run().status.success());
    experiment.rewrite(&CURVES.replace("seed: 7", "seed: 8"));
    let output = experiment.run();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("spec.seed"), "{}", said(&output));
}

#[test]
fn two_runs_in_one_folder_do_not_mix() {
    let experiment = Experiment::new(CURVES);
    let mut first = experiment.start();
    while !experiment.dir().join("lock").exists() {
        std::thread::yield_now();
    }
    let second = experiment.run();
    let ended_first = first.try_wait().unwrap().is_some();
    assert!(ended_first || !second.status.success());
    assert!(ended_first || said(&second).contains("another `trainpilot run`"), "{}", said(&second));
    assert!(first.wait().unwrap().success());
}

#[test]
fn machines_read_a_line_of_json_for_every_epoch() {
    let experiment = Experiment::new(CURVES);
    let output = experiment.command(&["run", "experiment.yaml", "--dir", "run", "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let epochs: Vec<u64> =
        lines.iter().filter(|line| line["event"] == "epoch").map(|line| line["epoch"].as_u64().unwrap()).collect();
    assert_eq!(epochs, [1, 2, 3]);
}

#[test]
fn baselines_go_through_the_same_loop() {
    for (algorithm, epochs) in [
        ("fixed: {schedule: {linear: {to: 0}}}", 1),
        ("random: {}", 1),
        ("search: {candidates: 4, finalists: 2, trials: 2}", 3),
    ] {
        let experiment = Experiment::new(&CURVES.replace("ppo: {epochs: 2, trajectoriesPerEpoch: 4}", algorithm));
        let output = experiment.run();
        assert!(output.status.success(), "{algorithm}: {}", said(&output));
        assert_eq!(trajectories(&experiment, epochs).len(), 4, "{algorithm}");
    }
}

#[test]
fn a_published_policy_is_applied_elsewhere_without_learning() {
    let source = Experiment::new(CURVES);
    assert!(source.run().status.success());
    let artifact = source.dir().join("repetition-0/policies/policy-000003.safetensors");
    let from = format!("policy: {{from: {{path: {:?}}}}}", artifact);
    let frozen = Experiment::new(&CURVES.replace("ppo: {epochs: 2, trajectoriesPerEpoch: 4}", &from));
    let output = frozen.run();
    assert!(output.status.success(), "{}", said(&output));
    // The same policy on the same seeds does the same.
    let learned: Vec<_> =
        trajectories(&source, 3).into_iter().map(|t| t.steps.last().unwrap().metrics.clone()).collect();
    let applied: Vec<_> =
        trajectories(&frozen, 1).into_iter().map(|t| t.steps.last().unwrap().metrics.clone()).collect();
    assert_eq!(learned, applied);
    fs::write(&artifact, &fs::read(&artifact).unwrap()[..100]).unwrap();
    let cut = Experiment::new(&CURVES.replace("ppo: {epochs: 2, trajectoriesPerEpoch: 4}", &from));
    let output = cut.run();
    assert!(!output.status.success());
    assert!(said(&output).contains("policy artifact"), "{}", said(&output));
}
