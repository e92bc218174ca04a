#![allow(clippy::unwrap_used)]

use super::*;
use crate::world::fixtures::{outputs, problem, settings, trajectories};

fn forecaster(place: usize) -> Symbols {
    Symbols::new(&problem(), &settings(outputs().remove(place)), 3, Device::Cpu)
}

fn symbols(forecaster: &Symbols, seed_of: usize) -> Tensor {
    let all = trajectories(12);
    let whole: Vec<_> = all.iter().filter(|t| t.steps.len() == 7).skip(seed_of).take(4).collect();
    Examples::new(&problem(), Some(forecaster.code), &whole, Device::Cpu).unwrap().symbols
}

/// Known symbols in one pass, drawn ones one by one, as simulation reads them.
#[test]
fn two_phases_with_memory_give_what_the_whole_gives() {
    for place in [4, 5] {
        let forecaster = forecaster(place);
        let symbols = symbols(&forecaster, 0); // (4, 6 · 7 + 6)
        let whole = no_grad(|| forecaster.forward(&symbols, 0.0)); // (4, 6, G, V + 1)
        let (g, stride) = (forecaster.significance.size()[0], 7);
        let mut past = forecaster.begin();
        let mut read = 0;
        for t in 0..6 {
            for symbol in 0..g {
                let until = (t + 1) * stride + symbol;
                let mut next = symbols.narrow(1, read, until - read);
                if read == 0 {
                    next = Tensor::cat(&[forecaster.embedding.start(4), next], 1);
                }
                read = until;
                let x = no_grad(|| forecaster.trunk.step(forecaster.embedding.forward(&next, past.seen), &mut past));
                let logits = forecaster.output.forward(&x).squeeze_dim(1);
                let difference = (logits - whole.select(1, t).select(1, symbol)).abs().max().double_value(&[]);
                assert!(difference < 1e-5, "output {place}, env step {t}, symbol {symbol}: {difference}");
            }
        }
    }
}

#[test]
fn what_is_shown_is_remembered_as_the_whole_has_it() {
    use crate::world::examples::decided;
    for place in [4, 5] {
        let forecaster = forecaster(place);
        let whole = no_grad(|| forecaster.forward(&symbols(&forecaster, 0), 0.0)); // (4, 6, G, V + 1)
        let all = trajectories(12);
        let real: Vec<_> = all.iter().filter(|t| t.steps.len() == 7).take(4).collect();
        let random = tuning::Random::stream(1, &[]);
        let row = |t: &&tuning::Trajectory| {
            Row::new(&problem(), t.steps[0].metrics.clone(), t.steps[0].hyperparameters.clone(), random.clone())
        };
        let (mut rows, mut past): (Vec<Row>, _) = (real.iter().map(row).collect(), forecaster.begin());
        for t in 0..6 {
            for (row, real) in rows.iter_mut().zip(&real) {
                row.actions = decided(&problem(), &real.steps[t]);
                row.coming.clone_from(&real.steps[t + 1].hyperparameters);
            }
            if t == 5 {
                break;
            }
            let next: Vec<&[f64]> = real.iter().map(|real| &real.steps[t + 1].metrics[..]).collect();
            no_grad(|| forecaster.show(&mut past, &mut rows, &next));
        }
        let told = forecaster.told(&past, &rows);
        // Of what is drawn, only the first symbol follows from what is known.
        let x = no_grad(|| forecaster.trunk.step(forecaster.embedding.forward(&told, past.seen), &mut past));
        let logits = forecaster.output.forward(&x).squeeze_dim(1);
        let difference = (logits - whole.select(1, 5).select(1, 0)).abs().max().double_value(&[]);
        assert!(difference < 1e-5, "output {place}: {difference}");
    }
}

#[test]
fn the_future_cannot_matter() {
    for place in [4, 5] {
        let forecaster = forecaster(place);
        let (one, other) = (symbols(&forecaster, 0), symbols(&forecaster, 4));
        other.narrow(1, 0, 20).copy_(&one.narrow(1, 0, 20));
        let [one, other] = [one, other].map(|symbols| no_grad(|| forecaster.forward(&symbols, 0.0)));
        let distance = |t| (one.select(1, t) - other.select(1, t)).abs().max().double_value(&[]);
        // Env step 1 is drawn from symbol 14 on, and knows those before.
        assert!(distance(0) < 1e-6 && distance(1) < 1e-6 && distance(3) > 1e-3);
    }
}

#[test]
fn the_weighted_entropy_is_that_of_a_slow_loop() {
    let forecaster = forecaster(4);
    let all = trajectories(3);
    let rows = [0_i64, 1, 2, 0, 1, 2];
    let examples = Examples::new(&problem(), Some(forecaster.code), &all.iter().collect::<Vec<_>>(), Device::Cpu);
    let examples = examples.unwrap().rows(&rows);
    let logits = no_grad(|| forecaster.forward(&examples.symbols, 0.0)).log_softmax(-1, Kind::Float);
    let losses = no_grad(|| forecaster.losses(&examples, 0.0));
    for member in 0..2 {
        let (mut total, mut steps) = (0.0, 0.0);
        for (b, trajectory) in all.iter().enumerate() {
            let row = (member * 3 + b) as i64;
            for t in 0..trajectory.steps.len() as i64 - 1 {
                steps += 1.0;
                for symbol in 0..4 {
                    let target = examples.symbols.int64_value(&[row, (t + 1) * 7 + symbol]);
                    let weight = if symbol % 2 == 0 { 1.0 } else { 0.8 };
                    total -= weight * logits.double_value(&[row, t, symbol, target]);
                }
            }
            if trajectory.steps.len() == 3 {
                steps += 1.0;
                total -= logits.double_value(&[row, 2, 0, 16]);
            }
        }
        let loss = losses.double_value(&[member as i64]);
        assert!((loss - total / steps).abs() < 1e-4, "{loss}, by hand {}", total / steps);
    }
}

#[test]
fn drawn_symbols_occur_as_often_as_the_network_says() {
    let forecaster = forecaster(4);
    let one = symbols(&forecaster, 0).narrow(0, 0, 1);
    let n = 4000;
    let known = one.narrow(1, 0, 7).repeat([2 * n, 1]);
    let known = Tensor::cat(&[forecaster.embedding.start(2 * n), known], 1);
    let mut random = tuning::Random::stream(5, &[]);
    let uniforms: Vec<f32> = (0..2 * n * 4).map(|_| random.uniform() as f32).collect();
    let uniforms = Tensor::from_slice(&uniforms).view([2 * n, 4]);
    let drawn = no_grad(|| forecaster.draw(&mut forecaster.begin(), &known, &uniforms)).narrow(0, 0, n).select(1, 0);
    let shares = no_grad(|| forecaster.forward(&one.repeat([2, 1]), 0.0)).select(0, 0).select(0, 0).select(0, 0);
    let shares = shares.softmax(-1, Kind::Float);
    for symbol in 0..17 {
        let expected = shares.double_value(&[symbol]);
        let found = drawn.eq(symbol).to_kind(Kind::Float).mean(Kind::Float).double_value(&[]);
        // Five standard deviations.
        let slack = 5.0 * (expected * (1.0 - expected) / n as f64).sqrt() + 1e-3;
        assert!((found - expected).abs() < slack, "symbol {symbol}: {found}, expected {expected}");
    }
}
