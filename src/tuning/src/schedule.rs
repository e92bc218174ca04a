//! Schedules: the recipe that a hyperparameter follows while the policy keeps it.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// A factor on the starting value for each env step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Schedule {
    /// How the factor falls from 1 after the warm-up.
    #[serde(default)]
    pub decay: Decay,
    /// Factor reached at the end of the trajectory; ignored by [`Decay::Constant`].
    #[serde(default)]
    pub to: f64,
    /// Env steps during which the factor rises linearly to 1.
    #[serde(default)]
    pub warm_up: u32,
}

/// Shape of a schedule after its warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decay {
    /// Stays at 1.
    #[default]
    Constant,
    /// Falls in a straight line.
    Linear,
    /// Falls along half a cosine wave.
    Cosine,
}

impl Schedule {
    /// Factor in force while env step `step` (from 0) of `env_steps` is trained.
    pub fn factor(&self, step: u32, env_steps: u32) -> f64 {
        if step < self.warm_up {
            return f64::from(step + 1) / f64::from(self.warm_up + 1);
        }
        let whole = f64::from(env_steps.saturating_sub(self.warm_up).max(1));
        let progress = (f64::from(step - self.warm_up) / whole).min(1.0);
        let left = match self.decay {
            Decay::Constant => return 1.0,
            Decay::Linear => 1.0 - progress,
            Decay::Cosine => (1.0 + (PI * progress).cos()) / 2.0,
        };
        self.to + (1.0 - self.to) * left
    }
}
