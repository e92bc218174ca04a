//! Rows committed and read per second, on a local folder, beside pyarrow with the same columns.
//!
//! `cargo bench -p trainpilot-dataset`; pyarrow comes from `third_party/python` (`cargo xtask setup`).
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use dataset::{Dataset, Identity};
use tuning::{Decision, Outcome, Problem, Random, Step, Trajectory, TrajectoryKey};

/// An epoch at the talk's scale: 128 trajectories of 100 env steps, 4 metrics, 4 hyperparameters.
const TRAJECTORIES: u32 = 128;
const ENV_STEPS: u32 = 100;

fn problem() -> Problem {
    let metric = |name: &str| serde_json::json!({"name": name, "range": [0, 10]});
    let steered = |name: &str| serde_json::json!({"name": name, "initial": 0.1, "min": 1e-9, "max": 10});
    let metrics = ["training_accuracy", "training_loss", "validation_accuracy", "validation_loss"].map(metric);
    let hyperparameters = ["learning_rate", "momentum", "weight_decay", "dropout"].map(steered);
    serde_json::from_value(serde_json::json!({
        "objective": {"metric": "validation_accuracy"},
        "metrics": metrics,
        "hyperparameters": hyperparameters,
        "multipliers": [0.5, 0.8, 0.95, 1.0, 1.05, 1.25, 2.0],
        "envSteps": ENV_STEPS,
    }))
    .unwrap()
}

fn epoch() -> Vec<Trajectory> {
    let mut random = Random::stream(1, &[]);
    let mut numbers = || (0..4).map(|_| random.uniform()).collect::<Vec<f64>>();
    let mut step = |step: u32| {
        let (metrics, hyperparameters, drawn) = (numbers(), numbers(), numbers());
        let decision = Decision {
            actions: drawn.iter().map(|x| (7.0 * x) as usize).collect(),
            log_probabilities: drawn.iter().map(|x| (x.ln()) as f32).collect(),
            value: Some(drawn[0] as f32),
            policy_version: 3,
            keep: None,
        };
        let applied = hyperparameters.clone();
        let elapsed_seconds = f64::from(step) + drawn[0];
        let decision = (step < ENV_STEPS).then_some(decision);
        Step { step, metrics, hyperparameters, applied, decision, elapsed_seconds }
    };
    let mut trajectory = |index| Trajectory {
        key: TrajectoryKey { repetition: 0, epoch: 1, index, attempt: 0 },
        seed: index * 7919,
        task: "wide".into(),
        outcome: Some(Outcome::Completed),
        steps: (0..=ENV_STEPS).map(&mut step).collect(),
    };
    (0..TRAJECTORIES).map(&mut trajectory).collect()
}

fn open(folder: &Path) -> Dataset {
    let identity = Identity { experiment: "bench".into(), uid: "0".into(), repetition: 0, problem: problem() };
    Dataset::open(folder.to_str().unwrap(), identity).unwrap()
}

/// Measures both and gives the medians of committing and reading, in seconds.
fn measure(folder: &Path) -> [f64; 2] {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let trajectories = epoch();
    let rows = u64::from(TRAJECTORIES * (ENV_STEPS + 1));
    let dataset = open(folder);
    let file = folder.join("segments/epoch-000001.parquet");
    let mut times = [Vec::new(), Vec::new()];
    let mut criterion = Criterion::default().measurement_time(Duration::from_secs(5)).sample_size(20);
    let mut group = criterion.benchmark_group("rows");
    group.throughput(Throughput::Elements(rows));
    for (place, name) in ["commit", "read"].into_iter().enumerate() {
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter_custom(|count| {
                let mut total = Duration::ZERO;
                for _ in 0..count {
                    if place == 0 && file.exists() {
                        std::fs::remove_file(&file).unwrap();
                    }
                    let begin = std::time::Instant::now();
                    runtime.block_on(async {
                        match place {
                            0 => drop(dataset.commit(1, false, &trajectories).await.unwrap()),
                            _ => assert_eq!(dataset.read_epoch(1).await.unwrap().trajectories.len(), 128),
                        }
                    });
                    total += begin.elapsed();
                    times[place].push(begin.elapsed().as_secs_f64());
                }
                total
            });
        });
    }
    group.finish();
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

/// What pyarrow needs for the same file, in seconds, by the name of what it does.
fn peer(file: &Path) -> serde_json::Map<String, serde_json::Value> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = here.join("../../third_party/python");
    assert!(packages.exists(), "third_party/python is missing: `cargo xtask setup` makes it");
    let mut python = Command::new("python3");
    let output = python.arg(here.join("benches/peer.py")).arg(file).env("PYTHONPATH", packages).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let [commit, read] = measure(folder.path());
    let peer = peer(&folder.path().join("segments/epoch-000001.parquet"));
    let rows = f64::from(TRAJECTORIES * (ENV_STEPS + 1));
    println!("{:24} {:>12} {:>12} {:>8}", "rows per second", "trainpilot", "pyarrow", "ratio");
    for (name, ours) in
        [("commit", commit), ("commit, from columns", commit), ("read", read), ("read, to columns", read)]
    {
        let theirs = peer[name].as_f64().unwrap();
        println!("{name:24} {:>12.0} {:>12.0} {:>8.2}", rows / ours, rows / theirs, theirs / ours);
    }
}
