//! From recorded trajectories to tensors.
//!
//! Notation: B trajectories, T env steps (of the problem, whatever each trajectory has), R numbers that a policy reads at an
//! observation, C hyperparameters.

use tch::{Device, Tensor};
use tuning::{Outcome, Problem, Reading, Step, Trajectory};

use crate::LearnError;

/// What is learned from: the trajectories of an epoch that completed or diverged, padded with zeros up to T.
#[derive(Debug)]
pub(crate) struct Batch {
    /// What the policy reads, (B, T, R).
    pub observations: Tensor,
    /// Index into the multipliers for each hyperparameter, (B, T, C).
    pub actions: Tensor,
    /// Log-probability of each action when it was drawn, (B, T, C); 0 where no policy drew it.
    pub acted: Tensor,
    /// 1 where there is a reward, and so something to estimate; (B, T).
    pub rewarded: Tensor,
    /// 1 where a policy decided; (B, T).
    pub decided: Tensor,
    /// The same in plain numbers.
    pub episodes: Vec<Episode>,
}

/// Which part of trajectories is learned from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The first observation at which something may have been decided.
    pub from: u32,
    /// The last observation: T, or before it, where what is yet to come is for the value to say.
    pub until: u32,
}

/// The part of a trajectory that advantages are computed from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Episode {
    /// Place within the epoch.
    pub index: u32,
    /// Reward of each action.
    pub rewards: Vec<f64>,
    /// Whether a policy decided there; as long as `rewards`.
    pub decided: Vec<bool>,
    /// How it ended: diverged (terminated), or at T (truncated by budget, which the objective means), or at the end of a
    /// span before it.
    pub diverged: bool,
    /// Whether something is yet to come.
    pub goes_on: bool,
}

impl Batch {
    /// Checks and converts what has ended in `trajectories`; lost and running ones are left out.
    pub fn new(
        problem: &Problem,
        reading: Reading,
        trajectories: &[Trajectory],
        span: Span,
        device: Device,
    ) -> Result<Self, LearnError> {
        let (t, c) = (problem.env_steps as usize, problem.hyperparameters.len());
        let mut rows = Rows::default();
        let mut episodes = Vec::new();
        for trajectory in trajectories {
            let diverged = match trajectory.outcome {
                Some(Outcome::Completed) => false,
                Some(Outcome::Diverged) => true,
                Some(Outcome::Lost) | None => continue,
            };
            check(problem, trajectory, diverged, span.until)?;
            if trajectory.steps.is_empty() {
                continue; // It diverged before anything was observed or done.
            }
            let outcome = if diverged { Outcome::Diverged } else { Outcome::Completed };
            let rewards = problem.rewards(&trajectory.steps, outcome);
            let decided = trajectory.steps[..rewards.len()].iter().map(by_policy).collect();
            let goes_on = !diverged && span.until < problem.env_steps;
            // What a value is asked for after the last reward is read too.
            rows.push(problem, reading, &trajectory.steps[..rewards.len() + usize::from(goes_on)]);
            rows.reward(t, span.from as usize..rewards.len());
            episodes.push(Episode { index: trajectory.key.index, rewards, decided, diverged, goes_on });
        }
        Ok(rows.into_batch([t, reading.width(problem), c], episodes, device))
    }

    /// Number of decisions that a policy made.
    pub fn decisions(&self) -> usize {
        self.episodes.iter().flat_map(|episode| &episode.decided).filter(|decided| **decided).count()
    }
}

/// Whether a policy had a say in the step's decision.
fn by_policy(step: &Step) -> bool {
    step.decision.as_ref().is_some_and(|decision| decision.keep.is_none() && !decision.log_probabilities.is_empty())
}

/// The numbers of all tensors, row after row.
#[derive(Default)]
struct Rows {
    observations: Vec<f32>,
    actions: Vec<i64>,
    acted: Vec<f32>,
    rewarded: Vec<f32>,
    decided: Vec<f32>,
}

impl Rows {
    fn push(&mut self, problem: &Problem, reading: Reading, steps: &[Step]) {
        let (t, c) = (problem.env_steps as usize, problem.hyperparameters.len());
        let (before, padding) = (self.decided.len(), t - steps.len());
        let mut reader = reading.start(problem);
        let mut taken = Vec::new();
        for step in steps {
            self.observations.extend(reader.read(&taken, &step.metrics, &step.hyperparameters));
            taken = step.decision.as_ref().map_or_else(|| problem.keep_all(), |decision| decision.actions.clone());
            self.decided.push(if by_policy(step) { 1.0 } else { 0.0 });
            match &step.decision {
                Some(decision) if by_policy(step) => {
                    self.actions.extend(decision.actions.iter().map(|action| *action as i64));
                    self.acted.extend(&decision.log_probabilities);
                }
                _ => {
                    self.actions.extend(std::iter::repeat_n(0, c));
                    self.acted.extend(std::iter::repeat_n(0.0, c));
                }
            }
        }
        self.observations.extend(std::iter::repeat_n(0.0, padding * reading.width(problem)));
        self.actions.extend(std::iter::repeat_n(0, padding * c));
        self.acted.extend(std::iter::repeat_n(0.0, padding * c));
        self.decided.resize(before + t, 0.0);
    }

    /// Says at which of T env steps of the next trajectory there is a reward that counts.
    fn reward(&mut self, t: usize, counted: std::ops::Range<usize>) {
        self.rewarded.extend((0..t).map(|step| f32::from(u8::from(counted.contains(&step)))));
    }

    fn into_batch(self, [t, r, c]: [usize; 3], episodes: Vec<Episode>, device: Device) -> Batch {
        let (b, t, r, c) = (episodes.len() as i64, t as i64, r as i64, c as i64);
        let floats = |values: &[f32], shape: &[i64]| Tensor::from_slice(values).view(shape).to_device(device);
        Batch {
            observations: floats(&self.observations, &[b, t, r]),
            actions: Tensor::from_slice(&self.actions).view([b, t, c]).to_device(device),
            acted: floats(&self.acted, &[b, t, c]),
            rewarded: floats(&self.rewarded, &[b, t]),
            decided: floats(&self.decided, &[b, t]),
            episodes,
        }
    }
}

/// Refuses whatever would not fit a tensor or bring a NaN into one.
/// One that did not diverge ends at observation `until`.
pub(crate) fn check(problem: &Problem, trajectory: &Trajectory, diverged: bool, until: u32) -> Result<(), LearnError> {
    let t = until as usize;
    let refuse = |step, field, got: String, expected: String| {
        Err(LearnError::Trajectory { key: trajectory.key, step, field, got, expected })
    };
    match trajectory.steps.len() {
        n if diverged && n > t => return refuse(t, "the number of steps", n.to_string(), format!("at most {t}")),
        n if !diverged && n != t + 1 => return refuse(n, "the number of steps", n.to_string(), (t + 1).to_string()),
        _ => {}
    }
    for (n, step) in trajectory.steps.iter().enumerate() {
        if let Err((field, got, expected)) = check_step(problem, step) {
            return refuse(n, field, got, expected);
        }
    }
    Ok(())
}

/// Name of the field at fault, what it is, and what was expected.
type Fault = (&'static str, String, String);

fn check_step(problem: &Problem, step: &Step) -> Result<(), Fault> {
    let (m, c, a) = (problem.metrics.len(), problem.hyperparameters.len(), problem.multipliers.len());
    numbers("metrics", &step.metrics, m)?;
    numbers("hyperparameters", &step.hyperparameters, c)?;
    let Some(decision) = &step.decision else { return Ok(()) };
    if decision.actions.len() != c || decision.actions.iter().any(|action| *action >= a) {
        return Err(("actions", format!("{:?}", decision.actions), format!("{c} indices below {a}")));
    }
    if decision.log_probabilities.is_empty() {
        return Ok(());
    }
    let recorded: Vec<f64> = decision.log_probabilities.iter().map(|x| f64::from(*x)).collect();
    numbers("log_probabilities", &recorded, c)
}

fn numbers(field: &'static str, values: &[f64], n: usize) -> Result<(), Fault> {
    if values.len() == n && values.iter().all(|x| x.is_finite()) {
        return Ok(());
    }
    Err((field, format!("{values:?}"), format!("{n} finite numbers")))
}
