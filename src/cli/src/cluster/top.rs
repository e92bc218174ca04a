//! `kubectl trainpilot top`: the trainings that run now, as their agents see them.

mod page;

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{anyhow, bail};
use api::labels;
use comfy_table::Table;
use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use plan::render::AGENT_CONTAINER;
use tuning::Problem;

use super::access::Cluster;
use super::{inside, reader};
use crate::text::number;
use crate::{output, text};
use page::Page;

const PROGRAM: &str = "/usr/bin/trainpilot-agent";

/// Agents that are asked at once.
const AT_ONCE: usize = 16;

/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a terminal does to show what follows alone.
const CLEAR: &str = "\x1b[H\x1b[J";

/// Show the trainings that run now: how far they are, what they measure, and what they were told
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Experiment
    name: String,
    /// Trainings to ask and show, at most
    #[arg(long, value_name = "N", default_value_t = 40)]
    limit: usize,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    interval: u64,
    /// Look once, as where the output is no terminal
    #[arg(long)]
    once: bool,
}

/// A training's pod, and what its agent shows.
struct Row {
    /// Repetition, epoch, index.
    place: [u32; 3],
    phase: String,
    page: Option<Page>,
}

impl Arguments {
    pub(super) async fn run(&self, cluster: &Cluster) -> anyhow::Result<()> {
        let live = !self.once && std::io::stdout().is_terminal();
        loop {
            let experiment = cluster.experiment(&self.name).await?;
            let (rows, all) = self.look(cluster).await?;
            let table = table(&rows, &api::meaning::problem(&experiment.spec));
            let status = experiment.status.unwrap_or_default();
            let more = if all > rows.len() { format!("… and {} more\n", all - rows.len()) } else { String::new() };
            let head = format!("{}: {:?}, epoch {}, {all} trainings\n", self.name, status.phase, status.epoch);
            output::print(&format!("{}{head}{table}\n{more}", if live { CLEAR } else { "" }))?;
            if !live {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(self.interval.max(1))).await;
        }
    }

    /// The first trainings in order of their places, and how many there are.
    async fn look(&self, cluster: &Cluster) -> anyhow::Result<(Vec<Row>, usize)> {
        let pods: Api<Pod> = cluster.api();
        let selector = format!("{}={},{}={}", labels::EXPERIMENT, self.name, labels::ROLE, labels::TRAJECTORY);
        let listed = pods.list(&ListParams::default().labels(&selector)).await;
        let mut listed = listed.map_err(|error| cluster.refused("list pods", error))?.items;
        listed.retain(|pod| !matches!(phase(pod), "Succeeded" | "Failed"));
        let all = listed.len();
        listed.sort_by_key(place);
        listed.truncate(self.limit);
        let ask = |pod: Pod| {
            let pods = &pods;
            async move {
                let page = match phase(&pod) {
                    "Running" => page(pods, &pod.name_any()).await,
                    _ => Err(anyhow!(reader::waits_for(&pod))),
                };
                let (phase, page) = match page {
                    Ok(page) => (phase(&pod).to_owned(), Some(page)),
                    Err(error) => (format!("{error:#}"), None),
                };
                Row { place: place(&pod), phase, page }
            }
        };
        Ok((stream::iter(listed).map(ask).buffered(AT_ONCE).collect().await, all))
    }
}

async fn page(pods: &Api<Pod>, pod: &str) -> anyhow::Result<Page> {
    let mut text = Vec::new();
    let asked = inside::run(pods, [pod, AGENT_CONTAINER], &[PROGRAM, "metrics"], &mut text);
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(said) => said?,
        Err(_) => bail!("its agent does not answer"),
    }
    Page::read(&text)
}

fn phase(pod: &Pod) -> &str {
    if pod.metadata.deletion_timestamp.is_some() {
        return "Ending";
    }
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending")
}

fn place(pod: &Pod) -> [u32; 3] {
    [labels::REPETITION, labels::EPOCH, labels::INDEX]
        .map(|label| pod.labels().get(label).and_then(|number| number.parse().ok()).unwrap_or_default())
}

fn table(rows: &[Row], problem: &Problem) -> Table {
    let metrics = || problem.metrics.iter().map(|metric| &metric.name);
    let steered = || problem.hyperparameters.iter().map(|hyperparameter| &hyperparameter.name);
    let header = ["rep", "epoch", "index", "state", "step", "policy"].map(str::to_owned).into_iter();
    let mut table = text::table(header.chain(metrics().chain(steered()).cloned()));
    for Row { place, phase, page } in rows {
        let told = |figures: Option<f64>| figures.map_or_else(String::new, number);
        let page = page.as_ref();
        // Steps are counted with the observation before any training.
        let step = page.and_then(|page| page.steps).map(|steps| (steps - 1.0).max(0.0));
        let measured = metrics().map(|name| told(page.and_then(|page| page.metric(name))));
        let in_force = steered().map(|name| told(page.and_then(|page| page.hyperparameter(name))));
        let fixed = place.map(|number| number.to_string()).into_iter().chain([
            phase.clone(),
            step.map_or_else(String::new, |step| format!("{step}/{}", problem.env_steps)),
            page.and_then(|page| page.policy_version).map_or_else(String::new, |version| version.to_string()),
        ]);
        table.add_row(fixed.chain(measured).chain(in_force));
    }
    table
}
