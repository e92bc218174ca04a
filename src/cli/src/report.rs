//! `trainpilot report`: one page, or the same figures as JSON, on what a run came to.

mod page;
mod pictures;
mod table;
mod world_model;

use std::path::PathBuf;

use crate::output;
use crate::results::figures::Report;
use crate::results::run::Run;

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folder of a run, finished or not, such as runs/NAME
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Print the figures as JSON and write no page
    #[arg(long)]
    json: bool,
    /// Draw the values that were chosen over a training into this SVG file, and write no page
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    schedules: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let run = Run::load(&self.folder)?;
        match &self.schedules {
            Some(file) => output::write(file, pictures::schedules(&run)?.as_bytes()),
            None => write(&run, self.json),
        }
    }
}

/// Writes the page into the run's folder, or prints the figures as JSON.
pub(crate) fn write(run: &Run, json: bool) -> anyhow::Result<()> {
    let report = Report::of(run);
    if json {
        return output::print_json(&report);
    }
    let path = run.folder.join("report.html");
    output::write(&path, page::page(run, &report)?.as_bytes())?;
    output::print(&format!("{}\n", path.display()))
}
