//! `trainpilot explain`: one decision of a policy, and all that it was made from.

mod decision;
mod text;

use std::path::PathBuf;

use tuning::Trajectory;

use crate::failure::BadInput;
use crate::output;
use crate::results::run::{Epoch, Run};
use crate::text::counted;
use decision::Explanation;

/// Which decision.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Which {
    /// Index of the trajectory within its epoch, from 0
    index: u32,
    /// Env steps trained before the decision, from 0
    step: u32,
    /// Its repetition, from 0
    #[arg(long, value_name = "R", default_value_t = 0)]
    repetition: u32,
    /// Its epoch, from 1; the final evaluation is the one after the last [default: the last that is gathered]
    #[arg(long, value_name = "E")]
    epoch: Option<u32>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folder of a run, such as runs/NAME
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    which: Which,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        self.which.explain(&Run::load(&self.folder)?)
    }
}

impl Which {
    /// Prints what a run's policy decided there, and why.
    pub(crate) fn explain(&self, run: &Run) -> anyhow::Result<()> {
        let (epoch, trajectory) = self.find(run)?;
        let explanation = Explanation::of(run, epoch, trajectory, self.step as usize)?;
        if self.json { output::print_json(&explanation) } else { output::print(&text::text(&explanation)) }
    }

    fn find<'a>(&self, run: &'a Run) -> Result<(&'a Epoch, &'a Trajectory), BadInput> {
        let missing = |what: &str, there: String| {
            BadInput(format!("{} has no {what}: {there} can be looked at", run.folder.display()))
        };
        let repetition = run.repetitions.iter().find(|repetition| repetition.repetition == self.repetition);
        let repetition = repetition.ok_or_else(|| {
            let there = counted(run.repetitions.len(), "repetition", "repetitions");
            missing(&format!("repetition {}", self.repetition), there)
        })?;
        let gathered = || repetition.epochs.iter().chain(&repetition.final_evaluation);
        let epoch = match self.epoch {
            Some(epoch) => gathered().find(|gathered| gathered.epoch == epoch),
            None => repetition.last(),
        };
        let epoch = epoch.ok_or_else(|| {
            let named =
                self.epoch.map_or_else(|| "gathered epoch".to_owned(), |epoch| format!("gathered epoch {epoch}"));
            missing(&named, counted(gathered().count(), "epoch", "epochs"))
        })?;
        let trajectories = epoch.trajectories();
        let trajectory = trajectories.iter().find(|trajectory| trajectory.key.index == self.index);
        let trajectory = trajectory.ok_or_else(|| {
            let there = counted(trajectories.len(), "trajectory", "trajectories");
            missing(&format!("index {} in epoch {}", self.index, epoch.epoch), there)
        })?;
        match trajectory.steps.get(self.step as usize) {
            Some(step) if step.decision.is_some() => Ok((epoch, *trajectory)),
            _ => Err(BadInput(format!(
                "nothing was decided after env step {} of that trajectory, which has {}",
                self.step,
                counted(trajectory.steps.len().saturating_sub(1), "env step", "env steps")
            ))),
        }
    }
}
