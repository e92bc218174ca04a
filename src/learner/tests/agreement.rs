//! The network that learns (libtorch) and the one that acts (candle) are the same network.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use agent::policy::Policy;
use common::{config, ppo, problem, steps};
use learn::Ppo;
use tch::{Device, Tensor, no_grad};
use tuning::{Step, Steps, SymbolCode, Trajectory};
use wire::artifact::{self, FORMAT, Header, Symbols, Training};
use wire::settings::{Algorithm, PpoSettings};

const TOLERANCE: f32 = 1e-5;

#[test]
fn agent_and_learner_agree_on_recorded_histories_before_and_after_learning() {
    let Algorithm::Ppo(settings) = config(ppo()).algorithm else { unreachable!("the fixture learns by PPO") };
    agree(Ppo::new(problem(), &settings, 3, Device::Cpu).unwrap());
}

#[test]
fn they_agree_on_policies_over_symbols_too_with_and_without_a_window() {
    let Algorithm::Ppo(settings) = config(ppo()).algorithm else { unreachable!("the fixture learns by PPO") };
    let gentle = PpoSettings { learning_rate: 1e-3, final_learning_rate: 1e-3, ..settings };
    for (code, window) in [(SymbolCode::OURS, None), (SymbolCode::TALK, Some(8))] {
        let shape = Symbols { code, d_model: 16, d_ff: 24, layers: 2, heads: 2, window };
        agree(Ppo::with_symbols(problem(), &gentle, shape, 3, Device::Cpu).unwrap());
    }
}

fn agree(mut ppo: Ppo) {
    let problem = problem();
    let history: Vec<Trajectory> = (0..3)
        .map(|index| {
            let Steps { key, seed, task, steps, outcome } = steps(1, index, 0.2 + 0.3 * f64::from(index));
            Trajectory { key, seed, task, outcome, steps }
        })
        .collect();
    for epoch in 0..=2 {
        if epoch > 0 {
            ppo.learn(epoch, &history).unwrap();
        }
        let header = Header {
            format: FORMAT,
            experiment: "fixture".to_owned(),
            uid: "fixture-uid".to_owned(),
            repetition: 0,
            version: 1,
            policy: ppo.shape().clone(),
            problem: problem.clone(),
            action_space: problem.action_space_hash(),
            training: Training::default(),
        };
        let bytes = artifact::write(&header, &ppo.tensors()).unwrap();
        let acting = Policy::load(&bytes, &problem).unwrap();
        for trajectory in &history {
            compare(&ppo, &acting, trajectory);
        }
    }
}

fn compare(ppo: &Ppo, acting: &Policy<'_>, trajectory: &Trajectory) {
    let problem = problem();
    let (mut reader, mut decider) = (ppo.policy().reading().start(&problem), acting.start());
    // Nothing is decided at the last observation, so networks know no position for it.
    let decided = &trajectory.steps[..trajectory.steps.len() - 1];
    let actions: Vec<Vec<usize>> = decided.iter().map(|s| s.decision.as_ref().unwrap().actions.clone()).collect();
    let before = |place: usize| place.checked_sub(1).map_or(&[][..], |place| &actions[place]);
    let read = |(place, s): (usize, &Step)| reader.read(before(place), &s.metrics, &s.hyperparameters);
    let rows: Vec<Vec<f32>> = decided.iter().enumerate().map(read).collect();
    let (t, r) = (rows.len() as i64, rows[0].len() as i64);
    let outputs = no_grad(|| ppo.policy().forward(&Tensor::from_slice(&rows.concat()).view([1, t, r])));
    for (place, step) in decided.iter().enumerate() {
        let acted = decider.decide(before(place), &step.metrics, &step.hyperparameters);
        let value = outputs.values.double_value(&[0, place as i64]) as f32;
        assert!((acted.value.unwrap() - value).abs() < TOLERANCE, "value at {place}: {:?} and {value}", acted.value);
        for (c, row) in acted.log_probabilities.iter().enumerate() {
            for (a, x) in row.iter().enumerate() {
                let learned = outputs.log_probabilities.double_value(&[0, place as i64, c as i64, a as i64]) as f32;
                assert!((x - learned).abs() < TOLERANCE, "step {place}: {x} and {learned}");
            }
        }
    }
}
