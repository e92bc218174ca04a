//! What is wrong with a spec is said by field, with the value and what was expected.
#![allow(clippy::unwrap_used)]

use api::{TuningExperiment, check_update, validate};

mod refused;

use refused::{BASE, END, PPO, TABLE};

/// The base with `from` replaced by `to`, and everything that is said about it.
fn refusals(from: &str, to: &str) -> String {
    assert!(BASE.contains(from), "{from:?} is not in the base");
    let violations = validate(&BASE.replacen(from, to, 1)).err().unwrap_or_default();
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_mistake_is_named_with_its_field_and_what_was_expected() {
    let mut wrong = Vec::new();
    for (from, to, expected) in TABLE {
        let said = refusals(from, to);
        if said != *expected {
            wrong.push(format!("{to}\n  expected {expected}\n  said     {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_base_is_valid() {
    assert_eq!(validate(BASE).err(), None);
}

#[test]
fn text_that_is_no_yaml_is_refused_with_line_and_column() {
    let said = validate("spec:\n  metrics: [").unwrap_err()[0].to_string();
    assert!(said.contains("line 2"), "{said}");
    let said = validate("kind: a\nkind: b\n").unwrap_err()[0].to_string();
    assert!(said.contains("duplicate") && said.contains("line 2"), "{said}");
}

#[test]
fn a_group_is_checked_against_the_presets_of_a_distribution() {
    let ranged = BASE.replace("initial: 0.01,", "initialRange: [0.001, 0.1],");
    assert_eq!(validate(&ranged).err(), None);
    let said = validate(&ranged.replace(PPO, "ppo: {trajectoriesPerEpoch: 20}")).unwrap_err()[0].to_string();
    assert_eq!(said, "spec.algorithm.ppo.group: group is 8: expected a divisor of trajectoriesPerEpoch, which is 20");
    assert_eq!(validate(&ranged.replace(PPO, "ppo: {preset: talk, trajectoriesPerEpoch: 20}")).err(), None);
}

fn updates(from: &str, to: &str) -> Vec<String> {
    assert!(BASE.contains(from), "{from:?} is not in the base");
    let read = |yaml: &str| -> TuningExperiment { validate(yaml).unwrap() };
    let refused = check_update(&read(BASE), &read(&BASE.replacen(from, to, 1))).err().unwrap_or_default();
    refused.iter().map(ToString::to_string).collect()
}

#[test]
fn what_an_experiment_was_made_with_cannot_be_changed() {
    let table = [
        (END, "  seed: 2\n  algorithm:", "spec.seed"),
        (END, "  repetitions: 2\n  algorithm:", "spec.repetitions"),
        ("{metric: accuracy}", "{metric: loss}", "spec.objective.metric"),
        ("range: [0, 10]", "range: [0, 9]", "spec.metrics[0].range[1]"),
        ("initial: 0.9", "initial: 0.8", "spec.hyperparameters[1].initial"),
        (END, "  multipliers: [1, 2]\n  algorithm:", "spec.multipliers"),
        ("envSteps: 20", "envSteps: 21", "spec.trajectory.envSteps"),
        ("command: [train]", "command: [train, harder]", "spec.trajectory.template.spec.containers[0].command"),
        ("command: [train]", "command: [train], image: other", "spec.trajectory.template.spec.containers[0].image"),
        (PPO, "ppo: {epochs: 3}", "spec.algorithm.ppo.epochs"),
        (PPO, "random: {}", "spec.algorithm"),
        (END, "  learners: {policy: {nodeSelector: {pool: a}}}\n  algorithm:", "spec.learners.policy"),
        (END, "  finalEvaluation: {trajectories: 5}\n  algorithm:", "spec.finalEvaluation.trajectories"),
        (END, "  policyUpdates: Immediate\n  algorithm:", "spec.policyUpdates"),
        (END, "  retain: Volumes\n  algorithm:", "spec.retain"),
    ];
    for (from, to, field) in table {
        let expected = format!("{field}: cannot be changed: expected what the experiment was made with");
        assert_eq!(updates(from, to), [expected], "{to}");
    }
}

#[test]
fn how_an_experiment_runs_can_be_changed() {
    for changed in ["suspend: true", "parallelism: 3", "budget: {trajectories: 5, hours: 1.5}"] {
        assert_eq!(updates(END, &format!("  {changed}\n  algorithm:")), [""; 0], "{changed}");
    }
    assert_eq!(updates("name: small", "name: small, labels: {a: b}"), [""; 0]);
}
