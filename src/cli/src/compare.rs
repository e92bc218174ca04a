//! `trainpilot compare`: runs on the same task beside one another, from their final evaluations.

mod picture;
mod rows;
mod same_task;
mod table;

use std::path::PathBuf;

use crate::output;
use crate::results::run::Run;
use rows::Comparison;

/// Arguments of `compare`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folders of finished runs on the same task; the others are compared with the first
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    #[command(flatten)]
    form: Form,
}

/// How runs are put beside one another.
#[derive(Debug, clap::Args)]
pub(crate) struct Form {
    /// Print JSON in place of the table
    #[arg(long)]
    json: bool,
    /// Also write the table as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Also draw it, as SVG
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        self.form.print(&Run::load_all(&self.folders)?)
    }
}

impl Form {
    /// Prints, and writes, what was asked for.
    ///
    /// # Errors
    /// If the runs are not on the same task.
    pub(crate) fn print(&self, runs: &[Run]) -> anyhow::Result<()> {
        for run in &runs[1..] {
            same_task::check(&runs[0], run)?;
        }
        let comparison = Comparison::of(runs)?;
        if let Some(path) = &self.csv {
            output::write(path, table::csv(&comparison).as_bytes())?;
        }
        if let Some(path) = &self.picture {
            output::write(path, picture::svg(&comparison)?.as_bytes())?;
        }
        if self.json { output::print_json(&comparison) } else { output::print(&table::text(&comparison)) }
    }
}
