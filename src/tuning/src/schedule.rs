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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn factors(schedule: Schedule, env_steps: u32) -> Vec<f64> {
        (0..env_steps).map(|step| schedule.factor(step, env_steps)).collect()
    }

    fn assert_close(got: &[f64], expected: &[f64]) {
        assert_eq!(got.len(), expected.len());
        assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{got:?} is not {expected:?}");
    }

    #[test]
    fn a_constant_stays_at_one_and_ignores_where_it_would_go() {
        assert_eq!(factors(Schedule::default(), 4), [1.0; 4]);
        assert_eq!(factors(Schedule { to: 0.1, ..Schedule::default() }, 4), [1.0; 4]);
    }

    #[test]
    fn a_linear_decay_reaches_its_end_after_the_last_env_step() {
        let schedule = Schedule { decay: Decay::Linear, to: 0.0, warm_up: 0 };
        assert_close(&factors(schedule, 4), &[1.0, 0.75, 0.5, 0.25]);
        assert_eq!(schedule.factor(4, 4), 0.0);
        assert_close(&factors(Schedule { to: 0.2, ..schedule }, 4), &[1.0, 0.8, 0.6, 0.4]);
    }

    #[test]
    fn a_cosine_is_flat_at_both_ends() {
        let schedule = Schedule { decay: Decay::Cosine, to: 0.0, warm_up: 0 };
        let half = 0.5_f64.sqrt() / 2.0;
        assert_close(&factors(schedule, 4), &[1.0, 0.5 + half, 0.5, 0.5 - half]);
        assert!(schedule.factor(4, 4).abs() < 1e-15);
    }

    #[test]
    fn a_warm_up_rises_linearly_and_the_decay_follows_it() {
        let constant = Schedule { decay: Decay::Constant, to: 0.0, warm_up: 3 };
        assert_close(&factors(constant, 5), &[0.25, 0.5, 0.75, 1.0, 1.0]);
        let linear = Schedule { decay: Decay::Linear, ..constant };
        assert_close(&factors(linear, 7), &[0.25, 0.5, 0.75, 1.0, 0.75, 0.5, 0.25]);
    }

    #[test]
    fn a_warm_up_longer_than_the_trajectory_never_ends() {
        let schedule = Schedule { decay: Decay::Linear, to: 0.0, warm_up: 9 };
        assert_close(&factors(schedule, 3), &[0.1, 0.2, 0.3]);
        assert_eq!(schedule.factor(9, 3), 1.0);
    }

    proptest! {
        #[test]
        fn factors_are_positive_fall_after_the_warm_up_and_stay_between_their_ends(
            cosine: bool, to in 0.0..1.0, warm_up in 0_u32..10, env_steps in 1_u32..50,
        ) {
            let decay = if cosine { Decay::Cosine } else { Decay::Linear };
            let all = factors(Schedule { decay, to, warm_up }, env_steps);
            prop_assert!(all.iter().all(|factor| *factor > 0.0 && *factor <= 1.0));
            let (rising, falling) = all.split_at((warm_up as usize).min(all.len()));
            prop_assert!(rising.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(falling.windows(2).all(|pair| pair[0] > pair[1]));
            prop_assert!(falling.iter().all(|factor| *factor >= to));
        }
    }
}
