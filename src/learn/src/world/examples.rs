//! From recorded trajectories to what a forecaster learns from.
//!
//! Notation: B trajectories, T env steps, M forecast metrics, C hyperparameters, I = M + C + 1 inputs.

use tch::{Device, Kind, Tensor};
use tuning::{Metric, Outcome, Problem, Steering, Trajectory};
use wire::artifact::STRETCH;

use crate::LearnError;
use crate::batch::check;

/// Trajectories as tensors, padded with zeros up to T.
#[derive(Debug)]
pub(super) struct Examples {
    /// What is known before each env step, (B, T, I).
    pub inputs: Tensor,
    /// Change of each metric over the env step, in the unit that networks see; (B, T, M).
    pub changes: Tensor,
    /// 1 where the env step came to an end, so that there are changes; (B, T).
    pub ended: Tensor,
    /// 1 where the env step diverged; (B, T).
    pub diverged: Tensor,
}

/// Metrics that are forecast, with their places: what policies see, and the objective.
pub(super) fn forecast(problem: &Problem) -> impl Iterator<Item = (usize, &Metric)> {
    let objective = &problem.objective.metric;
    problem.metrics.iter().enumerate().filter(move |(_, metric)| metric.observed || metric.name == *objective)
}

/// Width I of an input: metrics, hyperparameters of the coming env step, and t/T.
pub(super) fn width(problem: &Problem) -> usize {
    forecast(problem).count() + problem.hyperparameters.len() + 1
}

/// What is known before env step `t`: metrics at observation t, as they are seen, and the values that will be in force.
pub(super) fn input(problem: &Problem, seen: &[f64], hyperparameters: &[f64], t: usize) -> Vec<f32> {
    let steered = problem.hyperparameters.iter().zip(hyperparameters).map(|(h, x)| h.seen(*x));
    let time = t as f64 / f64::from(problem.env_steps);
    seen.iter().copied().chain(steered).chain([time]).map(|x| x as f32).collect()
}

/// Forecast metrics as they are seen.
pub(super) fn seen(problem: &Problem, metrics: &[f64]) -> Vec<f64> {
    forecast(problem).map(|(place, metric)| metric.seen(metrics[place])).collect()
}

impl Examples {
    /// Checks and converts what has ended; lost trajectories and those still running are left out.
    pub fn new(problem: &Problem, trajectories: &[&Trajectory], device: Device) -> Result<Self, LearnError> {
        let (t, m, i) = (problem.env_steps as usize, forecast(problem).count(), width(problem));
        let (mut inputs, mut changes, mut ended, mut diverged) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut b = 0;
        for trajectory in trajectories {
            let is_diverged = match trajectory.outcome {
                Some(Outcome::Completed) => false,
                Some(Outcome::Diverged) => true,
                Some(Outcome::Lost) | None => continue,
            };
            check(problem, trajectory, is_diverged)?;
            let observed: Vec<Vec<f64>> = trajectory.steps.iter().map(|step| seen(problem, &step.metrics)).collect();
            let mut steps = 0;
            for (n, pair) in trajectory.steps.windows(2).enumerate() {
                inputs.extend(input(problem, &observed[n], &pair[1].applied, n));
                changes.extend(observed[n].iter().zip(&observed[n + 1]).map(|(a, b)| STRETCH * (b - a) as f32));
                steps += 1;
            }
            ended.extend(std::iter::repeat_n(1.0_f32, steps));
            diverged.extend(std::iter::repeat_n(0.0_f32, steps));
            // The values in force when it diverged were not reported: they are those that the last decision led to.
            if let (true, Some(last), Some(values)) = (is_diverged, observed.last(), asked(problem, trajectory))
                && steps < t
            {
                inputs.extend(input(problem, last, &values, steps));
                changes.extend(std::iter::repeat_n(0.0, m));
                ended.push(0.0);
                diverged.push(1.0);
                steps += 1;
            }
            inputs.extend(std::iter::repeat_n(0.0, (t - steps) * i));
            changes.extend(std::iter::repeat_n(0.0, (t - steps) * m));
            ended.resize((b + 1) * t, 0.0);
            diverged.resize((b + 1) * t, 0.0);
            b += 1;
        }
        let [b, t, m, i] = [b, t, m, i].map(|n| n as i64);
        let tensor = |values: &[f32], shape: &[i64]| Tensor::from_slice(values).view(shape).to_device(device);
        Ok(Self {
            inputs: tensor(&inputs, &[b, t, i]),
            changes: tensor(&changes, &[b, t, m]),
            ended: tensor(&ended, &[b, t]),
            diverged: tensor(&diverged, &[b, t]),
        })
    }

    /// Trajectories (B).
    pub fn size(&self) -> usize {
        self.inputs.size()[0] as usize
    }

    /// Env steps in all of them.
    pub fn steps(&self) -> usize {
        (&self.ended + &self.diverged).sum(Kind::Int64).int64_value(&[]) as usize
    }

    /// Some of the trajectories.
    pub fn rows(&self, rows: &[i64]) -> Self {
        let rows = Tensor::from_slice(rows).to_device(self.inputs.device());
        let pick = |tensor: &Tensor| tensor.index_select(0, &rows);
        Self {
            inputs: pick(&self.inputs),
            changes: pick(&self.changes),
            ended: pick(&self.ended),
            diverged: pick(&self.diverged),
        }
    }
}

/// Values that the last decision of a trajectory led to.
fn asked(problem: &Problem, trajectory: &Trajectory) -> Option<Vec<f64>> {
    let mut steering = Steering::start(problem, &trajectory.steps.first()?.hyperparameters);
    for step in &trajectory.steps {
        steering.act(step.step, &step.decision.as_ref()?.actions);
    }
    Some(steering.values())
}
