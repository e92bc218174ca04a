//! A learner from its first order to the final evaluation, however often it is stopped on the way.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;
use std::path::Path;
use std::thread;

use common::{T, config, handle, open, order, ppo, problem, simple, steps, train_beside};
use learner::{Learner, LearnerError, Storage, Strategy};
use tch::Device;
use tokio::runtime::Runtime;
use tuning::{Decay, Recipe, RecipeSpace, Schedule};
use wire::artifact::{self, Policy};
use wire::learner::{LearnerPhase, LearnerState};
use wire::settings::{Algorithm, FrozenPolicy, LearnerConfig, SearchSettings};

/// Opens the learner, gives it these epochs, and closes it once it has them.
fn gather(config: &LearnerConfig, folder: &Path, epochs: std::ops::RangeInclusive<u32>) -> LearnerState {
    let (learner, strategy) = open(config, folder);
    let runtime = Runtime::new().unwrap();
    if matches!(config.algorithm, Algorithm::Simple(_)) {
        train_beside(&learner, config, &folder.join("world-model"), &runtime);
    }
    let state = thread::scope(|scope| {
        let (learner, runtime) = (&learner, &runtime);
        let last = *epochs.end();
        if last > config.epochs {
            scope.spawn(move || learner.learn_all(strategy, runtime.handle()).unwrap());
        } else {
            // The thread would wait for more: it is left behind as a killed process leaves it.
            let (learner, handle) = (std::sync::Arc::clone(learner), runtime.handle().clone());
            thread::spawn(move || learner.learn_all(strategy, &handle));
        }
        for epoch in epochs {
            learner.order(&order(epoch, &[])).unwrap();
            for index in 0..3 {
                learner.store(steps(epoch, index, 0.2 + 0.1 * f64::from(index))).unwrap();
            }
            while learner.state().epochs_learned < epoch {
                thread::yield_now();
            }
        }
        learner.state()
    });
    // Who serves lets go of the folder.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    state
}

#[test]
fn storage_that_another_experiment_of_the_name_left_is_not_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    gather(&config(ppo()), folder.path(), 1..=3);
    let again = |config: LearnerConfig| {
        let strategy = Strategy::new(&config, Device::Cpu, handle()).unwrap();
        let storage = Storage::open(folder.path().to_str().unwrap(), handle()).unwrap();
        Learner::open(config, storage, strategy).map(|(learner, _)| learner.state().epochs_learned)
    };
    let own = config(ppo());
    let other = LearnerConfig { uid: "another".to_owned(), ..own.clone() };
    let error = again(other).unwrap_err();
    assert!(matches!(error, LearnerError::Foreign { .. }), "{error:?}");
    assert!(error.to_string().contains(&own.uid) && error.to_string().contains("another"), "{error}");
    let other = LearnerConfig { repetition: own.repetition + 1, ..own.clone() };
    assert!(matches!(again(other), Err(LearnerError::Foreign { .. })));
    assert_eq!(again(own).unwrap(), 3);
}

fn files(folder: &Path, kind: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder.join(kind)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn every_epoch_gives_a_policy_and_the_final_evaluation_gives_none() {
    let folder = tempfile::tempdir().unwrap();
    let state = gather(&config(ppo()), folder.path(), 1..=3);
    assert_eq!((state.epochs_learned, state.policy_version), (3, 3));
    assert_eq!(state.env_steps_trained, 3 * 3 * u64::from(T));
    assert_eq!(state.epochs.iter().map(|epoch| epoch.policy_version).collect::<Vec<_>>(), [1, 2, 3]);
    assert!((state.epochs[0].mean.unwrap() - 0.3).abs() < 1e-12);
    assert_eq!(state.epochs[0].best, Some(0.4));
    let names: Vec<String> = files(folder.path(), "policies").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["policy-000001.safetensors", "policy-000002.safetensors", "policy-000003.safetensors"]);
    assert!(files(folder.path(), "journal").is_empty());
}

#[test]
fn prometheus_sees_what_was_learned_from_how_much_and_in_what_time() {
    let folder = tempfile::tempdir().unwrap();
    gather(&config(ppo()), folder.path(), 1..=3);
    let (learner, _) = open(&config(ppo()), folder.path());
    let text = learner::policy_learner::metrics::render(&learner);
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("trainpilot_learner_{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse::<f64>().unwrap()
    };
    assert_eq!((value("epochs_learned"), value("policy_version")), (3.0, 3.0));
    assert_eq!(value("dataset_rows"), 3.0 * 3.0 * f64::from(T + 1));
    assert_eq!(value("env_steps_trained"), 3.0 * 3.0 * f64::from(T));
    assert_eq!(value("fte"), 9.0);
    assert!(value("explained_variance").is_finite() && value("policy_loss").is_finite());
    assert!(value("storage_bytes") > value("storage_free_bytes"), "{text}");
    let last = format!(r#"trainpilot_learner_course_metric{{env_step="{T}",metric="score",quantile="0.5"}} "#);
    let median = text.lines().find_map(|line| line.strip_prefix(&last)).unwrap_or_else(|| panic!("no {last}: {text}"));
    assert!((median.parse::<f64>().unwrap() - value("objective_mean")).abs() < 0.11, "{median} of {text}");
    assert!(text.contains(r#"trainpilot_learner_course_hyperparameter{env_step="0","#), "{text}");
}

#[test]
fn prometheus_sees_how_good_the_world_model_is() {
    let folder = tempfile::tempdir().unwrap();
    gather(&config(simple()), folder.path(), 1..=3);
    let (learner, _) = open(&config(simple()), folder.path());
    let text = learner::policy_learner::metrics::render(&learner);
    for line in
        ["trainpilot_learner_forecast_coverage ", r#"trainpilot_learner_forecast_crps{env_steps="1",metric="score"} "#]
    {
        assert!(text.contains(line), "no {line} in {text}");
    }
    let learned: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.path().join("learned/epoch-000002.json")).unwrap()).unwrap();
    assert_eq!(learned["figures"]["world_model_trajectories"], 4.0, "two of three in each epoch");
    assert_eq!(learned["forecasts"]["trajectories"], 2);
    assert!(learned["figures"]["simulated_objective"].is_number() && learned["figures"]["refused"].is_null());
}

#[test]
fn a_learner_that_was_stopped_between_epochs_goes_on_with_identical_numbers() {
    for algorithm in [ppo(), simple()] {
        goes_on_between_epochs(&config(algorithm));
    }
}

fn goes_on_between_epochs(config: &LearnerConfig) {
    let (whole, stopped) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    gather(config, whole.path(), 1..=3);
    // A second learner opens a copy of what a killed one left: the lock of the first is still held.
    gather(config, stopped.path(), 1..=1);
    let copy = tempfile::tempdir().unwrap();
    for kind in ["checkpoints", "policies", "learned", "segments"] {
        fs::create_dir(copy.path().join(kind)).unwrap();
        for (name, bytes) in files(stopped.path(), kind) {
            fs::write(copy.path().join(kind).join(name), bytes).unwrap();
        }
    }
    gather(config, copy.path(), 2..=3);
    assert_eq!(files(whole.path(), "policies"), files(copy.path(), "policies"));
    assert_eq!(files(whole.path(), "checkpoints"), files(copy.path(), "checkpoints"));
}

#[test]
fn a_learner_that_died_after_any_write_of_an_epoch_repeats_it_to_the_bit() {
    for algorithm in [ppo(), simple()] {
        dies_after_any_write(&config(algorithm));
    }
}

fn dies_after_any_write(config: &LearnerConfig) {
    let whole = tempfile::tempdir().unwrap();
    gather(config, whole.path(), 1..=3);
    // What is there when it dies: the segment, the world model, the checkpoint, the policy, each without what follows.
    let kinds = ["segments", "world-models", "checkpoints", "policies"];
    for kept in (1..=kinds.len()).map(|count| &kinds[..count]) {
        let died = tempfile::tempdir().unwrap();
        for kind in kept {
            fs::create_dir(died.path().join(kind)).unwrap();
            for (name, bytes) in files(whole.path(), kind).into_iter().filter(|(name, _)| name.contains("000001")) {
                fs::write(died.path().join(kind).join(name), bytes).unwrap();
            }
        }
        gather(config, died.path(), 1..=3);
        assert_eq!(files(whole.path(), "policies"), files(died.path(), "policies"), "{kept:?}");
        assert_eq!(files(whole.path(), "learned").len(), 3);
    }
}

#[test]
fn what_was_stored_is_still_there_after_a_restart_and_may_be_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(ppo());
    {
        let (learner, _) = open(&config, folder.path());
        learner.order(&order(1, &[])).unwrap();
        assert!(learner.store(steps(1, 0, 0.5)).unwrap().ended);
    }
    let (learner, _) = open(&config, folder.path());
    assert!(learner.store(steps(1, 0, 0.5)).is_err(), "nothing is taken before the epoch is ordered again");
    let state = learner.order(&order(1, &[])).unwrap();
    assert_eq!(state.gathering.unwrap().ended, [0]);
    let stored = learner.store(steps(1, 0, 0.5)).unwrap();
    assert_eq!((stored.next_step, stored.ended), (T + 1, true));
    let mut other = steps(1, 0, 0.5);
    other.steps[1].metrics[0] += 1.0;
    assert!(matches!(learner.store(other), Err(LearnerError::Contradiction(_))));
}

#[test]
fn orders_out_of_turn_and_steps_of_others_are_refused_with_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let (learner, _) = open(&config(ppo()), folder.path());
    let error = learner.order(&order(2, &[])).unwrap_err().to_string();
    assert!(error.contains("epoch 1 is the next"), "{error}");
    learner.order(&order(1, &[])).unwrap();
    let mut foreign = steps(1, 0, 0.5);
    foreign.key.repetition = 1;
    let error = learner.store(foreign).unwrap_err().to_string();
    assert!(error.contains("repetition 0, not 1"), "{error}");
    assert!(learner.store(steps(1, 3, 0.5)).is_err(), "there is no index 3");
}

#[test]
fn a_lost_index_completes_an_epoch_and_an_epoch_without_any_trajectory_leaves_the_policy_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(ppo());
    let (learner, strategy) = open(&config, folder.path());
    let runtime = Runtime::new().unwrap();
    let (learning, handle) = (std::sync::Arc::clone(&learner), runtime.handle().clone());
    thread::spawn(move || learning.learn_all(strategy, &handle));
    learner.order(&order(1, &[])).unwrap();
    learner.order(&order(1, &[0, 1, 2])).unwrap();
    while learner.state().epochs_learned < 1 {
        thread::yield_now();
    }
    let state = learner.state();
    assert_eq!((state.epochs[0].lost, state.epochs[0].mean), (3, None));
    assert_eq!(learner.figures()["refused"], 1.0);
    let weights = |version| {
        artifact::read(&fs::read(folder.path().join(format!("policies/policy-00000{version}.safetensors"))).unwrap())
            .unwrap()
            .1
    };
    assert_eq!(weights(1), weights(2));
    assert_eq!(state.phase, LearnerPhase::Idle);
    runtime.shutdown_background();
}

#[test]
fn two_learners_never_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let _first = Storage::open(place, handle()).unwrap();
    assert!(matches!(Storage::open(place, handle()), Err(LearnerError::InUse(_))));
}

#[test]
fn a_search_tries_its_best_candidates_again_and_ends_with_one() {
    let space = RecipeSpace { decays: vec![Decay::Constant, Decay::Linear], starts: vec![[1e-3, 1e-1]] };
    let settings = SearchSettings { space, candidates: 3, finalists: 2, trials: 1 };
    let config = config(Algorithm::Search(settings));
    let folder = tempfile::tempdir().unwrap();
    gather(&config, folder.path(), 1..=3);
    let recipes = |version| {
        let bytes = fs::read(folder.path().join(format!("policies/policy-00000{version}.safetensors"))).unwrap();
        match artifact::read(&bytes).unwrap().0.policy {
            Policy::Recipes { recipes } => recipes,
            other => panic!("{other:?}"),
        }
    };
    // Index 2 is always the best. In the second epoch it shares the first finalist with index 0, and together they are as
    // good as index 1 with the other: the one that was ahead stays ahead.
    assert_eq!(recipes(1).len(), 3);
    assert_eq!(recipes(2), [recipes(1)[2].clone(), recipes(1)[1].clone()]);
    assert_eq!(recipes(3).len(), 1);
    assert_eq!(recipes(3)[0], recipes(2)[0]);
}

fn frozen(path: &str, sha256: Option<String>) -> Algorithm {
    Algorithm::Frozen(FrozenPolicy { place: path.to_owned(), sha256 })
}

#[test]
fn a_frozen_policy_of_another_problem_is_refused_with_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = Recipe { starts: None, schedules: vec![Schedule::default()] };
    let fixed = LearnerConfig { epochs: 0, ..config(Algorithm::Fixed(recipe)) };
    gather(&fixed, folder.path(), 1..=1);
    let path = folder.path().join("policies/policy-000001.safetensors").to_str().unwrap().to_owned();
    let mut other = problem();
    other.hyperparameters[0].max = 2.0;
    let misfit = LearnerConfig { problem: other, ..config(frozen(&path, None)) };
    let error = Strategy::new(&misfit, Device::Cpu, handle()).err().unwrap().to_string();
    assert!(error.contains("does not fit") && error.contains("learning_rate"), "{error}");
    let another = config(frozen(&path, Some("0".repeat(64))));
    let error = Strategy::new(&another, Device::Cpu, handle()).err().unwrap().to_string();
    assert!(error.contains("has another SHA-256 than the 000"), "{error}");
    fs::write(&path, &fs::read(&path).unwrap()[..40]).unwrap();
    let cut = config(frozen(&path, None));
    assert!(matches!(Strategy::new(&cut, Device::Cpu, handle()), Err(LearnerError::Artifact(_))));
}
