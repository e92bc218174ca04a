//! A small experiment, and trajectories of it that need no training.
#![allow(dead_code, reason = "each test uses a part")]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use learner::policy_learner::service;
use learner::{Learner, Storage, Strategy, WorldModelLearner};
use serde_json::json;
use tch::Device;
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tuning::{Decision, Outcome, Problem, Random, Step, Steps, TrajectoryKey};
use wire::http::{Listener, Peer};
use wire::learner::EpochOrder;
use wire::settings::{Algorithm, LearnerConfig, PpoSettings, Preset, SimpleSettings, WorldModelSettings};
use wire::tls::{Authority, Role};

/// Env steps of a trajectory.
pub const T: u32 = 4;

pub fn problem() -> Problem {
    let value = json!({
        "objective": {"metric": "score", "direction": "Maximize"},
        "metrics": [{"name": "loss", "range": [0, 10], "scale": "Log"}, {"name": "score", "range": [0, 1]}],
        "hyperparameters": [{"name": "learning_rate", "initial": 0.01, "min": 1e-4, "max": 1.0}],
        "multipliers": [0.5, 0.8, 0.95, 1.0, 1.05, 1.25, 2.0],
        "envSteps": T,
    });
    serde_json::from_value(value).unwrap()
}

/// Two epochs of three trajectories.
pub fn config(algorithm: Algorithm) -> LearnerConfig {
    LearnerConfig {
        experiment: "fixture".to_owned(),
        uid: "fixture-uid".to_owned(),
        problem: problem(),
        repetition: 0,
        seed: 1,
        epochs: 2,
        algorithm,
        publish: None,
    }
}

pub fn ppo() -> Algorithm {
    Algorithm::Ppo(PpoSettings { epochs: 2, trajectories_per_epoch: 3, ..PpoSettings::of(Preset::Default, false) })
}

/// As little of everything as there can be.
pub fn simple() -> Algorithm {
    let settings = SimpleSettings::of(Preset::Default, false);
    let world_model = WorldModelSettings {
        members: 2,
        d_model: 16,
        d_ff: 16,
        layers: 1,
        first_optimizer_steps: 30,
        optimizer_steps: 30,
        ..settings.world_model
    };
    Algorithm::Simple(Box::new(SimpleSettings {
        epochs: 2,
        trajectories_per_epoch: 3,
        simulated_epochs: 3,
        simulated_trajectories: 8,
        world_model,
        ..settings
    }))
}

/// The same with an override.
pub fn simple_with(change: impl FnOnce(&mut SimpleSettings)) -> Algorithm {
    let Algorithm::Simple(mut settings) = simple() else { unreachable!("it is simple") };
    change(&mut settings);
    Algorithm::Simple(settings)
}

/// Serves the learner, and has a world-model learner with a folder of its own beside it, if it needs one. Both end with the
/// runtime, as if they were killed.
pub fn train_beside(
    learner: &Arc<Learner>,
    config: &LearnerConfig,
    folder: &Path,
    runtime: &Runtime,
) -> Arc<WorldModelLearner> {
    let authority = Authority::new(&config.uid).unwrap();
    let identity = authority.issue(Role::Learner).unwrap();
    let _within = runtime.enter();
    let tcp = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = tcp.local_addr().unwrap().to_string();
    let listener = Listener::new(tcp, &identity).unwrap();
    let app = service::router(Arc::clone(learner)).into_make_service_with_connect_info::<Peer>();
    runtime.spawn(async move { axum::serve(listener, app).await });
    let handle = runtime.handle().clone();
    let place = folder.to_str().unwrap();
    let trainer = WorldModelLearner::open(config.clone(), place, &identity, &address, &handle).unwrap();
    let training = Arc::clone(&trainer);
    std::thread::spawn(move || {
        if let Err(error) = training.train_all(Device::Cpu, &handle) {
            training.fail(&error);
        }
    });
    trainer
}

pub fn open(config: &LearnerConfig, folder: &Path) -> (Arc<Learner>, Strategy) {
    open_at(config, folder.to_str().unwrap())
}

/// At a folder or a URL.
pub fn open_at(config: &LearnerConfig, place: &str) -> (Arc<Learner>, Strategy) {
    let strategy = Strategy::new(config, Device::Cpu, handle()).unwrap();
    Learner::open(config.clone(), Storage::open(place, handle()).unwrap(), strategy).unwrap()
}

/// What learners reach stores with, for as long as the tests run.
pub fn handle() -> &'static Handle {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    RUNTIME.handle()
}

pub fn order(epoch: u32, lost: &[u32]) -> EpochOrder {
    EpochOrder { epoch, trajectories: 3, lost: lost.to_vec() }
}

/// A whole trajectory, which depends on its key alone; `score` is where it ends.
pub fn steps(epoch: u32, index: u32, score: f64) -> Steps {
    let mut random = Random::stream(9, &[epoch.into(), index.into()]);
    let step = |step: u32| Step {
        step,
        metrics: vec![5.0 / f64::from(step + 1), score * f64::from(step) / f64::from(T)],
        hyperparameters: vec![0.01],
        applied: vec![0.01],
        decision: (step < T).then(|| Decision {
            actions: vec![random.below(7)],
            log_probabilities: vec![-(7_f32.ln())],
            value: Some(0.0),
            policy_version: epoch.into(),
            keep: None,
        }),
        elapsed_seconds: f64::from(step),
    };
    let steps = (0..=T).map(step).collect();
    let key = TrajectoryKey { repetition: 0, epoch, index, attempt: 0 };
    Steps { key, seed: index, task: String::new(), steps, outcome: Some(Outcome::Completed) }
}
