#![allow(clippy::unwrap_used)]

use std::f64::consts::PI;

use tuning::Random;

use super::*;
use crate::world::fixtures::{outputs, problem, settings, trajectories};

fn forecaster(place: usize) -> Continuous {
    Continuous::new(&problem(), &settings(outputs().remove(place)), 3, Device::Cpu)
}

fn inputs(n: i64, seed: u64) -> Tensor {
    let (t, i) = (6, width(&problem()) as i64);
    let mut random = Random::stream(seed, &[]);
    let values: Vec<f32> = (0..n * t * i).map(|_| random.uniform() as f32).collect();
    Tensor::from_slice(&values).view([n, t, i])
}

#[test]
fn a_step_with_memory_gives_what_the_whole_gives() {
    let (forecaster, inputs) = (forecaster(0), inputs(4, 2));
    let whole = no_grad(|| forecaster.forward(&inputs, 0.0));
    let mut past = forecaster.begin();
    for t in 0..6 {
        let x = forecaster.embed(&inputs.narrow(1, t, 1)) + forecaster.positions.narrow(0, t, 1);
        let step = no_grad(|| forecaster.trunk.step(x, &mut past));
        assert!((whole.narrow(1, t, 1) - step).abs().max().double_value(&[]) < 1e-5, "env step {t}");
    }
}

#[test]
fn the_future_cannot_matter() {
    let forecaster = forecaster(0);
    let (one, other) = (inputs(2, 2), inputs(2, 3));
    other.narrow(1, 0, 3).copy_(&one.narrow(1, 0, 3));
    let [one, other] = [one, other].map(|inputs| no_grad(|| forecaster.forward(&inputs, 0.0)));
    let distance = |t: i64| (one.select(1, t) - other.select(1, t)).abs().max().double_value(&[]);
    assert!(distance(2) < 1e-6 && distance(3) > 1e-3);
}

#[test]
fn the_mixtures_likelihood_is_that_of_a_slow_loop() {
    let forecaster = forecaster(0);
    let all = trajectories(2);
    let examples = Examples::new(&problem(), None, &all.iter().collect::<Vec<_>>(), Device::Cpu).unwrap();
    let x = no_grad(|| forecaster.forward(&examples.inputs, 0.0));
    let fast = no_grad(|| forecaster.log_likelihood(&x, &examples.changes));
    let numbers = no_grad(|| forecaster.output.forward(&x)); // (2, 6, 3 + 6 + 6)
    for b in 0..2 {
        for t in 0..6 {
            let at = |place: i64| numbers.double_value(&[b, t, place]);
            let shares: f64 = (0..3).map(|g| at(g).exp()).sum();
            let component = |g: i64| {
                let normal = |m: i64| {
                    let (mean, raw) = (at(3 + g * 2 + m), at(9 + g * 2 + m));
                    let deviation = 0.02 * (1.0 + (raw + (0.5_f64 / 0.02).ln()).exp());
                    let distance = (examples.changes.double_value(&[b, t, m]) - mean) / deviation;
                    (-distance * distance / 2.0).exp() / (deviation * (2.0 * PI).sqrt())
                };
                at(g).exp() / shares * normal(0) * normal(1)
            };
            let slow = (0..3).map(component).sum::<f64>().ln();
            assert!((fast.double_value(&[b, t]) - slow).abs() < 1e-3, "{slow}");
        }
    }
}

#[test]
fn what_is_drawn_has_the_density_that_is_trained() {
    for place in 0..4 {
        let mut forecaster = forecaster(place);
        let all = trajectories(12);
        let examples = Examples::new(&problem(), None, &all.iter().collect::<Vec<_>>(), Device::Cpu).unwrap();
        forecaster.prepare(&examples);
        let n = 3000;
        let mut rows: Vec<Row> = (0..2 * n)
            .map(|row| Row::new(&problem(), vec![0.4, 0.0, 0.6], vec![0.1], Random::stream(9, &[row as u64])))
            .collect();
        let x = no_grad(|| forecaster.forward(&inputs(1, 4).repeat([2 * n, 1, 1]), 0.0)).narrow(1, 0, 1);
        let drawn = no_grad(|| forecaster.draw(&x, &mut rows));
        let values: Vec<f32> = drawn.iter().flatten().map(|x| *x as f32).collect();
        let likelihood = no_grad(|| forecaster.log_likelihood(&x, &Tensor::from_slice(&values).view([2 * n, 1, 2])));
        // The density integrates to 1 over a grid of both changes, and its mean is that of the draws.
        let within = |metric: usize, x: f32| match &forecaster.density {
            Density::Mixture(_) => true,
            Density::Buckets(edges) => edges[metric][0] <= x && x <= edges[metric][edges[metric].len() - 1],
        };
        let grid: Vec<f32> =
            (0..200).flat_map(|a| (0..200).map(move |b| [a, b])).flatten().map(|c| c as f32 * 0.2 - 20.0).collect();
        let points = grid.len() as i64 / 2;
        let at = x.narrow(0, 0, 1).repeat([points, 1, 1]);
        let first = forecaster.log_likelihood(
            &Tensor::cat(&[&at, &at], 0),
            &Tensor::from_slice(&grid).view([points, 1, 2]).repeat([2, 1, 1]),
        );
        let inside: Vec<f32> =
            grid.chunks(2).map(|x| if within(0, x[0]) && within(1, x[1]) { 0.04 } else { 0.0 }).collect();
        let inside = Tensor::from_slice(&inside).view([points, 1]);
        let density = no_grad(|| first.narrow(0, 0, points).exp() * inside);
        let mass = density.sum(Kind::Float).double_value(&[]);
        assert!((mass - 1.0).abs() < 0.1, "output {place}: {mass}");
        let expected = (&density.view([-1]) * Tensor::from_slice(&grid).view([-1, 2]).select(1, 0)).sum(Kind::Float);
        let found = drawn[..n as usize].iter().map(|changes| changes[0]).sum::<f64>() / f64::from(n as i32);
        let deviation =
            (drawn[..n as usize].iter().map(|changes| (changes[0] - found).powi(2)).sum::<f64>() / n as f64).sqrt();
        let expected = expected.double_value(&[]);
        assert!(
            (found - expected).abs() < 0.1 + 5.0 * deviation / (n as f64).sqrt(),
            "output {place}: {found}, {expected}"
        );
        assert!(likelihood.isfinite().all().int64_value(&[]) == 1, "every draw is possible");
    }
}
