//! `trainpilot cost`: what runs have spent so far on trainings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use api::TuningExperimentSpec;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use tuning::{Outcome, Trajectory};

use crate::results::run::{Run, env_steps};
use crate::{output, text};

/// What trainings are for; an attempt that was lost was for nothing.
const LEARNING: &str = "learning";
const EVALUATION: &str = "final evaluation";
const LOST: &str = "lost attempts";
const ALL: &str = "all";

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
        print(&Run::load_all(&self.folders)?, self.json)
    }
}

/// Prints what runs have spent, from what is gathered of them.
pub(crate) fn print(runs: &[Run], json: bool) -> anyhow::Result<()> {
    let costs: Vec<Cost> = runs.iter().flat_map(of).collect();
    if json { output::print_json(&costs) } else { output::print(&format!("{}\n", table(&costs))) }
}

/// What was spent on learning, on the final evaluation, on attempts that came to nothing, and on all of it.
fn of(run: &Run) -> Vec<Cost> {
    let learning = run.repetitions.iter().flat_map(|repetition| &repetition.epochs).map(|epoch| (LEARNING, epoch));
    let gathered = learning.chain(run.final_evaluations().map(|epoch| (EVALUATION, epoch)));
    let spent = gathered.flat_map(|(purpose, epoch)| epoch.attempts.iter().map(move |attempt| (purpose, attempt)));
    let is_lost = |attempt: &Trajectory| attempt.outcome == Some(Outcome::Lost);
    let spent: Vec<(&str, &Trajectory)> =
        spent.map(|(purpose, attempt)| (if is_lost(attempt) { LOST } else { purpose }, attempt)).collect();
    let devices = devices(&run.experiment.spec);
    let cost = |purpose: &'static str| {
        let on_it = |of: &str| purpose == ALL || of == purpose;
        let attempts: Vec<&Trajectory> =
            spent.iter().filter(|(of, _)| on_it(of)).map(|(_, attempt)| *attempt).collect();
        // Not `sum`, which of nothing is −0.
        let hours = attempts.iter().fold(0.0, |sum, attempt| sum + attempt.seconds()) / 3600.0;
        Cost {
            run: run.name().to_owned(),
            purpose,
            trainings: attempts.len() as u32,
            fte: run.fte(env_steps(attempts)),
            hours,
            device_hours: devices.iter().map(|(name, count)| (name.clone(), count * hours)).collect(),
        }
    };
    [LEARNING, EVALUATION, LOST, ALL].map(cost).to_vec()
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
    let devices: BTreeSet<&String> = costs.iter().flat_map(|cost| cost.device_hours.keys()).collect();
    let header = ["run", "spent on", "trainings", "FTE", "hours"].map(str::to_owned).into_iter();
    let mut table = text::table(header.chain(devices.iter().map(|device| format!("{device} hours"))));
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
