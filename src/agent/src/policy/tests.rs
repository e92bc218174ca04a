#![allow(clippy::unwrap_used)]

use tuning::{Inputs, Random};
use wire::artifact::{Continuous, Policy as Kinds};

use super::*;
use crate::fixtures::{NETWORK, artifact, network, problem, recipes, weights};

#[path = "oracle.rs"]
mod oracle;

type History = Vec<(Vec<f64>, Vec<f64>)>;

fn history(seed: u64, length: usize) -> History {
    let mut random = Random::stream(seed, &[]);
    let mut draw = || {
        let metrics = vec![10.0 * random.uniform(), random.uniform(), random.uniform()];
        (metrics, vec![10_f64.powf(-5.0 * random.uniform()), 0.99 * random.uniform()])
    };
    (0..length).map(|_| draw()).collect()
}

fn outputs(policy: &Policy, history: &[(Vec<f64>, Vec<f64>)]) -> Vec<Output> {
    let mut decider = policy.start();
    history.iter().map(|(metrics, values)| decider.decide(&[], metrics, values)).collect()
}

fn distance(output: &Output, expected: &(Vec<Vec<f64>>, f64)) -> f64 {
    let rows = output.log_probabilities.iter().flatten().zip(expected.0.iter().flatten());
    let worst = rows.map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
    worst.max((f64::from(output.value.unwrap()) - expected.1).abs())
}

#[test]
fn decisions_with_memory_equal_a_recomputation_without() {
    let deep = Continuous { inputs: Inputs::TALK, d_model: 24, d_ff: 40, layers: 3, heads: 4 };
    for (shape, length) in [(NETWORK, 30), (deep, 12)] {
        let problem = problem(60);
        let weights = weights(&shape, &problem, 7, 0.2);
        let bytes = artifact(Kinds::Continuous(shape), &problem, &weights);
        let (policy, oracle) = (Policy::load(&bytes, &problem).unwrap(), oracle::Oracle::new(shape, &weights));
        let history = history(1, length);
        for (t, output) in outputs(&policy, &history).iter().enumerate() {
            let off = distance(output, &oracle.last(&problem, &history[..=t]));
            assert!(off < 1e-5, "{shape:?} step {t}: off by {off}");
        }
    }
}

#[test]
fn the_future_cannot_matter_and_the_past_does() {
    let problem = problem(20);
    let policy = Policy::load(&network(&problem, 3, 0.3), &problem).unwrap();
    let (a, mut b) = (history(1, 20), history(2, 20));
    b[..12].clone_from_slice(&a[..12]);
    let (one, other) = (outputs(&policy, &a), outputs(&policy, &b));
    assert_eq!(one[..12], other[..12]);
    b[0] = history(3, 1).remove(0);
    let changed = outputs(&policy, &b);
    assert!((0..12).all(|t| changed[t] != one[t]), "what was seen first matters to the end");
}

#[test]
fn trajectories_that_share_a_policy_do_not_disturb_each_other() {
    let problem = problem(20);
    let policy = Policy::load(&network(&problem, 3, 0.3), &problem).unwrap();
    let (a, b) = (history(1, 20), history(2, 20));
    let (mut first, mut second) = (policy.start(), policy.start());
    let both = a.iter().zip(&b).map(|(a, b)| (first.decide(&[], &a.0, &a.1), second.decide(&[], &b.0, &b.1)));
    let (one, other): (Vec<_>, Vec<_>) = both.unzip();
    assert_eq!((one, other), (outputs(&policy, &a), outputs(&policy, &b)));
}

#[test]
fn log_probabilities_are_rows_that_sum_to_one() {
    let problem = problem(20);
    let policy = Policy::load(&network(&problem, 3, 0.3), &problem).unwrap();
    for output in outputs(&policy, &history(1, 20)) {
        assert_eq!(output.log_probabilities.iter().map(Vec::len).collect::<Vec<_>>(), [7, 7]);
        let sums = output.log_probabilities.iter().map(|row| row.iter().map(|x| x.exp()).sum::<f32>());
        assert!(sums.into_iter().all(|sum| (sum - 1.0).abs() < 1e-5) && output.is_sound());
    }
}

#[test]
fn a_policy_for_another_length_of_trajectory_can_be_used() {
    let (short, long) = (problem(5), problem(40));
    let policy = Policy::load(&network(&short, 3, 0.3), &long).unwrap();
    assert_eq!(outputs(&policy, &history(1, 40)).len(), 40);
}

#[test]
fn truncated_and_foreign_artifacts_are_refused() {
    let (ours, mut theirs) = (problem(20), problem(20));
    theirs.multipliers[0] = 0.25;
    let bytes = network(&ours, 3, 0.3);
    assert!(matches!(Policy::load(&bytes[..bytes.len() / 2], &ours), Err(PolicyError::Artifact(_))));
    assert!(matches!(Policy::load(b"{}", &ours), Err(PolicyError::Artifact(_))));
    assert!(matches!(Policy::load(&bytes, &theirs), Err(PolicyError::Misfit(_))));
}

#[test]
fn numbers_that_overflow_show_in_the_output() {
    let problem = problem(20);
    let policy = Policy::load(&network(&problem, 3, 3e38), &problem).unwrap();
    let (metrics, values) = history(1, 1).remove(0);
    assert!(!policy.start().decide(&[], &metrics, &values).is_sound());
}

#[test]
fn a_random_policy_finds_everything_equally_likely() {
    let problem = problem(20);
    let policy = Policy::load(&artifact(Kinds::Random, &problem, &[]), &problem).unwrap();
    let output = policy.start().decide(&[], &[0.0; 3], &[0.01, 0.9]);
    assert_eq!(output, Output { log_probabilities: vec![vec![-(7_f32.ln()); 7]; 2], value: None });
    assert!(policy.is_random() && output.is_sound() && policy.recipe(0).is_none());
}

#[test]
fn recipes_are_taken_in_turn_and_steer_nothing() {
    let problem = problem(20);
    let policy = Policy::load(&recipes(&problem, &[0.1, 0.2, 0.3]), &problem).unwrap();
    let rate = |index| policy.recipe(index).unwrap().starts.as_ref().unwrap()[0];
    assert_eq!([0, 1, 2, 3, 7].map(rate), [0.1, 0.2, 0.3, 0.1, 0.2]);
    assert_eq!(policy.start().decide(&[], &[0.0; 3], &[0.01, 0.9]), Output::default());
}
