use std::cell::RefCell;

use learn::{LearnError, Simple, SimpleFigures, Stand};
use tch::Device;
use tuning::{Outcome, Stage, Trajectory};
use wire::settings::{Preset, SimpleSettings, WorldModelSettings};

use crate::common::*;

const TOO_FAST: f64 = 1e30;

fn settings(learning_rate: f64) -> SimpleSettings {
    let settings = SimpleSettings::of(Preset::Default, false);
    let world_model = WorldModelSettings {
        members: 2,
        d_model: 16,
        d_ff: 16,
        layers: 1,
        learning_rate,
        first_optimizer_steps: 100,
        ..settings.world_model
    };
    SimpleSettings { simulated_epochs: 3, simulated_trajectories: 16, world_model, ..settings }
}

fn curves(n: u32) -> Vec<Trajectory> {
    let (problem, ppo) = (quadratic_problem(20), default_settings());
    let stage = Stage::Learning { repetition: 0, epoch: 1 };
    gather(&learner(&problem, &ppo, 1), &problem, &mut Curves::new(), stage, n)
}

fn learn(settings: &SimpleSettings, known: &[Trajectory]) -> (Simple, Result<SimpleFigures, LearnError>) {
    let mut simple = Simple::new(quadratic_problem(20), settings, 1, Device::Cpu).unwrap();
    let figures = simple.learn(1, known, known.len(), &|_| ());
    (simple, figures)
}

#[test]
fn an_epoch_trains_the_world_model_and_then_simulates() {
    let stands = RefCell::new(Vec::new());
    let settings = SimpleSettings { real_epoch: true, ..settings(1e-3) };
    let mut simple = Simple::new(quadratic_problem(20), &settings, 1, Device::Cpu).unwrap();
    let known = curves(16);
    simple.learn(1, &known, 16, &|stand| stands.borrow_mut().push(stand)).unwrap();
    let simulated = |epoch| Stand::Simulated { epoch, epochs: 3 };
    let expected = [Stand::RealEpoch, Stand::WorldModel, simulated(1), simulated(2), simulated(3)];
    assert_eq!(stands.into_inner(), expected);
}

#[test]
fn a_world_model_that_can_not_be_trained_leaves_the_policy_as_it_was_and_says_why() {
    let known = curves(16);
    let untouched = Simple::new(quadratic_problem(20), &settings(TOO_FAST), 1, Device::Cpu).unwrap();
    let (simple, figures) = learn(&settings(TOO_FAST), &known);
    let figures = figures.unwrap();
    assert!(figures.fit.is_none() && figures.simulated.is_none());
    assert!(figures.refusal.unwrap().contains("not finite"));
    assert_eq!(simple.save(), untouched.save());
}

#[test]
fn few_equal_and_diverged_trainings_are_learned_from_like_any_others() {
    let all = curves(64);
    let diverged: Vec<Trajectory> = all.iter().filter(|t| t.outcome == Some(Outcome::Diverged)).cloned().collect();
    assert!(diverged.len() > 1, "the fixture has some");
    let mut constant = all[..8].to_vec();
    constant.iter_mut().flat_map(|t| &mut t.steps).for_each(|step| step.metrics = vec![0.5, 50.0]);
    for (what, known) in
        [("one training", &all[..1]), ("only diverged ones", &diverged), ("constant metrics", &constant)]
    {
        let figures = learn(&settings(1e-3), known).1.unwrap();
        assert!(figures.refusal.is_none() && figures.simulated.is_some(), "{what}: {figures:?}");
        assert!(figures.simulated_objective.unwrap().is_finite(), "{what}");
    }
}

#[test]
fn without_any_training_there_is_nothing_to_simulate() {
    let mut lost = curves(4);
    lost.iter_mut().for_each(|trajectory| trajectory.outcome = Some(Outcome::Lost));
    let figures = learn(&settings(1e-3), &lost).1.unwrap();
    assert!(figures.refusal.unwrap().contains("no env step to forecast from") && figures.simulated.is_none());
}
