//! A plan in words, one line for each thing: for `trainpilot plan`, and for the tests.

use std::fmt;

use crate::{Directive, Event, Plan, Workload};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.unwanted {
            writeln!(f, "remove   {}", name.of(&self.experiment))?;
        }
        for workload in &self.wanted {
            writeln!(f, "want     {:<20} {workload}", workload.name().of(&self.experiment))?;
        }
        for Directive { repetition, order } in &self.directives {
            write!(f, "order    r{repetition} epoch {} of {} trajectories", order.epoch, order.trajectories)?;
            writeln!(f, "{}", if order.lost.is_empty() { String::new() } else { format!(", lost {:?}", order.lost) })?;
        }
        for (repetition, reason) in self.report.repetitions.iter().enumerate() {
            writeln!(f, "r{repetition:<7} {}: {reason}", reason.word())?;
        }
        if let Some(policy) = &self.policy {
            let name = policy.metadata.name.as_deref().unwrap_or_default();
            writeln!(f, "publish  {name}, policies: {}, the best: r{}", policy.spec.artifacts.len(), policy.spec.best)?;
        }
        writeln!(f, "status   {:?}, {}: {}", self.status.phase, self.report.overall.word(), self.report.overall)?;
        for Event { warning, reason, message } in &self.events {
            writeln!(f, "event    {}{reason}: {message}", if *warning { "warning " } else { "" })?;
        }
        match self.requeue {
            Some(delay) => writeln!(f, "look     again in {} s", delay.as_secs_f64()),
            None => writeln!(f, "look     again when the experiment changes"),
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PolicyLearner { config, .. } => write!(f, "policy learner, epochs: {}", config.epochs),
            Self::WorldModelLearner { .. } => write!(f, "world-model learner"),
            Self::Batch { trajectories, parallelism, agent } => {
                let what = if agent.final_evaluation { "final evaluation, " } else { "" };
                write!(f, "{what}trajectories: {trajectories}, {parallelism} at once, {:?}", agent.mode)
            }
        }
    }
}
