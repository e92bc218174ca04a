//! `trainpilot status`: where a run stands, from its folder alone.

use std::path::PathBuf;

use anyhow::Context;
use api::TuningExperimentStatus;
use comfy_table::Table;

use crate::failure::BadInput;
use crate::text;

/// Show where a run stands
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folder of the run
    dir: PathBuf,
    /// The status as JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let path = self.dir.join("status.json");
        let bytes = std::fs::read(&path).map_err(|error| {
            BadInput(format!("{} is no run's folder: {}: {error}", self.dir.display(), path.display()))
        })?;
        let status: TuningExperimentStatus =
            serde_json::from_slice(&bytes).with_context(|| format!("{} is not a status", path.display()))?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&status)?);
        } else {
            crate::output::print(&text(&status))?;
        }
        Ok(())
    }
}

/// A status as people read it: in a word, what is so, and each repetition.
pub(crate) fn text(status: &TuningExperimentStatus) -> String {
    let so = status.conditions.iter().filter(|condition| condition.status == "True");
    let so = so.map(|condition| format!("{} ({}): {}\n", condition.type_, condition.reason, condition.message));
    format!("{:?}, {}\n{}{}\n", status.phase, status.algorithm, so.collect::<String>(), table(status))
}

fn table(status: &TuningExperimentStatus) -> Table {
    let mut table = text::table([
        "repetition",
        "phase",
        "epochs",
        "policy",
        "completed",
        "diverged",
        "lost",
        "mean",
        "best",
        "FTE",
    ]);
    let number = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.4}"));
    for r in &status.repetitions {
        table.add_row([
            r.repetition.to_string(),
            format!("{:?}: {}", r.phase, r.message),
            format!("{}/{}", r.epochs_over.min(r.epochs), r.epochs),
            r.policy_version.to_string(),
            r.trajectories.completed.to_string(),
            r.trajectories.diverged.to_string(),
            r.trajectories.lost.to_string(),
            number(r.objective.mean),
            number(r.objective.best),
            format!("{:.1}", r.fte),
        ]);
    }
    table
}
