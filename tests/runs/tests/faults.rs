//! What trainers, disks and users do wrong, and what becomes of it.
#![allow(clippy::unwrap_used, missing_docs)]

use runs::{CURVES, Experiment, said, trajectories};
use tuning::Outcome;

/// A trainer in shell that reports `$BODY` at each of the steps given.
fn shell(steps: &str, body: &str, end: &str) -> String {
    format!(
        r#"curl -sf "$TRAINPILOT_URL/v1/trajectory" > /dev/null
           for step in {steps}; do
             curl -s -o answer-$$ -X POST -H 'content-type: application/json' "$TRAINPILOT_URL/v1/steps" -d '{body}' ; cat answer-$$; rm answer-$$
           done
           {end}"#
    )
}

const GOOD: &str =
    r#"{"step": '$step', "metrics": {"loss": 1.5, "score": 0.5}, "hyperparameters": {"learning_rate": 0.01}}"#;

fn attempt_says(experiment: &Experiment, path: &str) -> String {
    experiment.read(format!("batches/curves-r0-e1/{path}"))
}

#[test]
fn a_trainer_that_fails_at_once_uses_up_its_attempts_and_fails_the_run_with_its_words() {
    let experiment = Experiment::with_trainer("echo no GPU today >&2; exit 1");
    let output = experiment.run();
    assert!(!output.status.success());
    assert!(said(&output).contains("no GPU today"), "{}", said(&output));
    assert!(attempt_says(&experiment, "0-a1/failed").contains("after 0 env steps"));
}

#[test]
fn a_trainer_that_fails_at_step_3_is_tried_again_and_its_steps_stay_in_the_books() {
    let script = format!(
        "if [ ! -e once-$$ ] && mkdir first 2>/dev/null; then {}; fi; exec trainpilot-tasks curves",
        shell("0 1 2 3", GOOD, "exit 1")
    );
    let experiment = Experiment::with_trainer(&script);
    let output = experiment.run();
    assert!(output.status.success(), "{}", said(&output));
    let gathered = trajectories(&experiment, 1);
    assert_eq!(gathered.len(), 5, "four trajectories and one failed attempt");
    let lost: Vec<_> = gathered.iter().filter(|t| t.outcome == Some(Outcome::Lost)).collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].steps.len(), 4);
}

#[test]
fn a_trainer_that_hangs_is_ended_at_its_deadline() {
    let experiment = Experiment::with_trainer("sleep 600");
    experiment.rewrite(
        &CURVES
            .replace("[trainpilot-tasks, curves]", r#"["sleep", "600"]"#)
            .replace("deadlineSeconds: 60", "deadlineSeconds: 1")
            .replace("retries: 1", "retries: 0"),
    );
    let output = experiment.run();
    assert!(!output.status.success());
    assert!(attempt_says(&experiment, "0-a0/failed").contains("within 1 s"));
}

#[test]
fn a_metric_that_is_not_a_number_ends_the_trajectory_as_diverged() {
    let body = GOOD.replace("1.5", "NaN");
    let experiment = Experiment::with_trainer(&shell("0 1", &body, "exit 0"));
    let output = experiment.run();
    assert!(said(&output).contains("diverged"), "{}", said(&output));
    assert!(trajectories(&experiment, 1).iter().all(|t| t.outcome == Some(Outcome::Diverged)));
}

#[test]
fn wrong_reports_are_refused_with_what_was_expected_and_the_training_goes_on() {
    let wrong = r#"
        post() { curl -s -X POST -H 'content-type: application/json' "$TRAINPILOT_URL/v1/steps" -d "$1"; echo; }
        good() { post "{\"step\": $1, \"metrics\": {\"loss\": 1.5, \"score\": 0.5}, \"hyperparameters\": {\"learning_rate\": 0.01}}"; }
        good 0; good 0; good 2
        post '{"step": 1, "metrics": {"loss": 1.5, "scroe": 0.5}, "hyperparameters": {"learning_rate": 0.01}}'
        post '{"step": 1, "metrics": {"loss": "low", "score": 0.5}, "hyperparameters": {"learning_rate": 0.01}}'
        post "{\"step\": 1, \"junk\": \"$(head -c 100000 /dev/zero | tr '\0' x)\"}"
        for step in 1 2 3 4 5 6 7 8; do good $step; done"#;
    let experiment = Experiment::with_trainer(wrong);
    let output = experiment.run();
    assert!(output.status.success(), "{}", said(&output));
    let log = attempt_says(&experiment, "0-a0/trainer.log");
    for expected in ["step", "scroe", "loss"] {
        assert!(log.contains(expected), "{log}");
    }
    assert!(trajectories(&experiment, 1).iter().all(|t| t.outcome == Some(Outcome::Completed) && t.steps.len() == 9));
}

#[test]
fn values_that_the_trainer_did_not_apply_are_recorded_beside_those_it_was_told() {
    let body = GOOD.replace("0.01}", "0.5}");
    let experiment = Experiment::with_trainer(&shell("0 1 2 3 4 5 6 7 8", &body, "exit 0"));
    let output = experiment.run();
    assert!(output.status.success(), "{}", said(&output));
    let first = &trajectories(&experiment, 1)[0];
    assert!(first.steps.iter().all(|step| step.applied == [0.5]));
    assert!(first.steps.iter().all(|step| step.hyperparameters != [0.5]));
}

#[test]
fn a_training_that_ends_without_its_last_step_is_no_trajectory() {
    let experiment = Experiment::with_trainer(&shell("0 1 2", GOOD, "exit 0"));
    let output = experiment.run();
    assert!(!output.status.success());
    assert!(attempt_says(&experiment, "0-a0/failed").contains("after 2 env steps"));
}

#[test]
fn a_command_that_does_not_exist_is_refused_before_anything_starts() {
    let experiment = Experiment::new(&CURVES.replace("[trainpilot-tasks, curves]", "[no-such-trainer]"));
    let output = experiment.run();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("no-such-trainer"), "{}", said(&output));
}

#[test]
fn a_folder_that_can_not_be_written_is_named() {
    let experiment = Experiment::new(CURVES);
    // A file in the folder's place can't be written into, whoever runs the test.
    std::fs::write(experiment.dir(), "").unwrap();
    let output = experiment.run();
    assert!(!output.status.success());
    assert!(said(&output).contains("run's folder"), "{}", said(&output));
}

#[test]
fn a_port_that_is_taken_is_named() {
    let experiment = Experiment::new(CURVES);
    assert!(experiment.run().status.success());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut learner = std::process::Command::new(runs::programs().join("trainpilot-learner"));
    learner.arg("policy").arg("--config").arg(experiment.dir().join("repetition-0/config.json"));
    learner.arg("--storage").arg(experiment.dir().join("repetition-0"));
    learner.arg("--tls").arg(experiment.dir().join("tls/learner")).args(["--listen", &address]);
    let output = learner.output().unwrap();
    assert!(!output.status.success());
    assert!(said(&output).contains(&format!("can't listen on {address}")), "{}", said(&output));
}

#[test]
fn a_world_model_that_no_memory_holds_ends_the_run_with_what_libtorch_said() {
    let huge = "worldModel: {members: 64, dModel: 4096, dFf: 16384, layers: 64, ";
    let experiment =
        Experiment::new(&runs::simple().replace("worldModel: {members: 2, dModel: 16, dFf: 16, layers: 1, ", huge));
    // Without a limit a machine may promise more memory than it has, and then kill whoever takes it.
    let output = experiment.run_within(8 << 30);
    assert!(!output.status.success());
    let said = said(&output);
    assert!(said.contains("learning broke off") && said.contains("allocate"), "{said}");
}
