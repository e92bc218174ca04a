//! Observations: what a policy sees of a trajectory.

use serde::{Deserialize, Serialize};

use crate::metric::unit_in;
use crate::{Problem, Scale};

/// One-step differences of a metric are mostly below a tenth of its scale; this brings them to the size of the others.
const DIFFERENCE_GAIN: f64 = 10.0;

/// Which parts of an observation a policy sees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Inputs {
    /// The observed metrics.
    pub metrics: bool,
    /// The hyperparameters in force.
    pub hyperparameters: bool,
    /// t / T.
    pub time: bool,
    /// The best objective so far.
    pub best: bool,
    /// Changes of the observed metrics since the last observation.
    pub differences: bool,
    /// One range for all metrics, without scale, instead of each metric's own (the original code: 0 to 10).
    pub one_range: Option<[f64; 2]>,
}

impl Inputs {
    /// What the talk's policy sees.
    pub const TALK: Self = Self {
        metrics: true,
        hyperparameters: true,
        time: false,
        best: false,
        differences: false,
        one_range: Some([0.0, 10.0]),
    };

    /// What ours sees.
    pub const DEFAULT: Self =
        Self { metrics: true, hyperparameters: true, time: true, best: true, differences: true, one_range: None };

    /// Only the clock: the control for whether feedback is worth anything.
    pub const OPEN_LOOP: Self =
        Self { metrics: false, hyperparameters: false, time: true, best: false, differences: false, one_range: None };

    /// Width D of an observation vector.
    pub fn width(&self, problem: &Problem) -> usize {
        let observed = problem.observed().count();
        usize::from(self.metrics) * observed
            + usize::from(self.hyperparameters) * problem.hyperparameters.len()
            + usize::from(self.time)
            + usize::from(self.best)
            + usize::from(self.differences) * observed
    }
}

/// Turns reports into observation vectors, one after the other, as a policy sees them.
#[derive(Clone, Debug)]
pub struct Observer<'a> {
    problem: &'a Problem,
    inputs: Inputs,
    step: u32,
    best: Option<f64>,
    last: Option<Vec<f64>>,
}

impl<'a> Observer<'a> {
    /// An observer at the start of a trajectory.
    pub fn new(problem: &'a Problem, inputs: Inputs) -> Self {
        Self { problem, inputs, step: 0, best: None, last: None }
    }

    /// The next observation vector, of [`Inputs::width`], every entry in [−1, 1].
    ///
    /// `metrics` and `hyperparameters` are raw, in the problem's order (unobserved metrics included).
    pub fn observe(&mut self, metrics: &[f64], hyperparameters: &[f64]) -> Vec<f32> {
        let seen = self.seen_metrics(metrics);
        let objective = self.problem.objective_index();
        let sign = self.problem.objective.direction.sign();
        let now = self.problem.metrics[objective].seen(metrics[objective]);
        let best = self.best.map_or(now, |best| if sign * now > sign * best { now } else { best });
        let mut vector = Vec::with_capacity(self.inputs.width(self.problem));
        if self.inputs.metrics {
            vector.extend(&seen);
        }
        if self.inputs.hyperparameters {
            vector.extend(self.problem.hyperparameters.iter().zip(hyperparameters).map(|(h, x)| h.seen(*x)));
        }
        if self.inputs.time {
            vector.push(f64::from(self.step) / f64::from(self.problem.env_steps));
        }
        if self.inputs.best {
            vector.push(best);
        }
        if self.inputs.differences {
            let last = self.last.as_ref().unwrap_or(&seen);
            vector.extend(seen.iter().zip(last).map(|(a, b)| (DIFFERENCE_GAIN * (a - b)).clamp(-1.0, 1.0)));
        }
        self.step += 1;
        self.best = Some(best);
        self.last = Some(seen);
        vector.into_iter().map(|x| x as f32).collect()
    }

    fn seen_metrics(&self, metrics: &[f64]) -> Vec<f64> {
        let observed = self.problem.metrics.iter().zip(metrics).filter(|(metric, _)| metric.observed);
        observed
            .map(|(metric, x)| match self.inputs.one_range {
                Some(range) => Scale::Linear.bend(unit_in(range, *x)),
                None => metric.seen(*x),
            })
            .collect()
    }
}
