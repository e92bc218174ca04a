//! Ten thousand trainers at once: learners and everything of Kubernetes are real, only the nodes of the trainers are pretended.

use std::time::{Duration, Instant};

use api::TuningExperiment;
use cluster::experiments::CURVES;
use cluster::nodes::Pool;
use cluster::{Space, operators};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;

use crate::{latencies, processes, restart};

/// Experiments, and trainers of each.
pub const EXPERIMENTS: u32 = 20;
pub const EACH: u32 = 500;
/// How long the operator is watched once all of them run.
const WATCHED: Duration = Duration::from_secs(20);

/// Measures how the operator keeps up.
pub async fn measure() {
    let space = Space::new("bench-crowd").await;
    let pool = Pool::of(&space);
    for number in 0..EXPERIMENTS {
        pool.add_pretended(number, EACH + EACH / 10).await;
    }
    begin(&space, &pool).await;
    let usage = processes::watch(WATCHED).await;
    println!("nothing happens: {:.1} % of a core, {} MiB", 100.0 * usage.share, usage.mebibytes);
    latencies::wishes(&space).await;
    latencies::ends(&space).await;
    let usage = processes::watch(WATCHED).await;
    println!("afterwards: {:.1} % of a core, {} MiB", 100.0 * usage.share, usage.mebibytes);
    restart::measure(&space).await;
}

/// Starts all of them, and waits until they run.
async fn begin(space: &Space, pool: &Pool<'_>) {
    let (before, began) = (operators::own_writes().await, Instant::now());
    for number in 0..EXPERIMENTS {
        space.start(&experiment(number, pool)).await;
    }
    space.until("all trainers are there", 1800, async || running(space).await == EXPERIMENTS * EACH).await;
    let pending = ListParams::default().fields("status.phase=Pending").limit(1);
    let all = async || space.api::<Pod>().list(&pending).await.unwrap().items.is_empty();
    space.until("all trainers run", 1800, all).await;
    let (count, seconds) = (EXPERIMENTS * EACH, began.elapsed().as_secs_f64());
    let writes = (operators::own_writes().await - before) as f64 / f64::from(count);
    println!("{count} trainers of {EXPERIMENTS} experiments run after {seconds:.0} s, {writes:.3} writes each");
}

/// Trainers that are there, as the operator tells.
async fn running(space: &Space) -> u32 {
    let experiments = space.list::<TuningExperiment>().await;
    experiments.iter().filter_map(|experiment| Some(experiment.status.as_ref()?.trajectories.running)).sum()
}

/// The name of one of them.
pub fn name(number: u32) -> String {
    format!("crowd-{number}")
}

fn experiment(number: u32, pool: &Pool<'_>) -> String {
    let many = CURVES.replace("trajectoriesPerEpoch: 4", &format!("trajectoriesPerEpoch: {EACH}"));
    let many = many.replace("parallelism: 4", &format!("parallelism: {EACH}"));
    let many = many.replace("{name: curves}", &format!("{{name: {}}}", name(number)));
    // Nobody reports from there. They are not to be ended for that, and what ends is not to be tried again.
    pool.only(&many.replace("deadlineSeconds: 120", "deadlineSeconds: 86400").replace("retries: 1", "retries: 0"))
}
