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
