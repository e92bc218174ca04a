//! `trainpilot cost`: what runs have spent so far on trainings.

use std::collections::BTreeMap;
use std::path::PathBuf;

use api::TuningExperimentSpec;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use tuning::{Outcome, Trajectory};

use crate::output;
use crate::results::run::Run;

/// Arguments of `cost`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folders of runs, such as runs/NAME
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    /// Print JSON in place of the table
    #[arg(long)]
    json: bool,
}

/// What one run has spent on one thing. Hours count from the start of an agent to the last report of its trainer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cost {
    run: String,
    purpose: &'static str,
    trainings: u32,
    /// Full-training equivalents.
    fte: f64,
    hours: f64,
    /// Hours of each kind of device that a training asks for.
    device_hours: BTreeMap<String, f64>,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let runs = self.folders.iter().map(|folder| Run::load(folder)).collect::<anyhow::Result<Vec<_>>>()?;
        print(&runs, self.json)
    }
}

/// Prints what runs have spent, from what is gathered of them.
pub(crate) fn print(runs: &[Run], json: bool) -> anyhow::Result<()> {
    let costs: Vec<Cost> = runs.iter().flat_map(of).collect();
    if json { output::print_json(&costs) } else { output::print(&format!("{}\n", table(&costs))) }
}

/// What was spent on learning, on the final evaluation, on attempts that came to nothing, and on all of it.
fn of(run: &Run) -> Vec<Cost> {
    let devices = devices(&run.experiment.spec);
    let cost = |purpose, attempts: &[&Trajectory]| {
        let steps: u64 = attempts.iter().map(|attempt| attempt.steps.len().saturating_sub(1) as u64).sum();
        let seconds: f64 =
            attempts.iter().filter_map(|attempt| attempt.steps.last()).map(|step| step.elapsed_seconds).sum();
        // The sum of nothing is −0.
        let seconds = seconds + 0.0;
        let hours = seconds / 3600.0;
        let device_hours = devices.iter().map(|(name, count)| (name.clone(), count * hours)).collect();
        let (run_name, trainings) = (run.name().to_owned(), attempts.len() as u32);
        Cost { run: run_name, purpose, trainings, fte: run.fte(steps), hours, device_hours }
    };
    let learning = run.repetitions.iter().flat_map(|repetition| &repetition.epochs);
    let learning: Vec<&Trajectory> = learning.flat_map(|epoch| &epoch.attempts).collect();
    let evaluation: Vec<&Trajectory> = run.final_evaluations().flat_map(|epoch| &epoch.attempts).collect();
    let is_lost = |attempt: &&Trajectory| attempt.outcome == Some(Outcome::Lost);
    let (lost_learning, learning): (Vec<_>, Vec<_>) = learning.into_iter().partition(is_lost);
    let (lost_evaluation, evaluation): (Vec<_>, Vec<_>) = evaluation.into_iter().partition(is_lost);
    let lost = [lost_learning, lost_evaluation].concat();
    let all = [learning.clone(), evaluation.clone(), lost.clone()].concat();
    vec![
        cost("learning", &learning),
        cost("final evaluation", &evaluation),
        cost("lost attempts", &lost),
        cost("all", &all),
    ]
}

/// Devices that each training asks for, by the name of their resource, such as `nvidia.com/gpu`.
fn devices(spec: &TuningExperimentSpec) -> BTreeMap<String, f64> {
    let mut devices = BTreeMap::new();
    for container in &spec.trajectory.template.spec.containers {
        let limits = container.rest.get("resources").and_then(|resources| resources.get("limits"));
        for (name, quantity) in limits.and_then(serde_json::Value::as_object).into_iter().flatten() {
            let count = quantity.as_f64().or_else(|| quantity.as_str()?.parse().ok());
            // Names with a domain are devices; they come in whole numbers.
            if let (true, Some(count)) = (name.contains('/'), count) {
                *devices.entry(name.clone()).or_default() += count;
            }
        }
    }
    devices
}

fn table(costs: &[Cost]) -> Table {
    let devices: Vec<&String> = costs.iter().flat_map(|cost| cost.device_hours.keys()).collect();
    let devices: Vec<&String> = std::collections::BTreeSet::from_iter(devices).into_iter().collect();
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    let header = ["run", "spent on", "trainings", "FTE", "hours"].map(str::to_owned).into_iter();
    table.set_header(header.chain(devices.iter().map(|device| format!("{device} hours"))));
    for cost in costs {
        let hours = |hours: f64| format!("{hours:.2}");
        let device =
            devices.iter().map(|device| cost.device_hours.get(*device).map_or_else(String::new, |x| hours(*x)));
        let fixed = [cost.run.clone(), cost.purpose.to_owned(), cost.trainings.to_string(), format!("{:.1}", cost.fte)];
        table.add_row(fixed.into_iter().chain([hours(cost.hours)]).chain(device));
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
