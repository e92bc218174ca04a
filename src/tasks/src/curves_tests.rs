#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const T: u32 = 20;

fn final_scores(quadratic: &Quadratic, rates: &[f64], seeds: u64) -> Vec<f64> {
    let run = |seed| {
        let mut curve = Curve::new(quadratic.clone(), seed, 0.0);
        rates.iter().for_each(|rate| curve.train(*rate));
        curve.evaluate().score
    };
    (0..seeds).map(run).collect()
}

fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// The best score of a recipe `lr · factor(t)` over a fine grid of lr.
fn best_of_recipe(factor: impl Fn(u32) -> f64) -> f64 {
    let quadratic = Quadratic::default();
    let score = |step: i32| {
        let start = 10_f64.powf(f64::from(step) / 100.0);
        quadratic.expected_score(&(0..T).map(|t| start * factor(t)).collect::<Vec<_>>())
    };
    (-300..=100).map(score).fold(0.0, f64::max)
}

#[test]
fn the_expected_score_is_what_trainings_give_on_average() {
    for quadratic in [Quadratic::default(), Quadratic { curvature: 30.0, noise: 0.3, distance: 2.0, coordinates: 5 }] {
        let best = quadratic.optimal_schedule(T);
        let constant = vec![0.2 / quadratic.curvature; T as usize];
        for rates in [&best[..], &constant, &best[..3], &[]] {
            let (mean, error) = mean_and_error(&final_scores(&quadratic, rates, 4000));
            let expected = quadratic.expected_score(rates);
            assert!((mean - expected).abs() < 4.0 * error, "{mean} ± {error}, expected {expected}");
        }
    }
}

#[test]
fn the_best_schedule_is_far_above_the_best_constant_and_above_the_usual_decays() {
    let quadratic = Quadratic::default();
    let best = quadratic.expected_score(&quadratic.optimal_schedule(T));
    let constant = best_of_recipe(|_| 1.0);
    let linear = best_of_recipe(|t| 1.0 - f64::from(t) / f64::from(T));
    assert!(best > constant + 0.1, "{best}, constant {constant}");
    assert!(best > linear + 0.02, "{best}, linear {linear}");
    assert!(linear > constant + 0.03, "linear {linear}, constant {constant}");
}

#[test]
fn the_best_schedule_falls_by_no_more_than_the_multipliers_can_follow() {
    let best = Quadratic::default().optimal_schedule(T);
    assert!(best.windows(2).all(|pair| pair[1] < pair[0] && pair[1] >= 0.49 * pair[0]), "{best:?}");
}

#[test]
fn a_learning_rate_above_two_over_the_curvature_diverges() {
    let mut curve = Curve::new(Quadratic { curvature: 4.0, ..Quadratic::default() }, 3, 0.9);
    assert!(Training::evaluate(&mut curve).is_ok());
    let reason = (0..T).find_map(|_| curve.env_step().err()).unwrap();
    assert!(reason.starts_with("loss is "), "{reason}");
    curve.train(f64::INFINITY);
    curve.train(1.0);
    assert!(curve.evaluate().loss.is_nan() && curve.diverged());
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_does_not() {
    let scores = final_scores(&Quadratic::default(), &[0.3, 0.2, 0.1], 2);
    assert_eq!(scores, final_scores(&Quadratic::default(), &[0.3, 0.2, 0.1], 2));
    assert_ne!(scores[0], scores[1]);
}

proptest! {
    #[test]
    fn no_other_schedule_is_better_than_the_best(
        curvature in 0.01..100.0, noise in 0.1..3.0, distance in 0.1..30.0,
        factors in prop::collection::vec(0.2..3.0, 1..30),
    ) {
        let quadratic = Quadratic { curvature, noise, distance, coordinates: 8 };
        let best = quadratic.optimal_schedule(factors.len() as u32);
        let other: Vec<f64> = best.iter().zip(&factors).map(|(rate, factor)| rate * factor).collect();
        prop_assert!(quadratic.expected_loss(&other) >= quadratic.expected_loss(&best) * (1.0 - 1e-9));
        prop_assert!(quadratic.expected_score(&other) <= quadratic.expected_score(&best) + 1e-9);
    }

    #[test]
    fn the_score_does_not_depend_on_the_curvature_when_the_rate_follows_it(curvature in 0.01..100.0, rate in 0.01..1.5) {
        let scaled = Quadratic { curvature, ..Quadratic::default() };
        let expected = Quadratic::default().expected_score(&[rate; 7]);
        prop_assert!((scaled.expected_score(&[rate / curvature; 7]) - expected).abs() < 1e-9);
    }
}
