//! What a policy saw and thought at one env step: recorded figures, and its probabilities computed once more.

use std::fs;
use std::io::ErrorKind;

use agent::policy::{Output, Policy};
use anyhow::Context as _;
use serde::Serialize;
use tuning::{Keep, Problem, Trajectory};

use crate::results::run::{Epoch, Run};

/// One decision.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    pub(crate) experiment: String,
    pub(crate) repetition: u32,
    pub(crate) epoch: u32,
    pub(crate) final_evaluation: bool,
    pub(crate) index: u32,
    pub(crate) attempt: u32,
    /// Env steps trained before it.
    pub(crate) step: u32,
    /// Env steps of a whole trajectory.
    pub(crate) env_steps: u32,
    /// Task that was drawn; empty where there are none.
    pub(crate) task: String,
    /// Version of the policy that decided.
    pub(crate) policy_version: u64,
    /// Why everything was kept, where the policy had no say.
    pub(crate) keep: Option<Keep>,
    /// Recipe in force, where the policy is a list of them.
    pub(crate) recipe: Option<String>,
    /// Its estimate of the return from here on, as recorded.
    pub(crate) value: Option<f32>,
    /// Sum of the rewards that followed.
    pub(crate) reward_to_come: f64,
    pub(crate) metrics: Vec<Seen>,
    pub(crate) multipliers: Vec<f64>,
    pub(crate) hyperparameters: Vec<Steered>,
}

/// A metric at that moment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Seen {
    pub(crate) name: String,
    /// As measured.
    pub(crate) value: f64,
    /// On the scale of 0 to 1 that policies see; none if they don't.
    pub(crate) seen: Option<f64>,
}

/// A hyperparameter, and what was decided on it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Steered {
    pub(crate) name: String,
    pub(crate) value: f64,
    /// Value in the next env step; none where the trajectory ends before it.
    pub(crate) next: Option<f64>,
    /// Place in the multipliers that was taken.
    pub(crate) action: usize,
    /// Probability of each multiplier; empty where the policy is not there to be asked.
    pub(crate) probabilities: Vec<f64>,
    /// Probability of the one that was taken, as the agent recorded it.
    pub(crate) recorded: Option<f64>,
}

impl Explanation {
    /// The decision after `step` env steps of a trajectory, which has one there.
    ///
    /// # Errors
    /// If the policy's file is there, but can't be read.
    pub(crate) fn of(run: &Run, epoch: &Epoch, trajectory: &Trajectory, step: usize) -> anyhow::Result<Self> {
        let (problem, key, now) = (&run.problem, trajectory.key, &trajectory.steps[step]);
        let decision = now.decision.as_ref().context("nothing was decided there")?;
        let bytes = policy(run, key.repetition, decision.policy_version)?;
        let policy = bytes.as_deref().map(|bytes| Policy::load(bytes, problem)).transpose()?;
        let output = policy.as_ref().map(|policy| replay(policy, trajectory, step)).unwrap_or_default();
        let recipe = policy.as_ref().and_then(|policy| policy.recipe(key.index));
        let metrics = problem.metrics.iter().zip(&now.metrics).map(|(metric, value)| Seen {
            name: metric.name.clone(),
            value: *value,
            seen: metric.observed.then(|| metric.seen(*value)),
        });
        let next = trajectory.steps.get(step + 1);
        let steered = problem.hyperparameters.iter().enumerate().map(|(place, hyperparameter)| {
            let row = output.log_probabilities.get(place);
            Steered {
                name: hyperparameter.name.clone(),
                value: now.hyperparameters[place],
                next: next.map(|next| next.hyperparameters[place]),
                action: decision.actions[place],
                probabilities: row.into_iter().flatten().map(|log| f64::from(*log).exp()).collect(),
                recorded: decision.log_probabilities.get(place).map(|log| f64::from(*log).exp()),
            }
        });
        Ok(Self {
            experiment: run.name().to_owned(),
            repetition: key.repetition,
            epoch: key.epoch,
            final_evaluation: epoch.epoch as usize > run.epochs,
            index: key.index,
            attempt: key.attempt,
            step: now.step,
            env_steps: problem.env_steps,
            task: trajectory.task.clone(),
            policy_version: decision.policy_version,
            keep: decision.keep,
            recipe: recipe.map(|recipe| crate::policy::recipe(recipe, &problem.hyperparameters)),
            value: decision.value,
            reward_to_come: reward_to_come(problem, trajectory, step),
            metrics: metrics.collect(),
            multipliers: problem.multipliers.clone(),
            hyperparameters: steered.collect(),
        })
    }
}

/// The artifact of a version, if it was kept.
fn policy(run: &Run, repetition: u32, version: u64) -> anyhow::Result<Option<Vec<u8>>> {
    let path = run.folder.join(format!("repetition-{repetition}/policies/policy-{version:06}.safetensors"));
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
    }
}

/// What the policy says once it has seen the trajectory up to there, as the agent let it.
fn replay(policy: &Policy<'_>, trajectory: &Trajectory, step: usize) -> Output {
    let (mut decider, mut output, mut before) = (policy.start(), Output::default(), Vec::new());
    for seen in &trajectory.steps[..=step] {
        output = decider.decide(&before, &seen.metrics, &seen.hyperparameters);
        before = seen.decision.as_ref().map(|decision| decision.actions.clone()).unwrap_or_default();
    }
    output
}

fn reward_to_come(problem: &Problem, trajectory: &Trajectory, step: usize) -> f64 {
    trajectory.outcome.map_or(0.0, |outcome| problem.rewards(&trajectory.steps, outcome).iter().skip(step).sum())
}
