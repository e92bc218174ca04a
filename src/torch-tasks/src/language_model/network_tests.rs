#![allow(clippy::unwrap_used)]
use super::*;
use crate::language_model::Grouping;

const SMALL: Size = Size { layers: 3, width: 32, heads: 4, feed_forward: 64, context: 12, tied: false };
const V: i64 = 50;

fn network(size: Size, kind: Kind) -> Transformer {
    Transformer::new(size, V as usize, 7, Device::Cpu, kind).unwrap()
}

/// (3, 12), all different.
fn tokens() -> Tensor {
    (Tensor::arange(36, (Kind::Int64, Device::Cpu)) * 17 + 3).remainder(V).view([3, 12])
}

fn loss(network: &Transformer, dropouts: Option<&Dropouts>) -> Tensor {
    let logits = network.forward(&tokens().narrow(1, 0, 11), dropouts).view([-1, V]);
    logits.cross_entropy_for_logits(&tokens().narrow(1, 1, 11).reshape([-1]))
}

#[test]
fn a_fresh_one_knows_nothing_tied_or_not_in_either_precision() {
    for (size, kind) in [(SMALL, Kind::Float), (Size { tied: true, ..SMALL }, Kind::Float), (SMALL, Kind::BFloat16)] {
        let network = network(size, kind);
        let logits = network.forward(&tokens(), None);
        assert_eq!((logits.size(), logits.kind()), (vec![3, 12, V], Kind::Float));
        let loss = loss(&network, None).double_value(&[]);
        assert!((loss - (V as f64).ln()).abs() < 0.04 * (V as f64).ln(), "{size:?} {kind:?}: {loss}");
    }
}

#[test]
fn the_talks_has_as_many_weights_as_can_be_counted_by_hand() {
    let size = Size { layers: 6, width: 512, heads: 8, feed_forward: 2048, context: 256, tied: false };
    let network = Transformer::new(size, 10_000, 1, Device::Cpu, Kind::Float).unwrap();
    let count: usize = network.weights.trainable_variables().iter().map(Tensor::numel).sum();
    let layer = 4 * (512 * 512 + 512) + 2 * 512 * 2048 + 2048 + 512 + 4 * 512;
    assert_eq!(count, 2 * 10_000 * 512 + 256 * 512 + 6 * layer + 2 * 512);
    let refused = Transformer::new(Size { heads: 7, ..size }, 10, 1, Device::Cpu, Kind::Float).err().unwrap();
    assert!(refused.to_string().contains("--width is 512, expected a multiple of --heads 7"));
}

#[test]
fn what_comes_later_cannot_matter() {
    let network = network(SMALL, Kind::Float);
    let before = network.forward(&tokens(), None);
    for place in 0..12 {
        let other = tokens();
        let _ = other.narrow(1, place, 1).fill_(9);
        let after = network.forward(&other, None);
        let moved = (&after - &before).abs().amax([0_i64, 2].as_slice(), false); // (T)
        let first = (0..12).find(|t| moved.double_value(&[*t]) > 1e-6);
        assert_eq!(first, Some(place));
    }
    let short = network.forward(&tokens().narrow(1, 0, 5), None);
    assert!(short.allclose(&before.narrow(1, 0, 5), 1e-4, 1e-5, false), "and less may be read than the context");
}

#[test]
fn gradients_reach_every_weight_also_through_dropouts() {
    for tied in [false, true] {
        let size = Size { tied, ..SMALL };
        let (network, dropouts) = (network(size, Kind::Float), Dropouts::new(3, Grouping::Grouped, 0.1));
        let _alone = seeded(3);
        loss(&network, Some(&dropouts)).backward();
        for (name, weight) in network.weights.variables() {
            // A bias of the keys changes all weights of attention alike, which is no change: that third has none.
            let gradient = weight.grad();
            assert!(gradient.defined() && gradient.abs().max().double_value(&[]) > 1e-7, "{name}");
        }
        assert_eq!(network.weights.variables().contains_key("output"), !tied);
    }
}

#[test]
fn each_dropout_takes_effect_where_it_stands_and_none_at_zero() {
    let network = network(SMALL, Kind::Float);
    let plain = network.forward(&tokens(), None);
    let mut dropouts = Dropouts::new(3, Grouping::PerLayer, 0.0);
    assert!(network.forward(&tokens(), Some(&dropouts)).allclose(&plain, 1e-4, 1e-5, false));
    for name in dropouts.names().to_vec() {
        dropouts.fill(0.0);
        *dropouts.get(&name).unwrap() = 0.9;
        let _alone = seeded(3);
        let dropped = network.forward(&tokens(), Some(&dropouts));
        let moved = (&dropped - &plain).abs().max().double_value(&[]);
        assert!(moved > 1e-3, "{name}: {moved}");
    }
}
