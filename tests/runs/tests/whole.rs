//! Whole runs: what they leave, and that it follows from the seed alone.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;

use runs::{CURVES, Experiment, learned, rows, said, simple, trajectories};
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
fn what_a_run_publishes_another_applies() {
    let first = Experiment::new(&CURVES.replace("  algorithm:", "  publish: {name: good, to: shelf}\n  algorithm:"));
    assert!(first.run().status.success());
    let policy = first.dir().join("tuning-policy.yaml");
    let applied =
        CURVES.replace("ppo: {epochs: 2, trajectoriesPerEpoch: 4}", "policy: {from: {policyRef: {name: good}}}");
    let second = Experiment::new(&applied);
    let output = second.run();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("expected its file, with --policy FILE"), "{}", said(&output));
    let arguments = ["run", "experiment.yaml", "--dir", "run", "--policy", policy.to_str().unwrap()];
    let output = second.command(&arguments).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    // The same policy on the same seeds: the same final evaluation, but for the version's number.
    let actions = |experiment: &Experiment, epoch| -> Vec<_> {
        let steps = rows(experiment, epoch).into_iter().flat_map(|trajectory| trajectory.steps);
        steps.map(|step| (step.metrics, step.decision.map(|decision| decision.actions))).collect()
    };
    assert_eq!(actions(&first, 3), actions(&second, 1));
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

#[test]
fn a_world_model_may_begin_with_an_earlier_run_and_forecasts_its_trainings() {
    let first = Experiment::new(CURVES);
    assert!(first.run().status.success());
    let from = |yaml: &str| {
        yaml.replace("  finalEvaluation:", &format!("  initialData: {{from: [{:?}]}}\n  finalEvaluation:", first.dir()))
    };
    let second = Experiment::new(&from(&simple()));
    let output = second.run();
    assert!(output.status.success(), "{}", said(&output));
    let trained = |epoch: usize| learned(&second)[epoch]["figures"]["world_model_trajectories"].as_f64().unwrap();
    assert_eq!((trained(0), trained(1)), (9.0, 12.0), "three of four of each epoch, and of two before");
    let forecast = second.command(&["forecast", "run", "--from", "3", "--json"]).output().unwrap();
    assert!(forecast.status.success(), "{}", said(&forecast));
    let forecast: serde_json::Value = serde_json::from_slice(&forecast.stdout).unwrap();
    assert_eq!((&forecast["trainedOn"], &forecast["from"]), (&false.into(), &3.into()));
    assert_eq!(forecast["curves"][0]["quantiles"].as_array().unwrap().len(), 5);
    assert!(second.read("forecast.svg").contains("</svg>"));
    let none = second.command(&["forecast", "run", "--index", "9"]).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
    assert!(said(&none).contains("no index 9"), "{}", said(&none));
    let other = Experiment::new(&from(&simple()).replace("envSteps: 8", "envSteps: 9"));
    let output = other.run();
    assert!(!output.status.success());
    assert!(said(&output).contains("number of env steps is \"8\", not \"9\""), "{}", said(&output));
}

#[test]
fn curves_that_others_recorded_are_forecast_beside_a_power_law() {
    let experiment = Experiment::new(CURVES);
    let mut csv = "run,step,loss\n".to_owned();
    for run in 0..30 {
        for step in 0..12 {
            csv += &format!("c{run},{step},{}\n", (1.0 + 0.1 * f64::from(run)) / f64::from(step + 1));
        }
    }
    fs::create_dir_all(experiment.dir()).unwrap();
    fs::write(experiment.dir().join("curves.csv"), csv).unwrap();
    let forecast =
        experiment.command(&["forecast", "--data", "run/curves.csv", "--picture", "run/curves.svg"]).output().unwrap();
    assert!(forecast.status.success(), "{}", said(&forecast));
    let text = String::from_utf8(forecast.stdout).unwrap();
    assert!(
        text.starts_with("trained on 24 curves of 11 steps") && text.contains("6 others forecast from step 2 on"),
        "{text}"
    );
    assert!(experiment.read("curves.svg").contains("</svg>"));
    let wrong = experiment.command(&["forecast", "--data", "run/curves.csv", "--metrics", "gain"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(said(&wrong).contains("there is no column \"gain\": there are run, step, loss"), "{}", said(&wrong));
}
