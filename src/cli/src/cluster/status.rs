//! `kubectl trainpilot status`: where experiments stand, from their statuses alone.

use api::{TuningExperiment, TuningExperimentStatus};
use comfy_table::Table;
use kube::ResourceExt;
use kube::api::ListParams;

use super::access::Cluster;
use crate::text::{self, number_or_dash};
use crate::{output, status};

/// Show where experiments stand
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Experiment [default: all of the namespace, a line for each]
    name: Option<String>,
    /// Print statuses as JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) async fn run(&self, cluster: &Cluster) -> anyhow::Result<()> {
        if let Some(name) = &self.name {
            let status = cluster.experiment(name).await?.status.unwrap_or_default();
            return if self.json { output::print_json(&status) } else { output::print(&status::text(&status)) };
        }
        let all = cluster.api::<TuningExperiment>().list(&ListParams::default()).await;
        let all = all.map_err(|error| cluster.refused("list TuningExperiments", error))?.items;
        if self.json {
            let status = |one: &TuningExperiment| (one.name_any(), one.status.clone().unwrap_or_default());
            return output::print_json(&all.iter().map(status).collect::<std::collections::BTreeMap<_, _>>());
        }
        if all.is_empty() {
            return output::print(&format!("there is no experiment in namespace {}\n", cluster.namespace));
        }
        output::print(&format!("{}\n", table(&all)))
    }
}

fn table(experiments: &[TuningExperiment]) -> Table {
    let mut table = text::table(["experiment", "phase", "algorithm", "epoch", "running", "completed", "best", "FTE"]);
    for experiment in experiments {
        let TuningExperimentStatus { phase, algorithm, epoch, trajectories, objective, fte, .. } =
            experiment.status.clone().unwrap_or_default();
        table.add_row([
            experiment.name_any(),
            format!("{phase:?}"),
            algorithm,
            epoch,
            trajectories.running.to_string(),
            trajectories.completed.to_string(),
            number_or_dash(objective.best),
            format!("{fte:.1}"),
        ]);
    }
    table
}
