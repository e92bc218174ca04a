//! Hyperparameters: numbers that the policy steers, and the logarithmic space in which it does.

use serde::{Deserialize, Serialize};

use crate::Schedule;

/// A number that the policy steers.
///
/// All arithmetic happens on x' = 1 − x where `complement` is set (numbers near 1, such as momentum), else on x' = x.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hyperparameter {
    /// Name under which the trainer receives it.
    pub name: String,
    /// Value at the start of a trajectory, unless `initial_range` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<f64>,
    /// Lowest and highest starting value; each trajectory draws its own, log-uniformly in x'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_range: Option<[f64; 2]>,
    /// Lowest value the policy may set.
    pub min: f64,
    /// Highest value the policy may set.
    pub max: f64,
    /// Steer 1 − x instead of x.
    #[serde(default)]
    pub complement: bool,
    /// What the value follows while the policy keeps it.
    #[serde(default)]
    pub schedule: Schedule,
}

impl Hyperparameter {
    /// From the value to the steered quantity x', and back: the map is its own inverse.
    pub fn primed(&self, x: f64) -> f64 {
        if self.complement { 1.0 - x } else { x }
    }

    /// Lowest and highest x'.
    pub fn bounds(&self) -> (f64, f64) {
        let (a, b) = (self.primed(self.min), self.primed(self.max));
        (a.min(b), a.max(b))
    }

    /// x' moved into the bounds.
    pub fn clip(&self, primed: f64) -> f64 {
        let (low, high) = self.bounds();
        primed.clamp(low, high)
    }

    /// What a network sees of the value `x`: its place between the bounds in ln x', in [0, 1].
    pub fn seen(&self, x: f64) -> f64 {
        let (low, high) = self.bounds();
        let primed = self.clip(self.primed(x));
        (primed.ln() - low.ln()) / (high.ln() - low.ln())
    }

    /// Inverse of [`Hyperparameter::seen`].
    pub fn unseen(&self, seen: f64) -> f64 {
        let (low, high) = self.bounds();
        let primed = (low.ln() + seen * (high.ln() - low.ln())).exp();
        self.primed(self.clip(primed))
    }

    /// Starting value for a uniform draw `u` in [0, 1); without a range the draw does not matter.
    pub fn start(&self, u: f64) -> f64 {
        let Some([a, b]) = self.initial_range else {
            return self.initial.unwrap_or(self.max);
        };
        let (a, b) = (self.primed(a).ln(), self.primed(b).ln());
        self.primed(self.clip((a + u * (b - a)).exp()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::hyperparameter;

    fn learning_rate() -> Hyperparameter {
        hyperparameter("learning_rate", 0.1, [1e-4, 1.0], false)
    }

    fn momentum() -> Hyperparameter {
        hyperparameter("momentum", 0.9, [0.0, 0.99], true)
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12 * b.abs().max(1.0)
    }

    #[test]
    fn a_value_is_seen_by_its_place_in_the_logarithm() {
        assert!(
            [(1e-4, 0.0), (1e-3, 0.25), (1e-2, 0.5), (1.0, 1.0)]
                .iter()
                .all(|(x, y)| close(learning_rate().seen(*x), *y))
        );
    }

    #[test]
    fn a_complement_is_seen_by_its_distance_from_one() {
        // Momentum 0 is x' = 1, the top; 0.99 is x' = 0.01, the bottom; 0.9 lies half-way.
        assert!([(0.0, 1.0), (0.9, 0.5), (0.99, 0.0)].iter().all(|(x, y)| close(momentum().seen(*x), *y)));
    }

    #[test]
    fn bounds_are_ordered_whichever_way_they_map() {
        assert_eq!(learning_rate().bounds(), (1e-4, 1.0));
        let (low, high) = momentum().bounds();
        assert!(close(low, 0.01) && high == 1.0);
    }

    #[test]
    fn values_outside_the_bounds_are_seen_and_clipped_at_the_ends() {
        assert_eq!([0.0, 5.0].map(|x| learning_rate().seen(x)), [0.0, 1.0]);
        assert_eq!([-1.0, 0.3, 5.0].map(|x| learning_rate().clip(x)), [1e-4, 0.3, 1.0]);
    }

    #[test]
    fn the_start_is_the_initial_value_whatever_is_drawn() {
        assert_eq!([0.0, 0.7].map(|u| learning_rate().start(u)), [0.1, 0.1]);
    }

    #[test]
    fn a_starting_range_is_drawn_from_log_uniformly() {
        let ranged = Hyperparameter { initial_range: Some([1e-3, 1e-1]), ..learning_rate() };
        assert!([(0.0, 1e-3), (0.5, 1e-2), (1.0, 1e-1)].iter().all(|(u, x)| close(ranged.start(*u), *x)));
        let ranged = Hyperparameter { initial_range: Some([0.0, 0.99]), ..momentum() };
        assert!([(0.0, 0.0), (0.5, 0.9), (1.0, 0.99)].iter().all(|(u, x)| close(ranged.start(*u), *x)));
    }

    #[test]
    fn json_needs_only_a_name_and_bounds() {
        let read: Hyperparameter =
            serde_json::from_str(r#"{"name": "learning_rate", "initial": 0.1, "min": 1e-4, "max": 1}"#).unwrap();
        assert_eq!(read, learning_rate());
        assert!(
            serde_json::from_str::<Hyperparameter>(r#"{"name": "learning_rate", "minimum": 1e-4, "max": 1}"#).is_err()
        );
    }

    proptest! {
        #[test]
        fn unseen_is_the_inverse_of_seen(seen in 0.0..=1.0) {
            for h in [learning_rate(), momentum()] {
                prop_assert!(close(h.seen(h.unseen(seen)), seen), "{}", h.name);
            }
        }

        #[test]
        fn what_is_seen_lies_between_zero_and_one(x in -1e9..1e9) {
            for h in [learning_rate(), momentum()] {
                prop_assert!((0.0..=1.0).contains(&h.seen(x)), "{} {x}", h.name);
            }
        }

        #[test]
        fn order_is_kept_and_a_complement_turns_it_round(a in 1e-4..0.98, gap in 1e-6..0.01) {
            prop_assert!(learning_rate().seen(a) < learning_rate().seen(a + gap));
            prop_assert!(momentum().seen(a) > momentum().seen(a + gap));
        }

        #[test]
        fn a_draw_stays_within_its_range_and_keeps_order(u in 0.0..1.0, v in 0.0..1.0) {
            let h = Hyperparameter { initial_range: Some([1e-3, 0.5]), ..learning_rate() };
            prop_assert!((1e-3 - 1e-15..=0.5 + 1e-15).contains(&h.start(u)));
            prop_assert_eq!(u < v - 1e-9, h.start(u) < h.start(v - 1e-9));
        }
    }
}
