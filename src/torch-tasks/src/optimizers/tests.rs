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
