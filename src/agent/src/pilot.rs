//! Which policy decides at which step, and what becomes of its probabilities.

use std::sync::Arc;

use tuning::{Decision, Keep, Problem, Random, Recipe, Step, sample};
use wire::agent::{AgentConfig, Mode, PolicyUpdates};

use crate::policy::{Decider, Output, Policy};

/// Label of the random streams that actions are drawn from; draws of other purposes have others.
const ACTION: u64 = 3;

/// A policy as it was published.
#[derive(Clone, Debug)]
pub struct Published<'a> {
    /// Its version; only grows.
    pub version: u64,
    /// The policy.
    pub policy: Arc<Policy<'a>>,
}

/// What is to be done at an observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// What is recorded.
    pub decision: Decision,
    /// Recipe to follow from here on, which replaces starting values and schedules.
    pub follow: Option<Recipe>,
}

/// Chooses the actions of one trajectory.
#[derive(Debug)]
pub struct Pilot<'a> {
    problem: &'a Problem,
    mode: Mode,
    updates: PolicyUpdates,
    seed: u32,
    index: u32,
    current: Option<Current<'a>>,
}

#[derive(Debug)]
struct Current<'a> {
    published: Published<'a>,
    decider: Decider<'a>,
    /// Observations that the decider has seen.
    seen: usize,
}

impl<'a> Pilot<'a> {
    /// The pilot of trajectory `index`, whose training has `seed`.
    pub fn new(config: &'a AgentConfig, index: u32, seed: u32) -> Self {
        let AgentConfig { problem, mode, policy_updates: updates, .. } = config;
        Self { problem, mode: *mode, updates: *updates, seed, index, current: None }
    }

    /// Whether it has a policy, so that it need not wait for one.
    pub fn has_policy(&self) -> bool {
        self.current.is_some()
    }

    /// Chooses at the last of the `observed` steps; `newest` is the newest policy there is.
    ///
    /// Draws depend on seed, step and hyperparameter only, not on what was drawn before.
    pub fn choose(&mut self, observed: &[Step], newest: Option<&Published<'a>>) -> Choice {
        let follow = newest.and_then(|newest| self.adopt(newest));
        let (seed, step) = (self.seed, observed.last().map_or(0, |step| step.step));
        let Some(current) = &mut self.current else {
            return Choice { decision: self.keep(Some(Keep::NoPolicy), 0), follow: None };
        };
        let version = current.published.version;
        let output = current.catch_up(observed);
        if output.log_probabilities.is_empty() {
            return Choice { decision: self.keep(None, version), follow };
        }
        if !output.is_sound() {
            tracing::warn!(step, version, "the policy gave something that is not a number: kept everything");
            return Choice { decision: self.keep(Some(Keep::PolicyFault), version), follow };
        }
        let greedy = self.mode == Mode::Greedy && !current.published.policy.is_random();
        let uniform = |h| Random::stream(seed.into(), &[ACTION, step.into(), h]).uniform();
        let decision = decision(self.problem, output, version, |h| (!greedy).then(|| uniform(h)));
        Choice { decision, follow }
    }

    /// Takes over `newest` if it is its turn; gives the recipe that has to be followed from now on, if any.
    pub fn adopt(&mut self, newest: &Published<'a>) -> Option<Recipe> {
        let due = self.current.as_ref().is_none_or(|current| {
            let newer = newest.version > current.published.version;
            // A recipe is meant for a whole trajectory, whatever is published meanwhile.
            newer && self.updates == PolicyUpdates::Immediate && current.published.policy.recipe(self.index).is_none()
        });
        if !due {
            return None;
        }
        let decider = newest.policy.start();
        self.current = Some(Current { published: newest.clone(), decider, seen: 0 });
        newest.policy.recipe(self.index).cloned()
    }

    fn keep(&self, keep: Option<Keep>, policy_version: u64) -> Decision {
        let actions = self.problem.keep_all();
        Decision { actions, log_probabilities: Vec::new(), value: None, policy_version, keep }
    }
}

impl Current<'_> {
    /// Shows the decider what it has not seen of `observed`: all of it after a change of policy.
    fn catch_up(&mut self, observed: &[Step]) -> Output {
        let mut output = Output::default();
        for (place, step) in observed.iter().enumerate().skip(self.seen) {
            let before = place.checked_sub(1).and_then(|before| observed[before].decision.as_ref());
            let before = before.map(|decision| &decision.actions[..]).unwrap_or_default();
            output = self.decider.decide(before, &step.metrics, &step.hyperparameters);
            self.seen += 1;
        }
        output
    }
}

/// Picks an action for each hyperparameter by its uniform number, or the most probable one where there is none.
fn decision(problem: &Problem, output: Output, policy_version: u64, uniform: impl Fn(u64) -> Option<f64>) -> Decision {
    let rows = || output.log_probabilities.iter();
    let pick = |(row, h): (&Vec<f32>, u64)| match uniform(h) {
        Some(uniform) => sample(row, uniform),
        None => most_probable(row, problem.keep()),
    };
    let actions: Vec<usize> = rows().zip(0..).map(pick).collect();
    let log_probabilities = rows().zip(&actions).map(|(row, action)| row[*action]).collect();
    Decision { actions, log_probabilities, value: output.value, policy_version, keep: None }
}

/// Index of the highest entry; among equals `keep`, else the first.
fn most_probable(log_probabilities: &[f32], keep: usize) -> usize {
    (0..log_probabilities.len())
        .fold(keep, |best, i| if log_probabilities[i] > log_probabilities[best] { i } else { best })
}

#[cfg(test)]
mod tests;
