//! A small problem, and trajectories of it: fixed ones, and any that proptest can think of.
#![allow(clippy::unwrap_used, dead_code, reason = "each test file uses a part of this one")]

use dataset::{Dataset, Identity, Steps};
use proptest::prelude::*;
use tuning::{Decision, Keep, Outcome, Problem, Step, Trajectory, TrajectoryKey};

/// Two metrics, two hyperparameters, three multipliers, five env steps.
pub fn problem() -> Problem {
    serde_json::from_value(serde_json::json!({
        "objective": {"metric": "accuracy"},
        "metrics": [{"name": "accuracy", "range": [0, 1]}, {"name": "loss, training", "range": [0, 10]}],
        "hyperparameters": [
            {"name": "learning_rate", "initial": 0.1, "min": 1e-5, "max": 1},
            {"name": "momentum", "initial": 0.9, "min": 0.0, "max": 0.99, "complement": true},
        ],
        "multipliers": [0.5, 1.0, 2.0],
        "envSteps": 5,
    }))
    .unwrap()
}

pub fn identity() -> Identity {
    Identity { experiment: "digits".into(), uid: "6f1c".into(), repetition: 2, problem: problem() }
}

pub fn open(folder: &std::path::Path) -> Dataset {
    Dataset::open(folder.to_str().unwrap(), identity()).unwrap()
}

pub fn key(epoch: u32, index: u32, attempt: u32) -> TrajectoryKey {
    TrajectoryKey { repetition: 2, epoch, index, attempt }
}

/// An observation whose numbers depend on all arguments.
pub fn step(key: TrajectoryKey, step: u32) -> Step {
    let x = f64::from(1 + key.epoch + 10 * key.index + 100 * key.attempt) / f64::from(3 + step);
    let decision = Decision {
        actions: vec![(step % 3) as usize, (key.index % 3) as usize],
        log_probabilities: vec![-x as f32, -0.1],
        value: Some(x as f32 / 7.0),
        policy_version: u64::from(key.epoch),
        keep: None,
    };
    let applied = vec![x, 0.9];
    Step {
        step,
        metrics: vec![1.0 / x, x.sqrt()],
        hyperparameters: applied.clone(),
        applied,
        decision: (step < 5).then_some(decision),
        elapsed_seconds: 0.1 * f64::from(step),
    }
}

pub fn trajectory(epoch: u32, index: u32, attempt: u32, steps: u32, outcome: Outcome) -> Trajectory {
    let key = key(epoch, index, attempt);
    let steps = (0..steps).map(|number| step(key, number)).collect();
    Trajectory { key, seed: 17 + index, task: "wide, größer".into(), outcome: Some(outcome), steps }
}

/// Completed, diverged, superseded, lost, and lost without a trace.
pub fn epoch(epoch: u32) -> Vec<Trajectory> {
    vec![
        trajectory(epoch, 0, 0, 6, Outcome::Completed),
        trajectory(epoch, 1, 0, 3, Outcome::Lost),
        trajectory(epoch, 1, 1, 6, Outcome::Completed),
        trajectory(epoch, 2, 0, 4, Outcome::Diverged),
        trajectory(epoch, 3, 0, 2, Outcome::Lost),
        trajectory(epoch, 3, 1, 0, Outcome::Lost),
        trajectory(epoch, 4, 0, 0, Outcome::Lost),
    ]
}

pub fn told(trajectory: &Trajectory) -> Steps {
    let Trajectory { key, seed, task, outcome, steps } = trajectory.clone();
    Steps { key, seed, task, steps, outcome }
}

/// Any finite number: zeros of both signs, subnormal ones and huge ones too.
fn number() -> impl Strategy<Value = f64> {
    use prop::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO
}

fn single() -> impl Strategy<Value = f32> {
    use prop::num::f32::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO
}

fn any_decision() -> impl Strategy<Value = Decision> {
    let keep = prop::option::of(prop::sample::select(Keep::ALL.to_vec()));
    let log_probabilities = prop_oneof![Just(Vec::new()), prop::collection::vec(single(), 2)];
    let actions = prop::collection::vec(0..3_usize, 2);
    (actions, log_probabilities, prop::option::of(single()), any::<u64>(), keep).prop_map(
        |(actions, log_probabilities, value, policy_version, keep)| Decision {
            actions,
            log_probabilities,
            value,
            policy_version,
            keep,
        },
    )
}

fn any_step() -> impl Strategy<Value = Step> {
    let numbers = || prop::collection::vec(number(), 2);
    (numbers(), numbers(), numbers(), prop::option::of(any_decision()), number()).prop_map(
        |(metrics, hyperparameters, applied, decision, elapsed_seconds)| Step {
            step: 0,
            metrics,
            hyperparameters,
            applied,
            decision,
            elapsed_seconds,
        },
    )
}

/// Any trajectory at (index, attempt) of epoch 3.
pub fn any_trajectory(index: u32, attempt: u32) -> impl Strategy<Value = Trajectory> {
    let outcomes = vec![Outcome::Completed, Outcome::Diverged, Outcome::Lost];
    let steps = prop::collection::vec(any_step(), 0..=6);
    (any::<u32>(), ".{0,8}", prop::sample::select(outcomes), steps).prop_map(move |(seed, task, outcome, mut steps)| {
        steps.iter_mut().zip(0..).for_each(|(step, number)| step.step = number);
        // Who completed has seen every step.
        let outcome = if steps.len() == 6 || outcome != Outcome::Completed { outcome } else { Outcome::Lost };
        Trajectory { key: key(3, index, attempt), seed, task, outcome: Some(outcome), steps }
    })
}

/// Any set of trajectories of epoch 3, in any order.
pub fn any_epoch() -> impl Strategy<Value = Vec<Trajectory>> {
    let places = prop::collection::btree_set((0..6_u32, 0..3_u32), 0..8);
    let trajectories = places.prop_flat_map(|places| {
        places.into_iter().map(|(index, attempt)| any_trajectory(index, attempt)).collect::<Vec<_>>()
    });
    trajectories.prop_shuffle()
}
