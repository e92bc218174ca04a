use learn::{Env, Known, LearnError, Order, Simulation, WorldModel, forecasting, rollout};
use tch::Device;
use tuning::{Draw, Outcome, Stage, Trajectory};
use wire::settings::WorldModelSettings;

use crate::common::*;

const FIRST: Stage = Stage::Learning { repetition: 0, epoch: 1 };

fn settings() -> WorldModelSettings {
    WorldModelSettings {
        members: 2,
        d_model: 32,
        d_ff: 64,
        layers: 1,
        first_optimizer_steps: 3000,
        patience: Some(400),
        learning_rate: 3e-3,
        // Its draws are those of the whole process, where tests run side by side.
        dropout: 0.0,
        ..WorldModelSettings::ours()
    }
}

fn model(trajectories: &[Trajectory]) -> WorldModel {
    let mut model = WorldModel::new(quadratic_problem(20), &settings(), 1, Device::Cpu).unwrap();
    model.fit(trajectories).unwrap();
    model
}

/// Curves under a policy that knows nothing yet.
fn curves(n: u32) -> Vec<Trajectory> {
    curves_of(FIRST, n)
}

fn curves_of(stage: Stage, n: u32) -> Vec<Trajectory> {
    let (problem, ppo) = (quadratic_problem(20), default_settings());
    gather(&learner(&problem, &ppo, 1), &problem, &mut Curves::new(), stage, n)
}

/// A whole simulated training at each of these draws under the same learning rates.
fn simulated(model: &WorldModel, starts: &[Trajectory], draws: &[Draw], rates: &[f64]) -> Vec<Vec<Option<Vec<f64>>>> {
    let starts: Vec<&Trajectory> = starts.iter().collect();
    let mut simulation = Simulation::new(model, &starts);
    let mut curves: Vec<Vec<Option<Vec<f64>>>> = simulation.reset(draws).into_iter().map(|m| vec![Some(m)]).collect();
    for rate in rates {
        let running: Vec<usize> = (0..draws.len()).filter(|place| curves[*place].last().unwrap().is_some()).collect();
        let orders = vec![Order { actions: vec![3], hyperparameters: vec![*rate] }; running.len()];
        for (place, metrics) in running.iter().zip(simulation.step(&running, &orders)) {
            curves[*place].push(metrics);
        }
    }
    curves
}

fn draws(n: u32) -> Vec<Draw> {
    (0..n).map(|seed| Draw { seed, task: None, initial: vec![0.05] }).collect()
}

#[test]
fn training_gains_on_what_is_held_out_and_the_same_seed_gives_the_same_bits() {
    let curves = curves(64);
    let fit = |steps| {
        let settings = WorldModelSettings { first_optimizer_steps: steps, ..settings() };
        WorldModel::new(quadratic_problem(20), &settings, 1, Device::Cpu).unwrap().fit(&curves).unwrap()
    };
    let (short, long) = (fit(50), fit(600));
    assert!(long.held_out_loss < short.held_out_loss, "{short:?}, then {long:?}");
    assert_eq!(fit(50), short);
    assert!(short.held_out > 0.0 && short.trajectories + short.held_out == 64.0);
}

#[test]
fn a_simulated_training_follows_from_its_seed_and_its_values_alone() {
    let curves = curves(32);
    let model = model(&curves);
    let rates = [0.5, 0.3, 0.2, 0.1];
    let together = simulated(&model, &curves, &draws(8), &rates);
    let alone = simulated(&model, &curves, &draws(8)[5..6], &rates);
    for (a, b) in together[5].iter().flatten().flatten().zip(alone[0].iter().flatten().flatten()) {
        assert!((a - b).abs() < 1e-4, "{a} and {b}");
    }
    assert_ne!(together[4], together[5], "another seed, another training");
}

/// Score at the end; a diverged training counts 0.
fn score(trajectory: &Trajectory) -> f64 {
    match trajectory.outcome {
        Some(Outcome::Completed) => trajectory.steps.last().unwrap().metrics[0],
        _ => 0.0,
    }
}

#[test]
fn trainings_replayed_in_simulation_come_to_what_the_real_ones_came_to() {
    let known = curves(128);
    let model = model(&known);
    let new = curves_of(Stage::Learning { repetition: 0, epoch: 2 }, 64);
    let replay = |trajectory: &Trajectory| {
        let rates: Vec<f64> = trajectory.steps[1..].iter().map(|step| step.applied[0]).collect();
        let curves = simulated(&model, &known, &draws(8), &rates);
        curves.iter().map(|curve| curve.last().unwrap().as_ref().map_or(0.0, |metrics| metrics[0])).sum::<f64>() / 8.0
    };
    let ended: Vec<&Trajectory> = new.iter().filter(|t| t.outcome == Some(Outcome::Completed)).collect();
    let pairs: Vec<(f64, f64)> = ended.iter().map(|trajectory| (replay(trajectory), score(trajectory))).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
    let (simulated, real) = (mean(|pair| pair.0), mean(|pair| pair.1));
    assert!((simulated - real).abs() < 0.1, "{simulated:.3} simulated, {real:.3} real");
    // Kendall's rank correlation.
    let concordance = |a: &(f64, f64), b: &(f64, f64)| ((a.0 - b.0) * (a.1 - b.1)).signum();
    let orders = pairs.iter().enumerate().flat_map(|(n, a)| pairs[..n].iter().map(move |b| concordance(a, b)));
    let orders: Vec<f64> = orders.collect();
    let tau = orders.iter().sum::<f64>() / orders.len() as f64;
    assert!(tau > 0.5, "rank correlation {tau:.2}");
}

#[test]
fn a_policy_learned_in_simulation_is_better_in_reality_than_the_one_that_gathered() {
    let curves = curves(96);
    let (model, problem, ppo_settings) = (model(&curves), quadratic_problem(20), default_settings());
    let mut ppo = learner(&problem, &ppo_settings, 1);
    let mean = |trajectories: &[Trajectory]| trajectories.iter().map(score).sum::<f64>() / trajectories.len() as f64;
    let before = mean(&gather(&ppo, &problem, &mut Curves::new(), Stage::Final, 128));
    let starts: Vec<&Trajectory> = curves.iter().collect();
    for epoch in 1..=20 {
        let draws: Vec<Draw> =
            draws(64).into_iter().map(|draw| Draw { seed: draw.seed + 1000 * epoch, ..draw }).collect();
        let mut simulation = Simulation::new(&model, &starts);
        let simulated = rollout(ppo.policy(), &problem, &mut simulation, &draws, epoch);
        ppo.learn(epoch, &simulated).unwrap();
    }
    let after = mean(&gather(&ppo, &problem, &mut Curves::new(), Stage::Final, 128));
    assert!(after > before + 0.1, "{before:.3}, then {after:.3}");
}

#[test]
fn a_dataset_without_an_env_step_is_refused() {
    let mut model = WorldModel::new(quadratic_problem(20), &settings(), 1, Device::Cpu).unwrap();
    assert!(matches!(model.fit(Known::default()), Err(LearnError::NothingToForecastFrom)));
    let mut lost = curves(4);
    lost.iter_mut().for_each(|trajectory| trajectory.outcome = Some(Outcome::Lost));
    assert!(matches!(model.fit(&lost), Err(LearnError::NothingToForecastFrom)));
}

#[test]
fn rates_found_in_generated_curves_are_spread_as_those_of_real_ones() {
    let settings = WorldModelSettings { members: 1, first_optimizer_steps: 1500, ..settings() };
    let trained = forecasting(&settings, 200, 1).unwrap();
    let untrained = forecasting(&WorldModelSettings { first_optimizer_steps: 1, ..settings }, 200, 1).unwrap();
    let (good, bad) = (trained.ks_distance, untrained.ks_distance);
    assert!(trained.ks_floor < 0.2 && good < 0.3, "{good}, between halves of the real ones {}", trained.ks_floor);
    assert!(bad > 0.4, "{bad} without training");
}
