//! What the benchmarks of this crate share: time on the processor, and peers in Python.

use std::env;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;
use tuning::{Direction, Hyperparameter, Metric, Objective, Problem, Scale, Schedule};

pub const ROUNDS: usize = 3;
pub const METRICS: usize = 4;

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What this process has had of the processor so far, to a hundredth of a second.
pub fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit(')').next().unwrap().split_whitespace();
    after_name.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// What a peer says of its work.
#[derive(Deserialize)]
pub struct Peer {
    /// On the processor, for each thing that is measured.
    pub seconds: Vec<f64>,
    /// To compare with ours.
    pub losses: Vec<f64>,
}

/// A Python that has torch, if there is one.
pub fn python_with_torch() -> Option<String> {
    let python = env::var("PEER_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let status = Command::new(&python).args(["-c", "import torch"]).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success()).then_some(python)
}

/// Has `script`, which stands beside the benchmarks, do the work.
pub fn peer(python: &str, script: &str, workload: &Value) -> Peer {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches").join(script);
    let mut command = Command::new(python);
    let mut child = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(workload.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the peer failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Four metrics and seven multipliers, as `digits` has them.
pub fn problem(hyperparameters: usize, env_steps: u32) -> Problem {
    let metric = |n: usize| Metric {
        name: format!("metric{n}"),
        range: [0.0, 1.0],
        scale: if n < 2 { Scale::Log } else { Scale::Logit },
        observed: true,
    };
    let hyperparameter = |n: usize| Hyperparameter {
        name: format!("hyperparameter{n}"),
        initial: Some(1e-2),
        initial_range: None,
        min: 1e-5,
        max: 1.0,
        complement: false,
        schedule: Schedule::default(),
    };
    Problem {
        objective: Objective { metric: "metric3".to_owned(), direction: Direction::Maximize },
        metrics: (0..METRICS).map(metric).collect(),
        hyperparameters: (0..hyperparameters).map(hyperparameter).collect(),
        multipliers: vec![0.5, 0.8, 0.95, 1.0, 1.05, 1.25, 2.0],
        env_steps,
    }
}
