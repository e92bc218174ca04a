//! Objective and reward.

use serde::{Deserialize, Serialize};

use crate::{Metric, Outcome};

/// What a policy is rewarded for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Objective {
    /// Name of the metric.
    pub metric: String,
    /// Which way is better.
    #[serde(default)]
    pub direction: Direction,
}

/// Which way an objective is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Higher is better.
    #[default]
    Maximize,
    /// Lower is better.
    Minimize,
}

impl Direction {
    /// +1 where higher is better, −1 where lower is.
    pub fn sign(self) -> f64 {
        match self {
            Self::Maximize => 1.0,
            Self::Minimize => -1.0,
        }
    }

    /// Whether `a` is better than `b`.
    pub fn better(self, a: f64, b: f64) -> bool {
        self.sign() * a > self.sign() * b
    }

    /// The end of the metric's range that is worst.
    pub fn worst(self, metric: &Metric) -> f64 {
        match self {
            Self::Maximize => metric.range[0],
            Self::Minimize => metric.range[1],
        }
    }
}

/// Reward of each action: the improvement of the objective over the env step, in units of the metric's range.
///
/// `curve` holds the objective at observations 0 .. n. A completed or lost trajectory has n rewards; a diverged one has
/// one more, whose objective is the worst bound. Undiscounted, they add up to the whole improvement (design §2).
pub fn rewards(metric: &Metric, direction: Direction, curve: &[f64], outcome: Outcome) -> Vec<f64> {
    let mut points: Vec<f64> = curve.iter().map(|x| x.clamp(metric.range[0], metric.range[1])).collect();
    if outcome == Outcome::Diverged && !points.is_empty() {
        points.push(direction.worst(metric));
    }
    points.windows(2).map(|pair| direction.sign() * (pair[1] - pair[0]) / metric.span()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Scale;
    use crate::fixtures::metric;

    const DIRECTIONS: [Direction; 2] = [Direction::Maximize, Direction::Minimize];

    fn loss() -> Metric {
        metric("loss", [0.0, 4.0], Scale::Log)
    }

    #[test]
    fn a_reward_is_the_improvement_in_units_of_the_range_whatever_the_scale() {
        let curve = [1.0, 2.0, 1.5];
        assert_eq!(rewards(&loss(), Direction::Maximize, &curve, Outcome::Completed), [0.25, -0.125]);
        assert_eq!(rewards(&loss(), Direction::Minimize, &curve, Outcome::Completed), [-0.25, 0.125]);
    }

    #[test]
    fn nothing_is_earned_outside_the_range() {
        assert_eq!(rewards(&loss(), Direction::Minimize, &[9.0, 5.0, 4.0, 2.0], Outcome::Completed), [0.0, 0.0, 0.5]);
    }

    #[test]
    fn divergence_costs_the_whole_way_to_the_worst_bound() {
        assert_eq!(rewards(&loss(), Direction::Maximize, &[1.0, 3.0], Outcome::Diverged), [0.5, -0.75]);
        assert_eq!(rewards(&loss(), Direction::Minimize, &[1.0, 3.0], Outcome::Diverged), [-0.5, -0.25]);
    }

    #[test]
    fn a_trajectory_that_never_reported_earns_nothing() {
        for outcome in [Outcome::Completed, Outcome::Diverged, Outcome::Lost] {
            assert!(rewards(&loss(), Direction::Maximize, &[], outcome).is_empty());
        }
        assert!(rewards(&loss(), Direction::Maximize, &[1.0], Outcome::Completed).is_empty());
    }

    #[test]
    fn directions_say_what_is_better_and_what_is_worst() {
        assert!(Direction::Maximize.better(2.0, 1.0) && !Direction::Maximize.better(1.0, 1.0));
        assert!(Direction::Minimize.better(1.0, 2.0) && !Direction::Minimize.better(2.0, 1.0));
        assert_eq!(DIRECTIONS.map(|direction| direction.worst(&loss())), [0.0, 4.0]);
        assert_eq!(DIRECTIONS.map(Direction::sign), [1.0, -1.0]);
    }

    proptest! {
        #[test]
        fn rewards_add_up_to_the_whole_improvement(curve in prop::collection::vec(-1.0..5.0, 1..40), diverged: bool) {
            for direction in DIRECTIONS {
                let outcome = if diverged { Outcome::Diverged } else { Outcome::Completed };
                let all = rewards(&loss(), direction, &curve, outcome);
                prop_assert_eq!(all.len(), curve.len() - 1 + usize::from(diverged));
                let last = if diverged { direction.worst(&loss()) } else { curve[curve.len() - 1] };
                let improvement = direction.sign() * (loss().unit(last) - loss().unit(curve[0]));
                prop_assert!((all.iter().sum::<f64>() - improvement).abs() < 1e-12);
            }
        }

        #[test]
        fn minimising_is_maximising_the_mirror_image(curve in prop::collection::vec(0.0..4.0, 2..40)) {
            let mirrored: Vec<f64> = curve.iter().map(|x| 4.0 - x).collect();
            for outcome in [Outcome::Completed, Outcome::Diverged] {
                let down = rewards(&loss(), Direction::Minimize, &curve, outcome);
                let up = rewards(&loss(), Direction::Maximize, &mirrored, outcome);
                prop_assert!(down.iter().zip(&up).all(|(a, b)| (a - b).abs() < 1e-12));
            }
        }
    }
}
