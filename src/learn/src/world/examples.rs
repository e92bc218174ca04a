//! From recorded trajectories to what a forecaster learns from.
//!
//! Notation: B trajectories, T env steps, M forecast metrics, C hyperparameters, I = M + C + 1 inputs, S symbols of an env
//! step, O of an observation.

use tch::{Device, Kind, Tensor};
use tuning::{Outcome, Problem, Steering, Step, SymbolCode, Trajectory};
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
    /// The trajectory in symbols, (B, T S + O); without any where the forecaster needs none.
    pub symbols: Tensor,
    /// 1 where the env step came to an end, so that there are changes; (B, T).
    pub ended: Tensor,
    /// 1 where the env step diverged; (B, T).
    pub diverged: Tensor,
    /// Share of the numbers recorded that lie outside their metric's range.
    pub outside: f64,
}

/// Width I of an input: metrics, hyperparameters of the coming env step, and t/T.
pub(super) fn width(problem: &Problem) -> usize {
    problem.forecast().count() + problem.hyperparameters.len() + 1
}

/// What is known before env step `t`: metrics at observation t, as they are seen, and the values that will be in force.
pub(super) fn input(problem: &Problem, seen: &[f64], hyperparameters: &[f64], t: usize) -> Vec<f32> {
    let steered = problem.hyperparameters.iter().zip(hyperparameters).map(|(h, x)| h.seen(*x));
    let time = t as f64 / f64::from(problem.env_steps);
    seen.iter().copied().chain(steered).chain([time]).map(|x| x as f32).collect()
}

/// Forecast metrics as they are seen, of all metrics.
pub(super) fn seen(problem: &Problem, metrics: &[f64]) -> Vec<f64> {
    problem.forecast().map(|(place, metric)| metric.seen(metrics[place])).collect()
}

/// The actions at an observation, and what they lead to.
pub(super) fn decided(problem: &Problem, step: &Step) -> Vec<usize> {
    step.decision.as_ref().map_or_else(|| problem.keep_all(), |decision| decision.actions.clone())
}

impl Examples {
    /// Checks and converts what has ended; lost trajectories and those still running are left out. They are written in
    /// symbols where there is a `code` for that.
    pub fn new(
        problem: &Problem,
        code: Option<SymbolCode>,
        trajectories: &[&Trajectory],
        device: Device,
    ) -> Result<Self, LearnError> {
        let mut rows = Rows::default();
        for trajectory in trajectories {
            let diverged = match trajectory.outcome {
                Some(Outcome::Completed) => false,
                Some(Outcome::Diverged) => true,
                Some(Outcome::Lost) | None => continue,
            };
            check(problem, trajectory, diverged, problem.env_steps)?;
            rows.push(problem, trajectory, diverged);
            if let Some(code) = code {
                rows.write(problem, code, trajectory);
            }
        }
        Ok(rows.into_examples(problem, code, device))
    }

    /// Trajectories (B).
    pub fn size(&self) -> usize {
        self.inputs.size()[0] as usize
    }

    /// Env steps in all of them.
    pub fn steps(&self) -> usize {
        (&self.ended + &self.diverged).sum(Kind::Int64).int64_value(&[]) as usize
    }

    /// At most `most` of the trajectories, evenly spread.
    pub fn some(&self, most: usize) -> Self {
        let (size, count) = (self.size(), self.size().min(most));
        self.rows(&(0..count).map(|n| (n * size / count) as i64).collect::<Vec<_>>())
    }

    /// Some of the trajectories.
    pub fn rows(&self, rows: &[i64]) -> Self {
        let rows = Tensor::from_slice(rows).to_device(self.inputs.device());
        let pick = |tensor: &Tensor| tensor.index_select(0, &rows);
        Self {
            inputs: pick(&self.inputs),
            changes: pick(&self.changes),
            symbols: pick(&self.symbols),
            ended: pick(&self.ended),
            diverged: pick(&self.diverged),
            outside: self.outside,
        }
    }
}

/// The numbers of all tensors, row after row.
#[derive(Default)]
struct Rows {
    inputs: Vec<f32>,
    changes: Vec<f32>,
    symbols: Vec<i64>,
    ended: Vec<f32>,
    diverged: Vec<f32>,
    numbers: usize,
    outside: usize,
}

impl Rows {
    fn push(&mut self, problem: &Problem, trajectory: &Trajectory, is_diverged: bool) {
        let (t, m) = (problem.env_steps as usize, problem.forecast().count());
        let before = self.ended.len();
        let observed: Vec<Vec<f64>> = trajectory.steps.iter().map(|step| seen(problem, &step.metrics)).collect();
        for (n, pair) in trajectory.steps.windows(2).enumerate() {
            self.inputs.extend(input(problem, &observed[n], &pair[1].applied, n));
            self.changes.extend(observed[n].iter().zip(&observed[n + 1]).map(|(a, b)| STRETCH * (b - a) as f32));
            self.ended.push(1.0);
            self.diverged.push(0.0);
        }
        let steps = self.ended.len() - before;
        // The values in force when it diverged were not reported: they are those that the last decision led to.
        if let (true, Some(last), Some(values)) = (is_diverged, observed.last(), asked(problem, trajectory))
            && steps < t
        {
            self.inputs.extend(input(problem, last, &values, steps));
            self.changes.extend(std::iter::repeat_n(0.0, m));
            self.ended.push(0.0);
            self.diverged.push(1.0);
        }
        let missing = t - (self.ended.len() - before);
        self.inputs.extend(std::iter::repeat_n(0.0, missing * width(problem)));
        self.changes.extend(std::iter::repeat_n(0.0, missing * m));
        self.ended.resize(before + t, 0.0);
        self.diverged.resize(before + t, 0.0);
        for step in &trajectory.steps {
            let outside = |(place, metric): (usize, &tuning::Metric)| {
                !(metric.range[0]..=metric.range[1]).contains(&step.metrics[place])
            };
            self.numbers += problem.forecast().count();
            self.outside += problem.forecast().filter(|metric| outside(*metric)).count();
        }
    }

    fn write(&mut self, problem: &Problem, code: SymbolCode, trajectory: &Trajectory) {
        let whole = problem.env_steps as usize * code.env_step(problem) + code.observation(problem);
        let end = self.symbols.len() + whole;
        for (n, step) in trajectory.steps.iter().enumerate() {
            let symbols = code.write(problem, &step.metrics, &step.hyperparameters);
            self.symbols.extend(symbols.into_iter().map(i64::from));
            if n < problem.env_steps as usize {
                self.symbols.extend(decided(problem, step).into_iter().map(|action| action as i64));
            }
        }
        self.symbols.resize(end, 0);
    }

    fn into_examples(self, problem: &Problem, code: Option<SymbolCode>, device: Device) -> Examples {
        let (t, m, i) = (i64::from(problem.env_steps), problem.forecast().count() as i64, width(problem) as i64);
        let b = self.ended.len() as i64 / t;
        let length = code.map_or(0, |_| self.symbols.len() as i64 / b.max(1));
        let tensor = |values: &[f32], shape: &[i64]| Tensor::from_slice(values).view(shape).to_device(device);
        Examples {
            inputs: tensor(&self.inputs, &[b, t, i]),
            changes: tensor(&self.changes, &[b, t, m]),
            symbols: Tensor::from_slice(&self.symbols).view([b, length]).to_device(device),
            ended: tensor(&self.ended, &[b, t]),
            diverged: tensor(&self.diverged, &[b, t]),
            outside: self.outside as f64 / self.numbers.max(1) as f64,
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
