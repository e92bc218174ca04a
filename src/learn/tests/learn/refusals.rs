use learn::{LearnError, Ppo};
use tch::Device;
use tuning::{Keep, Outcome, Stage, Trajectory};
use wire::settings::PpoSettings;

use crate::common::*;

const FIRST: Stage = Stage::Learning { repetition: 0, epoch: 1 };

fn gathered() -> (Ppo, Vec<Trajectory>) {
    let problem = small_problem();
    let ppo = learner(&problem, &default_settings(), 1);
    let trajectories = gather(&ppo, &problem, &mut Bandit::new(), FIRST, 8);
    (ppo, trajectories)
}

/// Learns from trajectories after `change`, which must be refused and leave the learner as it was.
fn refused(change: impl FnOnce(&mut Vec<Trajectory>)) -> LearnError {
    let (mut ppo, mut trajectories) = gathered();
    let before = ppo.save();
    change(&mut trajectories);
    let error = ppo.learn(1, &trajectories).unwrap_err();
    assert_eq!(ppo.save(), before);
    error
}

fn field(change: impl FnOnce(&mut Vec<Trajectory>)) -> &'static str {
    match refused(change) {
        LearnError::Trajectory { field, .. } => field,
        other => panic!("expected a trajectory to be refused, got {other}"),
    }
}

#[test]
fn an_epoch_without_a_decision_is_refused() {
    let nothing = |error| assert!(matches!(error, LearnError::NothingToLearnFrom { epoch: 1 }), "{error}");
    nothing(refused(|ts| ts.clear()));
    nothing(refused(|ts| ts.iter_mut().for_each(|t| t.outcome = Some(Outcome::Lost))));
    nothing(refused(|ts| ts.iter_mut().for_each(|t| t.outcome = None)));
    nothing(refused(|ts| {
        let steps = ts.iter_mut().flat_map(|t| &mut t.steps);
        steps.filter_map(|step| step.decision.as_mut()).for_each(|d| d.keep = Some(Keep::NoPolicy));
    }));
}

#[test]
fn lost_trajectories_change_nothing() {
    let (mut without, all) = gathered();
    let (mut with, _) = gathered();
    let mut lost = all[3].clone();
    lost.outcome = Some(Outcome::Lost);
    lost.steps.truncate(2);
    let few: Vec<Trajectory> = all.iter().take(3).cloned().collect();
    let more: Vec<Trajectory> = few.iter().cloned().chain([lost]).collect();
    assert_eq!(without.learn(1, &few).unwrap(), with.learn(1, &more).unwrap());
    assert_eq!(without.save(), with.save());
}

#[test]
fn a_diverged_trajectory_ends_at_the_worst_bound() {
    let (mut ppo, mut trajectories) = gathered();
    for trajectory in &mut trajectories {
        trajectory.steps.truncate(3);
        trajectory.outcome = Some(Outcome::Diverged);
        trajectory.steps[0].metrics[0] = 0.5;
        trajectory.steps[2].metrics[0] = 0.9;
    }
    let figures = ppo.learn(1, &trajectories).unwrap();
    assert_eq!((figures.trajectories, figures.diverged, figures.decisions), (8, 8, 24));
    assert!((figures.mean_return + 0.5).abs() < 1e-9, "from 0.5 down to 0, whatever it was before: {figures:?}");
}

#[test]
fn a_trajectory_that_diverged_before_its_first_observation_is_left_out() {
    let (mut ppo, mut trajectories) = gathered();
    trajectories[0].steps.clear();
    trajectories[0].outcome = Some(Outcome::Diverged);
    assert_eq!(ppo.learn(1, &trajectories).unwrap().trajectories, 7);
}

#[test]
fn a_trajectory_that_does_not_fit_is_refused_by_the_name_of_the_field() {
    assert_eq!(field(|ts| ts[1].steps.truncate(4)), "the number of steps");
    assert_eq!(field(|ts| ts[1].outcome = Some(Outcome::Diverged)), "the number of steps");
    assert_eq!(field(|ts| ts[1].steps[2].metrics[0] = f64::NAN), "metrics");
    assert_eq!(field(|ts| ts[1].steps[2].metrics.push(0.0)), "metrics");
    assert_eq!(field(|ts| ts[1].steps[2].hyperparameters[1] = f64::INFINITY), "hyperparameters");
    assert_eq!(field(|ts| ts[1].steps[2].decision.as_mut().unwrap().actions[0] = 3), "actions");
    assert_eq!(field(|ts| ts[1].steps[2].decision.as_mut().unwrap().actions.truncate(1)), "actions");
    assert_eq!(
        field(|ts| ts[1].steps[2].decision.as_mut().unwrap().log_probabilities[0] = f32::NEG_INFINITY),
        "log_probabilities"
    );
}

#[test]
fn a_refusal_names_trajectory_value_and_what_was_expected() {
    let error = refused(|ts| ts[1].steps[2].metrics = vec![0.5, f64::NAN]);
    assert_eq!(
        error.to_string(),
        "trajectory 1 of epoch 1, attempt 0, step 2: metrics is [0.5, NaN], expected 2 finite numbers"
    );
}

#[test]
fn weights_that_explode_are_given_up_for_the_previous_ones() {
    let problem = small_problem();
    let settings = PpoSettings { learning_rate: 1e38, final_learning_rate: 1e38, ..default_settings() };
    let mut ppo = learner(&problem, &settings, 1);
    let before = ppo.save();
    let trajectories = gather(&ppo, &problem, &mut Bandit::new(), FIRST, 8);
    let error = ppo.learn(1, &trajectories).unwrap_err();
    assert!(matches!(error, LearnError::NotFinite { epoch: 1, optimizer_step: 1, .. }), "{error}");
    assert!(error.to_string().ends_with("the previous weights are kept"), "{error}");
    assert_eq!(ppo.save(), before);
}

#[test]
fn a_policy_far_from_the_one_that_acted_is_not_taken_further() {
    let (mut ppo, mut trajectories) = gathered();
    let decisions = trajectories.iter_mut().flat_map(|t| &mut t.steps).filter_map(|step| step.decision.as_mut());
    decisions.for_each(|decision| decision.log_probabilities.fill(-1000.0));
    let before = ppo.tensors();
    let figures = ppo.learn(1, &trajectories).unwrap();
    assert_eq!((figures.optimizer_steps, figures.clip_share), (0, 1.0));
    assert_eq!(ppo.tensors(), before);
}

#[test]
fn sizes_of_which_no_network_can_be_built_are_refused() {
    let refused = |settings: PpoSettings| {
        let error = Ppo::new(small_problem(), &settings, 1, Device::Cpu).unwrap_err();
        error.to_string()
    };
    assert_eq!(
        refused(PpoSettings { heads: 3, ..default_settings() }),
        "heads is 3, expected a divisor of d_model, which is 64"
    );
    assert_eq!(refused(PpoSettings { d_ff: 0, ..default_settings() }), "d_ff is 0, expected at least 1");
}
