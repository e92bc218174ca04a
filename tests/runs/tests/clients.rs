//! The trainer's contract with the real agent, kept by three clients: Rust (`trainpilot-tasks curves`), curl with jq, and
//! Python. What happens when connections break is tested in `tasks`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::Output;

use runs::{CURVES, Experiment, said, trajectories};
use tuning::{Outcome, Step};

const PPO: &str = "ppo: {epochs: 1, trajectoriesPerEpoch: 2}";

const CLIENTS: [&str; 3] = ["rust", "shell", "python"];

/// An experiment of two epochs of two trajectories, without second attempts, whose trainer speaks through this client.
fn experiment(client: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let script = match client {
        "rust" => "exec trainpilot-tasks curves".to_owned(),
        "shell" => format!("exec sh '{root}/src/tasks/tests/trainer.sh'"),
        _ => format!("export PYTHONPATH='{root}/clients/python'; exec python3 -B '{root}/src/tasks/tests/trainer.py'"),
    };
    CURVES
        .replace("[trainpilot-tasks, curves]", &serde_json::to_string(&["sh", "-c", &script]).unwrap())
        .replace("ppo: {epochs: 2, trajectoriesPerEpoch: 4}", PPO)
        .replace("retries: 1", "retries: 0")
        .replace("{trajectories: 4}", "{trajectories: 2}")
}

/// The same with one epoch, of the final evaluation under a constant schedule.
fn fixed(client: &str) -> String {
    experiment(client).replace(PPO, "fixed: {}")
}

fn run(yaml: &str) -> (Experiment, Output) {
    let experiment = Experiment::new(yaml);
    let output = experiment.run();
    (experiment, output)
}

/// A run of PPO to its end; both scripts multiply a loss of 8 by 1 − learning rate in each env step.
fn trains_with_what_it_is_told(yaml: &str) {
    let (experiment, output) = run(yaml);
    assert!(output.status.success(), "{}", said(&output));
    let mut moves = 0;
    for epoch in 1..=2 {
        let gathered = trajectories(&experiment, epoch);
        assert_eq!(gathered.len(), 2, "epoch {epoch}");
        for trajectory in gathered {
            assert_eq!(trajectory.outcome, Some(Outcome::Completed));
            assert_eq!(trajectory.steps.iter().map(|step| step.step).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
            assert_eq!((trajectory.steps[0].metrics[0], trajectory.steps[0].applied[0]), (8.0, 0.01));
            for pair in trajectory.steps.windows(2) {
                moves += usize::from(follows(&pair[0], &pair[1]));
            }
        }
    }
    assert!(moves > 0, "the policy never moved the learning rate");
}

/// Checks that an env step was trained with the learning rate answered to the one before; says whether that had moved.
fn follows(before: &Step, after: &Step) -> bool {
    assert_eq!(after.applied, after.hyperparameters, "step {}", after.step);
    let loss = before.metrics[0] * (1.0 - after.applied[0]);
    // The last digit may be lost on the way through jq.
    assert!((after.metrics[0] - loss).abs() <= 1e-12 * loss, "step {}: {} is not {loss}", after.step, after.metrics[0]);
    assert!((after.metrics[1] - 1.0 / (1.0 + loss)).abs() < 1e-12, "step {}", after.step);
    after.applied != before.applied
}

#[test]
fn a_shell_script_with_curl_trains_with_what_it_is_told() {
    trains_with_what_it_is_told(&experiment("shell"));
}

#[test]
fn a_python_training_trains_with_what_it_is_told() {
    trains_with_what_it_is_told(&experiment("python"));
}

/// The same with metrics that the trainer shows and does not report.
fn shown() -> String {
    let sample = |kind: &str| format!(r#"from: {{prometheus: 'curve{{split="valid",kind="{kind}"}}'}}"#);
    experiment("python")
        .replace("trainer.py", "shows.py")
        .replace("range: [0, 10],", &format!("range: [0, 10], {},", sample("loss")))
        .replace("range: [0, 1]}", &format!("range: [0, 1], {}}}", sample("score")))
        .replace("envSteps: 8", "metricsPage: {port: 9100, path: /numbers}\n    envSteps: 8")
}

#[test]
fn metrics_that_a_training_shows_on_its_own_page_need_no_report() {
    trains_with_what_it_is_told(&shown());
}

#[test]
fn a_page_without_what_is_wanted_is_told_of_with_what_it_has() {
    let wrong =
        shown().replace(r#"kind="loss""#, r#"kind="error""#).replace("deadlineSeconds: 60", "deadlineSeconds: 3");
    let (experiment, output) = run(&wrong.replace(PPO, "fixed: {}"));
    assert!(!output.status.success());
    let log = experiment.read("batches/curves-r0-e1/0-a0/agent.log");
    let sentence = "/numbers: it has no curve{split=\"valid\",kind=\"error\"} for loss: it has curve{kind=\"loss\",split=\"valid\"} and ";
    assert!(log.contains(sentence) || log.replace('\\', "").contains(sentence), "{log}");
}

#[test]
fn the_sentence_of_a_refusal_reaches_the_one_who_runs_the_experiment() {
    let sentence = "unknown metric \"score\", expected loss, accuracy";
    for client in CLIENTS {
        let (experiment, output) =
            run(&fixed(client).replace("name: score", "name: accuracy").replace("metric: score", "metric: accuracy"));
        assert!(!output.status.success(), "{client}");
        let log = experiment.read("batches/curves-r0-e1/0-a0/trainer.log");
        assert!(log.contains(sentence), "{client}: {log}");
        assert!(said(&output).contains(sentence), "{client}: {}", said(&output));
        assert!(experiment.read("batches/curves-r0-e1/0-a0/failed").contains("after 0 env steps"), "{client}");
    }
}

#[test]
fn a_divergence_is_an_outcome_and_not_a_failure_of_the_trainer() {
    for client in CLIENTS {
        let (experiment, output) =
            run(&fixed(client).replace("initial: 0.01, min: 1e-4, max: 1", "initial: 1e9, min: 1e-4, max: 1e10"));
        assert!(output.status.success(), "{client}: {}", said(&output));
        let gathered = trajectories(&experiment, 1);
        assert_eq!(gathered.len(), 2, "{client}: none is tried again");
        for trajectory in gathered {
            assert_eq!(trajectory.outcome, Some(Outcome::Diverged), "{client}");
            assert_eq!(trajectory.steps.len(), 1, "{client}: the step that came to nothing has no metrics");
        }
    }
}

#[test]
fn a_hyperparameter_that_the_training_does_not_have_is_named() {
    let (_, output) = run(&fixed("rust").replace("name: learning_rate", "name: momentum"));
    assert!(!output.status.success());
    let sentence = "\"momentum\", which this training does not have; it has learning_rate";
    assert!(said(&output).contains(sentence), "{}", said(&output));
}
