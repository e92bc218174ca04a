//! The world-model learner beside its policy learner, and what either makes of the other's faults.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::{config, handle, open, order, simple, simple_with, steps, train_beside};
use learn::{Simple, Trained, WorldModel};
use learner::{Learner, LearnerError, WorldModelLearner};
use tch::Device;
use tokio::runtime::Runtime;
use wire::learner::LearnerPhase;
use wire::settings::{Algorithm, LearnerConfig};

/// Both learners at work.
struct Pair {
    policy: Arc<Learner>,
    world_model: Arc<WorldModelLearner>,
    runtime: Runtime,
}

impl Pair {
    fn start(config: &LearnerConfig, folder: &Path) -> Self {
        let (policy, strategy) = open(config, folder);
        let runtime = Runtime::new().unwrap();
        let world_model = train_beside(&policy, config, &folder.join("world-model"), &runtime);
        let (learning, handle) = (Arc::clone(&policy), runtime.handle().clone());
        thread::spawn(move || {
            if let Err(error) = learning.learn_all(strategy, &handle) {
                learning.fail(&error);
            }
        });
        Self { policy, world_model, runtime }
    }

    fn gather(&self, epoch: u32) {
        self.policy.order(&order(epoch, &[])).unwrap();
        for index in 0..3 {
            self.policy.store(steps(epoch, index, 0.2 + 0.1 * f64::from(index))).unwrap();
        }
        until("the epoch is learned", || self.policy.state().epochs_learned >= epoch);
    }

    fn kill(self) {
        self.runtime.shutdown_background();
    }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(60), "waited a minute: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn version(config: &LearnerConfig, change: impl FnOnce(&mut Trained)) -> Vec<u8> {
    let (fit, refusal, scores) = (None, None, None);
    let mut trained = Trained { uid: config.uid.clone(), repetition: 0, epoch: 1, fit, refusal, scores, seconds: 0.0 };
    change(&mut trained);
    model(config).publish(&trained)
}

fn model(config: &LearnerConfig) -> WorldModel {
    let Algorithm::Simple(settings) = &config.algorithm else { unreachable!("it is simple") };
    Simple::world_model(config.problem.clone(), settings, 1, Device::Cpu).unwrap()
}

#[test]
fn every_epoch_gives_a_world_model_and_what_it_is_about_shows() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::start(&config(simple()), folder.path());
    (1..=2).for_each(|epoch| pair.gather(epoch));
    until("both versions are told of", || pair.world_model.state().epochs_trained == 2);
    assert_eq!((pair.world_model.state().fault, pair.world_model.state().failed), (None, false));
    let text = learner::world_model_learner::metrics::render(&pair.world_model);
    for line in [
        "epochs_trained 2\n",
        "optimizer_steps 30\n",
        "forecast_surprise ",
        "forecast_crps{env_steps=\"1\",metric=\"score\"} ",
        "forecast_calibration{quantile=\"0.5\"} ",
    ] {
        assert!(text.contains(&format!("trainpilot_world_model_{line}")), "no {line} in {text}");
    }
    for epoch in 1..=2 {
        let path = folder.path().join(format!("world-models/epoch-00000{epoch}.safetensors"));
        let trained = Trained::of(&fs::read(path).unwrap()).unwrap();
        assert_eq!(trained.fit.unwrap().trajectories, 2.0 * f64::from(epoch), "one of three is held out");
    }
    pair.kill();
}

#[test]
fn a_world_model_that_comes_twice_or_late_changes_nothing() {
    let (folder, config) = (tempfile::tempdir().unwrap(), config(simple()));
    let pair = Pair::start(&config, folder.path());
    (1..=2).for_each(|epoch| pair.gather(epoch));
    let path = folder.path().join("world-models/epoch-000001.safetensors");
    let before = fs::read(&path).unwrap();
    for bytes in [before.clone(), version(&config, |trained| trained.seconds = 7.0)] {
        assert_eq!(pair.policy.take_world_model(1, &bytes).unwrap().newest, 2);
    }
    assert_eq!(fs::read(&path).unwrap(), before);
    pair.kill();
}

#[test]
fn somebody_elses_world_model_a_damaged_one_and_one_ahead_of_its_time_are_refused() {
    let (folder, config) = (tempfile::tempdir().unwrap(), config(simple()));
    let (learner, _) = open(&config, folder.path());
    let refusal = |bytes: &[u8]| learner.take_world_model(1, bytes).unwrap_err().to_string();
    let early = refusal(&version(&config, |_| ()));
    assert!(early.contains("epoch 1 is not committed"), "{early}");
    let foreign = refusal(&version(&config, |trained| trained.repetition = 4));
    assert!(foreign.contains("(\"fixture-uid\", 0, 1)"), "{foreign}");
    let whole = version(&config, |_| ());
    let damaged = learner.take_world_model(1, &whole[..whole.len() - 9]).unwrap_err();
    assert!(matches!(damaged, LearnerError::Checkpoint(_)), "{damaged}");
}

#[test]
fn numbers_that_run_away_are_never_published_and_the_policy_learner_goes_on() {
    let too_fast = simple_with(|settings| settings.world_model.learning_rate = 1e30);
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::start(&config(too_fast), folder.path());
    (1..=2).for_each(|epoch| pair.gather(epoch));
    let fault = pair.world_model.state().fault.unwrap();
    assert!(fault.contains("not trained on epoch 2") && fault.contains("not finite"), "{fault}");
    assert_eq!(pair.policy.figures()["world_model_refused"], 1.0);
    assert!(!pair.policy.figures().contains_key("simulated_objective"), "there is nothing to simulate with");
    assert_eq!(pair.policy.state().phase, LearnerPhase::Idle);
    pair.kill();
}

#[test]
fn initial_data_are_trained_on_and_those_of_another_task_stop_both_learners_with_what_differs() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let pair = Pair::start(&config(simple()), first.path());
    pair.gather(1);
    pair.kill();
    let from = |settings: &mut wire::settings::SimpleSettings| {
        settings.initial_data.from = vec![first.path().to_str().unwrap().to_owned()];
        settings.initial_data.share = Some(0.5);
    };
    let with_initial = config(simple_with(from));
    let pair = Pair::start(&with_initial, second.path());
    pair.gather(1);
    assert_eq!(pair.policy.figures()["world_model_trajectories"], 4.0, "two of three, and two of three before");
    pair.kill();
    let mut other = with_initial;
    other.problem.metrics[0].name = "perplexity".to_owned();
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::start(&other, folder.path());
    until("both stop", || pair.world_model.state().failed && pair.policy.state().phase == LearnerPhase::Failed);
    for fault in [pair.world_model.state().fault.unwrap(), pair.policy.state().fault.unwrap()] {
        assert!(fault.contains("list of metrics is \"loss, score\", not \"perplexity, score\""), "{fault}");
    }
    pair.kill();
}

#[test]
fn a_folder_without_trajectories_is_no_initial_data() {
    let (folder, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let place = empty.path().to_str().unwrap().to_owned();
    let pair = Pair::start(&config(simple_with(|settings| settings.initial_data.from = vec![place])), folder.path());
    until("it stops", || pair.policy.state().phase == LearnerPhase::Failed);
    let fault = pair.policy.state().fault.unwrap();
    assert!(fault.contains("holds no trajectory to learn from"), "{fault}");
    pair.kill();
}

#[test]
fn an_experiment_without_a_world_model_has_no_learner_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let identity = wire::tls::Authority::new("fixture-uid").unwrap().issue(wire::tls::Role::Learner).unwrap();
    let error = WorldModelLearner::open(
        config(common::ppo()),
        folder.path().to_str().unwrap(),
        &identity,
        "127.0.0.1:1",
        handle(),
    );
    assert!(error.err().unwrap().to_string().contains("algorithm ppo has no world model"));
}
