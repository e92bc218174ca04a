#![allow(clippy::unwrap_used)]
use tasks::classification::Sgd;
use tch::nn::OptimizerConfig;
use tch::{Device, Kind, Tensor, nn};

use super::*;

/// Two weights, always the same.
fn weights() -> (nn::VarStore, [Tensor; 2]) {
    let weights = nn::VarStore::new(Device::Cpu);
    let start = |name: &str, values: &[f32]| weights.root().var_copy(name, &Tensor::from_slice(values));
    let both = [start("a", &[1.0, -2.0, 3.0]), start("b", &[0.5, 0.25])];
    (weights, both)
}

/// Neither quadratic nor separable.
fn loss([a, b]: &[Tensor; 2]) -> Tensor {
    (a.square().sum(Kind::Float) * b.sum(Kind::Float)).exp() * 0.01 + (b * 3.0).cos().sum(Kind::Float)
}

#[test]
fn momentum_goes_where_libtorchs_own_goes_while_what_is_steered_changes() {
    let ((ours, at), (theirs, there)) = (weights(), weights());
    let mut own = Momentum::new(&ours);
    let mut peer = nn::Sgd { momentum: 0.9, dampening: 0.0, wd: 0.01, nesterov: false }.build(&theirs, 0.01).unwrap();
    for step in 0..20 {
        let with = Sgd {
            learning_rate: 0.01 / f64::from(step + 1),
            momentum: 0.9 - 0.01 * f64::from(step),
            weight_decay: 0.01,
        };
        own.step(&loss(&at), &with);
        peer.set_lr(with.learning_rate);
        peer.set_momentum(with.momentum);
        peer.backward_step(&loss(&there));
    }
    for (ours, theirs) in at.iter().zip(&there) {
        assert!(ours.allclose(theirs, 1e-5, 1e-6, false), "{ours:?} {theirs:?}");
    }
    assert!(own.state().values().all(|velocity| velocity.abs().max().double_value(&[]) > 0.0));
}

#[test]
fn adamw_goes_where_libtorchs_own_goes_while_what_is_steered_changes() {
    let ((ours, at), (theirs, there)) = (weights(), weights());
    let mut own = AdamW::new(&ours);
    let mut peer = nn::AdamW { wd: 0.1, ..nn::AdamW::default() }.build(&theirs, 0.01).unwrap();
    for step in 1..=30 {
        let (learning_rate, weight_decay) = (0.1 / f64::from(step), 0.1 / f64::from(step));
        own.step(step as u64, &loss(&at), learning_rate, weight_decay);
        peer.set_lr(learning_rate);
        peer.set_weight_decay(weight_decay);
        peer.backward_step(&loss(&there));
    }
    for (ours, theirs) in at.iter().zip(&there) {
        assert!(ours.allclose(theirs, 1e-5, 1e-6, false), "{ours:?} {theirs:?}");
    }
    assert_eq!(own.state().keys().collect::<Vec<_>>(), ["mean.a", "mean.b", "square.a", "square.b"]);
}

#[test]
fn at_a_learning_rate_of_zero_adamw_stays_where_it_is() {
    let (store, at) = weights();
    let mut own = AdamW::new(&store);
    own.step(1, &loss(&at), 0.0, 0.1);
    assert!(at[0].equal(&weights().1[0]) && at[1].equal(&weights().1[1]));
}

/// A matrix, and a gradient of it for each step that has nothing to do with where it is.
const START: [[f64; 3]; 2] = [[0.5, -1.0, 2.0], [0.1, 0.0, -0.3]];

fn slope(step: u64, row: usize, column: usize) -> f64 {
    ((step * 7 + row as u64 * 3 + column as u64 * 5) as f64).sin() * (1.0 + row as f64)
}

/// The paper's Algorithm 4, with weight decay, in plain numbers.
fn adafactor_by_hand(steps: u64, learning_rate: f64, weight_decay: f64) -> [[f64; 3]; 2] {
    let (mut x, mut rows, mut columns) = (START, [0.0; 2], [0.0; 3]);
    for t in 1..=steps {
        let kept = 1.0 - (t as f64).powf(-0.8);
        let g = |r: usize, c: usize| slope(t, r, c);
        let square = |r: usize, c: usize| g(r, c).powi(2) + 1e-30;
        for (r, sum) in rows.iter_mut().enumerate() {
            *sum = kept * *sum + (1.0 - kept) * (0..3).map(|c| square(r, c)).sum::<f64>();
        }
        for (c, sum) in columns.iter_mut().enumerate() {
            *sum = kept * *sum + (1.0 - kept) * (0..2).map(|r| square(r, c)).sum::<f64>();
        }
        let estimate = |r: usize, c: usize| rows[r] * columns[c] / rows.iter().sum::<f64>();
        let update = |r: usize, c: usize| g(r, c) / estimate(r, c).sqrt();
        let cells = || (0..2).flat_map(|r| (0..3).map(move |c| (r, c)));
        let rms = |of: &dyn Fn(usize, usize) -> f64| (cells().map(|(r, c)| of(r, c).powi(2)).sum::<f64>() / 6.0).sqrt();
        let size = rms(&|r, c| x[r][c]).max(1e-3) * learning_rate / rms(&update).max(1.0);
        let before = x;
        cells().for_each(|(r, c)| x[r][c] = (1.0 - weight_decay) * before[r][c] - size * update(r, c));
    }
    x
}

#[test]
fn adafactor_is_the_papers_and_a_vector_has_its_squares_whole() {
    let store = nn::VarStore::new(Device::Cpu);
    let matrix = store.root().var_copy("m", &Tensor::from_slice(&START.concat()).view([2, 3]).to_kind(Kind::Float));
    let vector = store.root().var_copy("v", &Tensor::from_slice(&[2.0_f32, 2.0]));
    let mut own = Adafactor::new(&store);
    for step in 1..=9 {
        let slopes: Vec<f64> = (0..6).map(|place| slope(step, place / 3, place % 3)).collect();
        let slopes = Tensor::from_slice(&slopes).view([2, 3]).to_kind(Kind::Float);
        let loss =
            (&matrix * slopes).sum(Kind::Float) + (&vector * Tensor::from_slice(&[3.0_f32, -0.01])).sum(Kind::Float);
        own.step(step, &loss, 0.05, 0.001);
    }
    let expected = Tensor::from_slice(&adafactor_by_hand(9, 0.05, 0.001).concat()).view([2, 3]).to_kind(Kind::Float);
    assert!(matrix.allclose(&expected, 1e-5, 1e-6, false), "{matrix:?} {expected:?}");
    // Where gradients stay the same, each step is a twentieth of the weights' root mean square, whatever the gradients' size.
    let after = (0..9).fold([2.0_f64, 2.0], |[a, b], _| {
        let step = 0.05 * ((a * a + b * b) / 2.0).sqrt();
        [a * 0.999 - step, b * 0.999 + step]
    });
    let vector = [0, 1].map(|place| vector.double_value(&[place]));
    assert!(vector.iter().zip(after).all(|(found, expected)| (found - expected).abs() < 1e-5), "{vector:?} {after:?}");
    assert_eq!(own.state().keys().collect::<Vec<_>>(), ["column.m", "row.m", "square.v"]);
    assert_eq!((own.state()["row.m"].size(), own.state()["column.m"].size()), (vec![2], vec![3]));
}
