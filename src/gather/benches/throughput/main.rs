//! Samples gathered per second as the operator gathers them, and by Prometheus from the same endpoints: `cargo xtask bench
//! throughput`.
//!
//! Every agent has a page of [`peers::STEPS`] steps, all of which are asked for again in each sweep. Prometheus only stores
//! what it scrapes; the gatherer checks it, has it stored by a learner, and tells the agent so.
#![allow(clippy::unwrap_used)]

mod peers;
mod processor;
mod prometheus;

use std::path::Path;
use std::time::{Duration, Instant};

use gather::{GatherConfig, Gatherer};
use peers::Peers;
use wire::tls::{Identity, establish};

/// How long each of them is watched.
const WATCHED: Duration = Duration::from_secs(15);

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, folder] = &arguments[..]
        && word == peers::WORD
    {
        return peers::serve(Path::new(folder)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    establish(&folder.path().join("tls"), peers::UID).unwrap();
    let peers = Peers::start(folder.path());
    gathering(&peers, &Identity::load(&folder.path().join("tls/operator")).unwrap()).await;
    match prometheus::Prometheus::start(folder.path(), &peers.agents) {
        Some(prometheus) => prometheus.measure(WATCHED),
        None => println!("Prometheus is not installed: nothing to compare with"),
    }
}

/// Sweeps for as long as is watched.
async fn gathering(peers: &Peers, identity: &Identity) {
    let gatherer = Gatherer::new(GatherConfig::new(identity.clone(), peers::problem())).unwrap();
    gatherer.set_learner(0, peers.learner.clone());
    let targets = peers.targets();
    gatherer.sweep(&targets).await;
    let (before, used, began) = (gatherer.counters(), processor::seconds("self"), Instant::now());
    while began.elapsed() < WATCHED {
        // It asks for whole pages only if it knows of nothing.
        gatherer.retain(|_| false);
        for (key, gathered) in gatherer.sweep(&targets).await {
            assert_eq!(gathered.unwrap().next_step, peers::STEPS, "{key:?}");
        }
    }
    let pages = gatherer.counters().scrapes - before.scrapes;
    let samples = (pages as usize * peers::samples()) as f64;
    tell("gather", samples, began.elapsed(), processor::seconds("self") - used);
}

fn tell(who: &str, samples: f64, time: Duration, processor: f64) {
    let (rate, cost) = (samples / time.as_secs_f64(), 1e6 * processor / samples);
    println!("{who}: {rate:.0} samples per second, {cost:.2} s of processor time for a million");
}
