use std::f64::consts::PI;

use tasks::curves::Quadratic;
use tuning::{Outcome, Stage, Trajectory};
use wire::settings::{PpoSettings, Preset};

use crate::common::*;

const FIRST: Stage = Stage::Learning { repetition: 0, epoch: 1 };

#[test]
fn one_batch_is_learned_by_heart() {
    let problem = small_problem();
    let none = PpoSettings {
        optimizer_steps: 0,
        learning_rate: 1e-3,
        value_weight: 10.0,
        clip: 1.0,
        target_kl: 1e3,
        entropy_weight: 0.0,
        ..default_settings()
    };
    let mut trajectories = gather(&learner(&problem, &none, 1), &problem, &mut Bandit::new(), FIRST, 8);
    // They have to be told apart from their first observation on.
    for (n, trajectory) in trajectories.iter_mut().enumerate() {
        trajectory.steps.iter_mut().for_each(|step| step.metrics[1] = n as f64);
    }
    let learn = |settings| learner(&problem, settings, 1).learn(1, &trajectories).unwrap();
    let (before, after) = (learn(&none), learn(&PpoSettings { optimizer_steps: 600, ..none.clone() }));
    assert_eq!((before.optimizer_steps, after.optimizer_steps), (0, 600));
    assert!(after.value_loss < before.value_loss / 50.0, "each return is known: {before:?}, then {after:?}");
    // Ratios count up to 2 and down to 0: with advantages of mean 0 the most to be had is their mean absolute value.
    assert!(after.policy_loss < -0.6, "each good action is likely, each bad one unlikely: {after:?}");
}

#[test]
fn ppo_finds_the_best_action_of_a_bandit() {
    let (problem, settings) = (small_problem(), default_settings());
    let mut ppo = learner(&problem, &settings, 1);
    let figures = learn_until(&mut ppo, &problem, &settings, &mut Bandit::new(), 12);
    assert!(figures[0].mean_return < 0.5, "a fresh policy knows nothing: {:?}", figures[0]);
    let trajectories = gather(&ppo, &problem, &mut Bandit::new(), Stage::Final, 64);
    let decisions = trajectories.iter().flat_map(|t| &t.steps).filter_map(|step| step.decision.as_ref());
    let best: Vec<bool> = decisions.map(|decision| decision.actions == [2, 0]).collect();
    let share = best.iter().filter(|best| **best).count() as f64 / best.len() as f64;
    assert!(share > 0.9, "the best action was taken in {share} of the decisions");
}

#[test]
fn every_preset_takes_its_first_epoch_whole() {
    let problem = small_problem();
    for (preset, distribution) in [(Preset::Default, false), (Preset::Default, true), (Preset::Talk, false)] {
        let settings = PpoSettings::of(preset, distribution);
        let mut ppo = learner(&problem, &settings, 1);
        let figures = learn_until(&mut ppo, &problem, &settings, &mut Bandit::new(), 1).remove(0);
        assert_eq!(figures.trajectories, settings.trajectories_per_epoch as usize);
        assert_eq!((figures.learning_rate, figures.entropy_weight), (settings.learning_rate, settings.entropy_weight));
        assert!(figures.optimizer_steps > 0 && figures.kl > 0.0, "{figures:?}");
    }
}

/// Mean of the score at the end; a diverged training counts 0.
fn mean_score(trajectories: &[Trajectory]) -> f64 {
    let score = |t: &Trajectory| match t.outcome {
        Some(Outcome::Completed) => t.steps.last().unwrap().metrics[0],
        _ => 0.0,
    };
    trajectories.iter().map(score).sum::<f64>() / trajectories.len() as f64
}

/// The highest expected score of any constant, linear or cosine schedule on a fine grid of starts.
fn best_of_a_grid(env_steps: u32) -> f64 {
    let shapes: [fn(f64) -> f64; 3] = [|_| 1.0, |u| 1.0 - u, |u| (1.0 + (PI * u).cos()) / 2.0];
    let starts = (0..=60).map(|n| 10_f64.powf(f64::from(n) / 20.0 - 2.8));
    let score = |start: f64, shape: fn(f64) -> f64| {
        let rates: Vec<f64> = (0..env_steps).map(|t| start * shape(f64::from(t) / f64::from(env_steps))).collect();
        Quadratic::default().expected_score(&rates)
    };
    starts.flat_map(|start| shapes.map(|shape| score(start, shape))).fold(0.0, f64::max)
}

#[test]
fn ppo_beats_every_fixed_schedule_of_a_grid() {
    let problem = quadratic_problem(20);
    let settings = PpoSettings { epochs: 48, final_learning_rate: 1e-3, ..default_settings() };
    let mut ppo = learner(&problem, &settings, 1);
    learn_until(&mut ppo, &problem, &settings, &mut Curves::new(), settings.epochs);
    let learned = mean_score(&gather(&ppo, &problem, &mut Curves::new(), Stage::Final, 512));
    let best = best_of_a_grid(20);
    assert!(learned > best, "learned {learned:.4}, best of the grid {best:.4}");
}
