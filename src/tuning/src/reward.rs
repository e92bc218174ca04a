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
