//! Kill -9 of every program at several moments: the run ends as if nothing had happened.
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::Command;
use std::time::Duration;

use runs::{CURVES, Experiment, descendants, learned, rows, said, simple, trajectories};
use tuning::Outcome;

/// A trainer slow enough to be killed: each env step takes some milliseconds.
fn slow() -> Experiment {
    Experiment::new(
        &CURVES
            .replace("[trainpilot-tasks, curves]", r#"[trainpilot-tasks, curves, --step-milliseconds, "20"]"#)
            .replace("retries: 1", "retries: 8"),
    )
}

fn kill(pid: u32) {
    let _ = Command::new("kill").args(["-9", &pid.to_string()]).output();
}

/// Whatever was killed, the books must say the same.
fn check(experiment: &Experiment) {
    for epoch in 1..=3 {
        let gathered = trajectories(experiment, epoch);
        let completed: Vec<u32> =
            gathered.iter().filter(|t| t.outcome == Some(Outcome::Completed)).map(|t| t.key.index).collect();
        assert_eq!(completed, [0, 1, 2, 3], "epoch {epoch}: every index once");
        let mut keys: Vec<_> = gathered.iter().map(|t| t.key).collect();
        keys.dedup();
        assert_eq!(keys.len(), gathered.len(), "epoch {epoch}: no attempt twice");
        assert!(gathered.iter().all(|t| t.steps.iter().zip(0..).all(|(step, n)| step.step == n)));
    }
    let versions: Vec<u64> =
        learned(experiment).iter().map(|epoch| epoch["summary"]["policyVersion"].as_u64().unwrap()).collect();
    assert_eq!(versions, [1, 2, 3], "versions never go down");
}

#[test]
fn the_run_itself_may_be_killed_at_any_moment() {
    for moment in [50, 300, 700, 1200] {
        let experiment = slow();
        let mut run = experiment.start();
        std::thread::sleep(Duration::from_millis(moment));
        let orphans = descendants(run.id());
        kill(run.id());
        run.wait().unwrap();
        runs::until("the children of a killed run end", || orphans.iter().all(|pid| !runs::alive(*pid)));
        let output = experiment.run();
        assert!(output.status.success(), "killed after {moment} ms: {}", said(&output));
        check(&experiment);
    }
}

#[test]
fn each_child_may_be_killed_again_and_again() {
    for program in ["trainpilot-agent", "trainpilot-tasks", "trainpilot-learner"] {
        let experiment = slow();
        let mut run = experiment.start();
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(250));
            if let Some(victim) = descendants(run.id()).into_iter().find(|pid| runs::program(*pid) == program) {
                kill(victim);
            }
        }
        assert!(run.wait().unwrap().success(), "{program}");
        check(&experiment);
    }
}

/// A training of 100 env steps whose trainer is killed twenty times: each time it goes on after its last checkpoint.
#[test]
fn a_training_with_checkpoints_that_is_killed_twenty_times_loses_at_most_an_env_step_each_time() {
    let trainer = r#"[trainpilot-tasks, curves, --step-milliseconds, "50", --checkpoints, "checkpoints"]"#;
    let experiment = Experiment::new(
        &CURVES
            .replace("[trainpilot-tasks, curves]", trainer)
            .replace("envSteps: 8", "envSteps: 100")
            .replace("retries: 1", "retries: 30")
            .replace("ppo: {epochs: 2, trajectoriesPerEpoch: 4}", "random: {}")
            .replace("{trajectories: 4}", "{trajectories: 1}"),
    );
    let mut run = experiment.start();
    let mut killed = 0;
    while killed < 20 && run.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(300));
        if let Some(victim) = descendants(run.id()).into_iter().find(|pid| runs::program(*pid) == "trainpilot-tasks") {
            kill(victim);
            killed += 1;
            runs::until("the killed trainer is gone", || !runs::alive(victim));
        }
    }
    assert!(run.wait().unwrap().success());
    let attempts = trajectories(&experiment, 1);
    let (whole, lost): (Vec<_>, Vec<_>) = attempts.iter().partition(|t| t.outcome == Some(Outcome::Completed));
    assert_eq!((whole.len(), whole[0].steps.len(), killed), (1, 101, 20));
    assert!(lost.iter().all(|t| t.env_steps() <= 1), "an attempt trained more than one env step for nothing");
    let trained: u64 = attempts.iter().map(tuning::Trajectory::env_steps).sum();
    assert!((100..=120).contains(&trained), "{trained} env steps");
    let mut values = whole[0].steps.windows(2);
    assert!(values.all(|pair| pair[0].elapsed_seconds < pair[1].elapsed_seconds), "the clock goes on");
    let left = std::fs::read_dir(experiment.dir().parent().unwrap().join("checkpoints")).unwrap().count();
    assert_eq!(left, 0, "checkpoints of a training that ended");
}

#[test]
fn ctrl_c_leaves_no_process_behind_and_nothing_is_lost() {
    let experiment = slow();
    let mut run = experiment.start();
    std::thread::sleep(Duration::from_millis(600));
    let children = descendants(run.id());
    let _ = Command::new("kill").args(["-INT", &run.id().to_string()]).output();
    run.wait().unwrap();
    assert!(children.iter().all(|pid| !runs::alive(*pid)), "children outlived the run");
    let output = experiment.run();
    assert!(output.status.success(), "{}", said(&output));
    check(&experiment);
}

/// One trains the world model, the other simulates: wherever either dies, what is learned is the same to the bit.
#[test]
fn learners_that_are_killed_while_they_train_or_simulate_learn_the_same() {
    let (whole, killed) = (Experiment::new(&simple()), Experiment::new(&simple()));
    let output = whole.run();
    assert!(output.status.success(), "{}", said(&output));
    let mut run = killed.start();
    let roles = ["policy", "world-model", "world-model", "policy", "world-model", "policy", "world-model", "policy"];
    for (pause, role) in [400, 300, 500, 400, 600, 700, 800, 500].into_iter().zip(roles) {
        std::thread::sleep(Duration::from_millis(pause));
        if let Some(learner) = descendants(run.id()).into_iter().find(|pid| runs::learner_role(*pid) == Some(role)) {
            kill(learner);
        }
    }
    assert!(run.wait().unwrap().success());
    check(&killed);
    for epoch in 1..=3 {
        assert_eq!(rows(&whole, epoch), rows(&killed, epoch), "epoch {epoch}");
    }
    assert_eq!(learned(&killed)[1]["figures"]["refused"], serde_json::Value::Null);
}
