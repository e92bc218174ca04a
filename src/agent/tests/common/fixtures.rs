//! A small experiment for tests and benches.

use serde_json::json;
use tuning::{Inputs, Problem, Random, Recipe};
use wire::agent::AgentConfig;
use wire::artifact::{self, Continuous, FORMAT, Header, Policy, Training};
use wire::trainer::StepReport;

/// One observed metric of each kind, one unobserved, a plain and a complemented hyperparameter.
pub fn problem(env_steps: u32) -> Problem {
    let value = json!({
        "objective": {"metric": "accuracy", "direction": "Maximize"},
        "metrics": [
            {"name": "loss", "range": [0, 10], "scale": "Log"},
            {"name": "accuracy", "range": [0, 1], "scale": "Logit"},
            {"name": "test_accuracy", "range": [0, 1], "observed": false},
        ],
        "hyperparameters": [
            {"name": "learning_rate", "initial": 0.01, "min": 1e-5, "max": 1.0},
            {"name": "momentum", "initial": 0.9, "min": 0.0, "max": 0.99, "complement": true},
        ],
        "multipliers": [0.5, 0.8, 0.95, 1.0, 1.05, 1.25, 2.0],
        "envSteps": env_steps,
    });
    serde_json::from_value(value).expect("the fixture is a problem")
}

/// An experiment of 3 env steps, in its first epoch.
pub fn config() -> AgentConfig {
    let value = json!({
        "experiment": "fixture", "uid": "fixture-uid", "problem": problem(3),
        "draws": {"seed": 1, "tasks": [{"name": "narrow", "weight": 1.0}, {"name": "wide", "weight": 2.0}], "group": 1},
        "repetition": 0, "epoch": 1, "finalEvaluation": false, "mode": "Sampled", "policyUpdates": "AtTrajectoryStart",
        "learner": "127.0.0.1:1", "policyWaitSeconds": 0.0,
    });
    serde_json::from_value(value).expect("the fixture is a configuration")
}

/// A report of `step` with this accuracy.
pub fn report(step: u32, accuracy: f64) -> StepReport {
    let body = json!({"step": step, "metrics": {"loss": 1.0, "accuracy": accuracy, "test_accuracy": 0.1}});
    serde_json::from_value(body).expect("the fixture is a report")
}

/// The network of the `default` preset.
pub const NETWORK: Continuous = Continuous { inputs: Inputs::ALL, d_model: 64, d_ff: 128, layers: 1, heads: 2 };

/// Weights of `shape`, uniform in [−gain, gain].
pub fn weights(shape: &Continuous, problem: &Problem, seed: u64, gain: f32) -> Vec<artifact::Tensor> {
    let mut random = Random::stream(seed, &[]);
    let mut draw =
        |shape: &[usize]| (0..shape.iter().product()).map(|_| gain * (2.0 * random.uniform() as f32 - 1.0)).collect();
    shape.tensors(problem).into_iter().map(|(name, shape)| (name, shape.clone(), draw(&shape))).collect()
}

/// An artifact of `policy`.
pub fn artifact(policy: Policy, problem: &Problem, tensors: &[artifact::Tensor]) -> Vec<u8> {
    let header = Header {
        format: FORMAT,
        experiment: "fixture".to_owned(),
        uid: "fixture-uid".to_owned(),
        repetition: 0,
        version: 1,
        policy,
        action_space: problem.action_space_hash(),
        problem: problem.clone(),
        training: Training::default(),
    };
    artifact::write(&header, tensors).expect("the fixture is an artifact")
}

/// An artifact of a network with such weights.
pub fn network(problem: &Problem, seed: u64, gain: f32) -> Vec<u8> {
    artifact(Policy::Continuous(NETWORK), problem, &weights(&NETWORK, problem, seed, gain))
}

/// An artifact of recipes with these starting learning rates.
pub fn recipes(problem: &Problem, rates: &[f64]) -> Vec<u8> {
    let schedules = vec![Default::default(); problem.hyperparameters.len()];
    let recipe = |rate: &f64| Recipe { starts: Some(vec![*rate, 0.5]), schedules: schedules.clone() };
    artifact(Policy::Recipes { recipes: rates.iter().map(recipe).collect() }, problem, &[])
}
