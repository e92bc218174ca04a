//! Real trainers on a real node.

use std::time::{Duration, Instant};

use api::Phase;
use cluster::experiments::{CURVES, slow};
use cluster::{Space, operators};
use k8s_openapi::api::core::v1::Pod;

use crate::processes;

/// Trajectories that run at once, and how long their operator is watched.
const AT_ONCE: [u32; 3] = [1, 10, 50];
const WATCHED: Duration = Duration::from_secs(20);

/// From `apply` to a trainer that runs.
pub async fn start() {
    let mut seconds = Vec::new();
    for _ in 0..5 {
        let space = Space::new("bench-start").await;
        let began = Instant::now();
        space.start(&slow(2000)).await;
        space.until("a trainer runs", 60, async || space.trainings().await.iter().any(trains)).await;
        seconds.push(began.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    println!("from apply to a trainer that runs, volumes included: {:.1} s (median of 5)", seconds[2]);
}

/// Requests to change something, for each trajectory.
pub async fn writes() {
    let space = Space::new("bench-writes").await;
    let many = CURVES.replace("epochs: 2, trajectoriesPerEpoch: 4", "epochs: 2, trajectoriesPerEpoch: 32");
    let before = operators::own_writes().await;
    space.start(&many.replace("parallelism: 4", "parallelism: 16")).await;
    let done = space.reaches("curves", Phase::Complete, 600).await;
    let trajectories = f64::from(done.status.unwrap().trajectories.completed);
    let writes = (operators::own_writes().await - before) as f64;
    println!("writes of a whole run of {trajectories} trajectories: {writes}, {:.2} each", writes / trajectories);
}

/// Memory and processor time of the operator that leads.
pub async fn costs() {
    for count in AT_ONCE {
        let space = Space::new("bench-costs").await;
        // The first are still there when the last have started.
        let many = slow(12_000).replace("trajectoriesPerEpoch: 4", &format!("trajectoriesPerEpoch: {count}"));
        space.start(&many.replace("parallelism: 4", &format!("parallelism: {count}"))).await;
        let running = async || space.trainings().await.iter().filter(|pod| trains(pod)).count();
        space.until("all trainers run", 300, async || running().await == count as usize).await;
        let usage = processes::watch(WATCHED).await;
        println!("{count} trajectories at once: {:.1} % of a core, {} MiB", 100.0 * usage.share, usage.mebibytes);
    }
    // Nothing of it is to be left beside what is measured next.
    Space::new("bench-costs").await;
}

fn trains(pod: &Pod) -> bool {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let mut trainers = statuses.filter(|container| container.name == "trainer");
    trainers.any(|trainer| trainer.state.as_ref().is_some_and(|state| state.running.is_some()))
}
