#![allow(clippy::unwrap_used)]

use super::*;
use crate::fixtures::{artifact, config, network, problem, recipes};

fn published<'a>(version: u64, bytes: &[u8], problem: &'a Problem) -> Published<'a> {
    Published { version, policy: Arc::new(Policy::load(bytes, problem).unwrap()) }
}

fn steps(length: u32) -> Vec<Step> {
    let accuracy = |step: u32| 0.1 + 0.8 * Random::stream(9, &[step.into()]).uniform();
    let step = |step| Step {
        step,
        metrics: vec![1.0, accuracy(step), 0.0],
        hyperparameters: vec![0.01, 0.9],
        applied: vec![0.01, 0.9],
        decision: None,
        elapsed_seconds: 0.0,
    };
    (0..length).map(step).collect()
}

/// Decisions of a trajectory whose newest policy at step t is `policies[t]`.
fn fly<'a>(config: &'a AgentConfig, policies: &[Option<&Published<'a>>]) -> Vec<Decision> {
    let (mut pilot, observed) = (Pilot::new(config, 0, 77), steps(policies.len() as u32));
    let mut decisions = Vec::new();
    for (t, newest) in policies.iter().enumerate() {
        decisions.push(pilot.choose(&observed[..=t], *newest).decision);
    }
    decisions
}

fn experiment(updates: PolicyUpdates, mode: Mode) -> AgentConfig {
    AgentConfig { problem: problem(8), policy_updates: updates, mode, ..config() }
}

fn versions(decisions: &[Decision]) -> Vec<u64> {
    decisions.iter().map(|decision| decision.policy_version).collect()
}

const START: PolicyUpdates = PolicyUpdates::AtTrajectoryStart;
const NOW: PolicyUpdates = PolicyUpdates::Immediate;

#[test]
fn without_a_policy_everything_is_kept_and_the_reason_recorded() {
    let config = experiment(START, Mode::Sampled);
    for decision in fly(&config, &[None; 8]) {
        assert_eq!((decision.keep, decision.policy_version), (Some(Keep::NoPolicy), 0));
        assert_eq!((decision.actions, decision.log_probabilities), (vec![3, 3], vec![]));
    }
}

#[test]
fn the_same_seed_gives_the_same_actions_and_another_others() {
    let config = experiment(START, Mode::Sampled);
    let one = published(1, &network(&config.problem, 1, 0.1), &config.problem);
    let actions = |seed| {
        let mut pilot = Pilot::new(&config, 0, seed);
        let observed = steps(8);
        (1..=8).map(|t| pilot.choose(&observed[..t], Some(&one)).decision.actions).collect::<Vec<_>>()
    };
    assert_eq!(actions(1), actions(1));
    assert_ne!(actions(1), actions(2));
}

#[test]
fn what_is_recorded_is_the_log_probability_of_what_was_drawn() {
    let config = experiment(START, Mode::Sampled);
    let one = published(1, &network(&config.problem, 1, 0.1), &config.problem);
    let mut decider = one.policy.start();
    for (decision, step) in fly(&config, &[Some(&one); 8]).iter().zip(steps(8)) {
        let output = decider.decide(&[], &step.metrics, &step.hyperparameters);
        let drawn = |h: usize| output.log_probabilities[h][decision.actions[h]];
        assert_eq!(decision.log_probabilities, [drawn(0), drawn(1)]);
        assert_eq!((decision.value, decision.keep), (output.value, None));
        for (h, row) in output.log_probabilities.iter().enumerate() {
            let uniform = Random::stream(77, &[3, step.step.into(), h as u64]).uniform();
            assert_eq!(decision.actions[h], sample(row, uniform), "the stream depends on step and hyperparameter only");
        }
    }
}

#[test]
fn greedy_takes_the_most_probable_action_and_keeps_among_equals() {
    let config = experiment(START, Mode::Greedy);
    let one = published(1, &network(&config.problem, 1, 0.3), &config.problem);
    let mut decider = one.policy.start();
    for (decision, step) in fly(&config, &[Some(&one); 8]).iter().zip(steps(8)) {
        let output = decider.decide(&[], &step.metrics, &step.hyperparameters);
        for (row, chosen) in output.log_probabilities.iter().zip(&decision.log_probabilities) {
            assert!(row.iter().all(|x| x <= chosen));
        }
    }
    assert_eq!(most_probable(&[-1.0, -1.0, -1.0], 1), 1);
    assert_eq!(most_probable(&[-1.0, -2.0, -1.0], 1), 0);
}

#[test]
fn a_random_policy_draws_in_greedy_mode_too() {
    let config = experiment(START, Mode::Greedy);
    let random = published(1, &artifact(wire::artifact::Policy::Random, &config.problem, &[]), &config.problem);
    let mut actions: Vec<_> = fly(&config, &[Some(&random); 8]).into_iter().flat_map(|d| d.actions).collect();
    actions.sort_unstable();
    actions.dedup();
    assert!(actions.len() > 2, "{actions:?}");
}

#[test]
fn a_trajectory_keeps_the_policy_it_started_with() {
    let config = experiment(START, Mode::Sampled);
    let [one, two] = [1, 2].map(|v| published(v, &network(&config.problem, v, 0.1), &config.problem));
    let newest = [[Some(&one); 3].as_slice(), &[Some(&two); 5]].concat();
    let decisions = fly(&config, &newest);
    assert_eq!(versions(&decisions), [1; 8]);
    assert_eq!(decisions, fly(&config, &[Some(&one); 8]));
}

#[test]
fn the_first_policy_is_taken_over_even_if_it_comes_late() {
    let config = experiment(START, Mode::Sampled);
    let [one, two] = [1, 2].map(|v| published(v, &network(&config.problem, v, 0.1), &config.problem));
    let newest = [&[None; 2], [Some(&one); 3].as_slice(), &[Some(&two); 3]].concat();
    let decisions = fly(&config, &newest);
    assert_eq!(versions(&decisions), [0, 0, 1, 1, 1, 1, 1, 1]);
    assert_eq!(decisions[2..], fly(&config, &[Some(&one); 8])[2..], "it has seen the whole history");
}

#[test]
fn an_immediate_update_decides_as_if_it_had_been_there_from_the_start() {
    let config = experiment(NOW, Mode::Sampled);
    let [one, two] = [1, 2].map(|v| published(v, &network(&config.problem, v, 0.1), &config.problem));
    let decisions = fly(&config, &[[Some(&one); 3].as_slice(), &[Some(&two); 5]].concat());
    assert_eq!(decisions[..3], fly(&config, &[Some(&one); 8])[..3]);
    assert_eq!(decisions[3..], fly(&config, &[Some(&two); 8])[3..]);
}

#[test]
fn versions_never_go_down() {
    let config = experiment(NOW, Mode::Sampled);
    let [one, two] = [1, 2].map(|v| published(v, &network(&config.problem, v, 0.1), &config.problem));
    let decisions = fly(&config, &[[Some(&two); 3].as_slice(), &[Some(&one); 3], &[None; 2]].concat());
    assert_eq!(versions(&decisions), [2; 8]);
}

#[test]
fn a_policy_that_gives_no_numbers_keeps_everything_until_a_better_one_comes() {
    let config = experiment(NOW, Mode::Sampled);
    let broken = published(1, &network(&config.problem, 1, 3e38), &config.problem);
    let sound = published(2, &network(&config.problem, 2, 0.1), &config.problem);
    let decisions = fly(&config, &[[Some(&broken); 4].as_slice(), &[Some(&sound); 4]].concat());
    for decision in &decisions[..4] {
        assert_eq!((decision.keep, &decision.actions), (Some(Keep::PolicyFault), &vec![3, 3]));
        assert_eq!((decision.policy_version, decision.value), (1, None));
    }
    assert_eq!(decisions[4..], fly(&config, &[Some(&sound); 8])[4..]);
}

#[test]
fn a_recipe_is_followed_once_and_to_the_end() {
    let config = experiment(NOW, Mode::Sampled);
    let first = published(1, &recipes(&config.problem, &[0.1, 0.2]), &config.problem);
    let second = published(2, &recipes(&config.problem, &[0.3, 0.4]), &config.problem);
    let (mut pilot, observed) = (Pilot::new(&config, 3, 77), steps(3));
    let choices =
        [&first, &first, &second].into_iter().zip(1..).map(|(newest, t)| pilot.choose(&observed[..t], Some(newest)));
    let choices: Vec<_> = choices.collect();
    assert_eq!(choices[0].follow.as_ref().unwrap().starts, Some(vec![0.2, 0.5]), "index 3 of 2 is recipe 1");
    assert!(choices[1].follow.is_none() && choices[2].follow.is_none());
    for Choice { decision, .. } in choices {
        assert_eq!((decision.actions, decision.keep, decision.policy_version), (vec![3, 3], None, 1));
        assert!(decision.log_probabilities.is_empty() && decision.value.is_none());
    }
}
