//! What the real program costs a trainer: start, memory, and from POST to answer early and late in a trajectory.
//!
//! Prints one line of JSON. Latencies are those of a client that keeps its connection, over many trajectories.

#![allow(clippy::unwrap_used)]
#![allow(dead_code, reason = "the tests use the rest")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use common::fixtures::{network, problem, report};
use common::{Experiment, Learner};
use serde_json::json;

#[path = "../tests/common/mod.rs"]
mod common;

const TRAJECTORIES: usize = 40;
const ENV_STEPS: u32 = 410;
/// Steps on either side of the one that is asked for.
const AROUND: u32 = 10;

/// A client as small as one can be.
struct Trainer {
    host: String,
    path: String,
    stream: BufReader<TcpStream>,
}

impl Trainer {
    fn new(url: &str) -> Self {
        let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let stream = TcpStream::connect(host).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { host: host.to_owned(), path: format!("/{path}/v1/steps"), stream: BufReader::new(stream) }
    }

    /// Microseconds from writing the report to having read the answer.
    fn post(&mut self, step: u32) -> f64 {
        let body = serde_json::to_string(&report(step, f64::from(step % 7) / 7.0)).unwrap();
        let head = format!("POST {} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}", self.path, self.host, body.len());
        let request = format!("{head}\r\ncontent-type: application/json\r\n\r\n{body}");
        let began = Instant::now();
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut line, mut length) = (String::new(), 0);
        self.stream.read_line(&mut line).unwrap();
        assert!(line.contains(" 200 "), "{line}");
        while line != "\r\n" {
            length = line.strip_prefix("content-length: ").map_or(length, |length| length.trim().parse().unwrap());
            line.clear();
            self.stream.read_line(&mut line).unwrap();
        }
        self.stream.read_exact(&mut vec![0; length]).unwrap();
        began.elapsed().as_secs_f64() * 1e6
    }
}

fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * q) as usize]
}

/// Median and 99th percentile of the latencies around step `t`, in µs.
fn summary(latencies: &[(u32, f64)], t: u32) -> serde_json::Value {
    let near = latencies.iter().filter(|(step, _)| step.abs_diff(t) <= AROUND);
    let mut near: Vec<f64> = near.map(|(_, latency)| *latency).collect();
    near.sort_by(f64::total_cmp);
    json!({"step": t, "p50_us": quantile(&near, 0.5), "p99_us": quantile(&near, 0.99)})
}

/// Peak of the memory held by process `id`, in MiB.
fn memory(id: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

#[tokio::main]
async fn main() {
    let mut experiment = Experiment::new(|config| {
        config.problem = problem(ENV_STEPS);
        config.policy_wait_seconds = 30.0;
    });
    let learner = Learner::start(&experiment);
    learner.publish(&[(1, &network(&experiment.config.problem, 1, 0.1))]);
    experiment.config.learner.clone_from(&learner.address);
    let (mut starts, mut memories, mut latencies) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TRAJECTORIES {
        let began = Instant::now();
        let agent = experiment.start(&[]).await;
        starts.push(began.elapsed().as_secs_f64() * 1e3);
        let url = agent.at.trainer_url.clone();
        let post = move || {
            let mut trainer = Trainer::new(&url);
            (0..=ENV_STEPS).map(|step| (step, trainer.post(step))).collect::<Vec<_>>()
        };
        latencies.extend(tokio::task::spawn_blocking(post).await.unwrap());
        memories.push(memory(agent.child.id().unwrap()));
    }
    starts.sort_by(f64::total_cmp);
    memories.sort_by(f64::total_cmp);
    let figures = json!({
        "start_ms": quantile(&starts, 0.5),
        "memory_mib": quantile(&memories, 1.0),
        "post": [summary(&latencies, 20), summary(&latencies, 400)],
    });
    println!("{figures}");
}
