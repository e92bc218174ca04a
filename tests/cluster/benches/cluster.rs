//! What the operator costs on a real node: `cargo xtask bench cluster`.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::{Duration, Instant};

use api::Phase;
use cluster::experiments::{CURVES, slow};
use cluster::{Space, operators};
use k8s_openapi::api::core::v1::Pod;

/// Trajectories that run at once, and how long their operator is watched.
const AT_ONCE: [u32; 3] = [1, 10, 50];
const WATCHED: Duration = Duration::from_secs(20);
/// Clock ticks of a second of processor time, as Linux counts them for programs.
const TICKS: f64 = 100.0;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    start().await;
    writes().await;
    for count in AT_ONCE {
        costs(count).await;
    }
}

/// From `apply` to a trainer that runs.
async fn start() {
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
async fn writes() {
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
async fn costs(count: u32) {
    let space = Space::new("bench-costs").await;
    let many = slow(3000).replace("trajectoriesPerEpoch: 4", &format!("trajectoriesPerEpoch: {count}"));
    space.start(&many.replace("parallelism: 4", &format!("parallelism: {count}"))).await;
    let running = async || space.trainings().await.iter().filter(|pod| trains(pod)).count();
    space.until("all trainers run", 300, async || running().await == count as usize).await;
    let before = processes();
    tokio::time::sleep(WATCHED).await;
    let after = processes();
    let used = |(pid, ticks, bytes): &(u32, u64, u64)| {
        let earlier = before.iter().find(|process| process.0 == *pid).map_or(*ticks, |process| process.1);
        ((ticks - earlier) as f64 / TICKS / WATCHED.as_secs_f64(), *bytes)
    };
    // The one that stands by does nothing.
    let (share, bytes) = after.iter().map(used).max_by(|a, b| a.0.total_cmp(&b.0)).expect("an operator runs");
    println!("{count} trajectories at once: {:.1} % of a core, {} MiB", 100.0 * share, bytes >> 20);
}

fn trains(pod: &Pod) -> bool {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let mut trainers = statuses.filter(|container| container.name == "trainer");
    trainers.any(|trainer| trainer.state.as_ref().is_some_and(|state| state.running.is_some()))
}

/// Number, ticks of processor time and resident bytes of every operator on this machine.
fn processes() -> Vec<(u32, u64, u64)> {
    let numbers = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let of = |number: u32| {
        let program = fs::read_link(format!("/proc/{number}/exe")).ok()?;
        program.ends_with("trainpilot-operator").then_some(())?;
        let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
        // Some fields are negative.
        let fields: Vec<i64> =
            stat.rsplit_once(") ")?.1.split(' ').skip(1).map(|field| field.parse().unwrap_or(0)).collect();
        let pages: u64 = fs::read_to_string(format!("/proc/{number}/statm")).ok()?.split(' ').nth(1)?.parse().ok()?;
        // User and system time are the 14th and 15th of all fields, of which three are taken off here.
        Some((number, (fields[10] + fields[11]) as u64, pages * 4096))
    };
    numbers.filter_map(of).collect()
}
