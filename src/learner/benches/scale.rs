//! What both learners need at the talk's scale: 10,240 trajectories of 100 env steps to begin with, 1,280 of their own, in the
//! shape of its CIFAR task (4 metrics, 3 hyperparameters), and half of that beside it. Each learner is a process of its own,
//! this program again, so that its memory is its own. Linux only.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use dataset::{Dataset, Identity};
use learn::{Known, Simple};
use learner::{Learner, Storage, Strategy};
use serde_json::json;
use tch::Device;
use tokio::runtime::Runtime;
use tuning::{Decision, Outcome, Problem, Random, Step, Trajectory, TrajectoryKey};
use wire::settings::{Algorithm, InitialData, LearnerConfig, Preset, SimpleSettings};

const PER_EPOCH: u32 = 128;
/// Epochs of initial and of own trajectories, and a label.
const SCALES: [(u32, u32, &str); 2] = [(40, 5, "half"), (80, 10, "talk")];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, folder, own] = &arguments[..] {
        return child(role, Path::new(folder), own.parse().unwrap());
    }
    println!("{:<6} {:<12} {:>12} {:>10} {:>10}", "scale", "learner", "trajectories", "seconds", "MiB");
    for (initial, own, label) in SCALES {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("initial"), &identity("earlier"), initial);
        write(&folder.path().join("own"), &identity("scale"), own);
        learned(&folder.path().join("own"), &config(folder.path()), own);
        for role in ["policy", "world-model"] {
            let mut command = Command::new(std::env::current_exe().unwrap());
            let output = command.arg(role).arg(folder.path()).arg(own.to_string()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let said = String::from_utf8(output.stdout).unwrap();
            println!("{label:<6} {role:<12} {:>12} {}", (initial + own) * PER_EPOCH, said.trim_end());
        }
    }
    println!("seconds to load everything (and, of the world model, for one optimizer step), and memory at its peak");
}

/// Loads everything as the learner of that role does, and prints seconds and mebibytes.
fn child(role: &str, folder: &Path, own: u32) {
    tch::set_num_threads(1);
    let (config, runtime, storage) = (config(folder), Runtime::new().unwrap(), folder.join("own"));
    let begin = Instant::now();
    if role == "policy" {
        let strategy = Strategy::new(&config, Device::Cpu, runtime.handle()).unwrap();
        let storage = Storage::open(storage.to_str().unwrap(), runtime.handle()).unwrap();
        let (learner, strategy) = Learner::open(config, storage, strategy).unwrap();
        assert!(!learner.known(&strategy, runtime.handle()).unwrap().is_empty());
    } else {
        let Algorithm::Simple(settings) = &config.algorithm else { unreachable!("it is simple") };
        let initial = runtime.block_on(dataset::initial_data(&settings.initial_data.from[0], &config.problem)).unwrap();
        let dataset = Dataset::open(&storage.to_string_lossy(), identity("scale")).unwrap();
        let mut known = Vec::new();
        for epoch in 1..=own {
            known.extend(runtime.block_on(dataset.read_epoch(epoch)).unwrap().trajectories);
        }
        let mut model = Simple::world_model(config.problem.clone(), settings, 1, Device::Cpu).unwrap();
        model.fit(Known { initial: &initial, initial_share: Some(0.9), own: &known }).unwrap();
    }
    println!("{:>10.1} {:>10}", begin.elapsed().as_secs_f64(), peak() / 1024);
}

/// The most memory that this process had, in kibibytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The talk's algorithm, with a world model so small that what it reads is all that takes memory.
fn config(folder: &Path) -> LearnerConfig {
    let mut settings = SimpleSettings::of(Preset::Talk, false);
    settings.world_model.first_optimizer_steps = 1;
    (settings.world_model.d_model, settings.world_model.d_ff, settings.world_model.layers) = (16, 16, 1);
    let from = vec![folder.join("initial").to_str().unwrap().to_owned()];
    settings.initial_data = InitialData { from, share: Some(0.9) };
    let (experiment, uid) = ("scale".to_owned(), "scale".to_owned());
    let algorithm = Algorithm::Simple(Box::new(settings));
    LearnerConfig { experiment, uid, problem: problem(), repetition: 0, seed: 1, epochs: 10, algorithm, publish: None }
}

fn identity(name: &str) -> Identity {
    Identity { experiment: name.to_owned(), uid: name.to_owned(), repetition: 0, problem: problem() }
}

fn problem() -> Problem {
    let metric = |n: usize| json!({"name": format!("metric{n}"), "range": [0, 1]});
    let hyperparameter = |n: usize| json!({"name": format!("h{n}"), "initial": 0.01, "min": 1e-4, "max": 1.0});
    let value = json!({
        "objective": {"metric": "metric0", "direction": "Maximize"},
        "metrics": (0..4).map(metric).collect::<Vec<_>>(),
        "hyperparameters": (0..3).map(hyperparameter).collect::<Vec<_>>(),
        "multipliers": [0.5, 0.8, 0.95, 1.0, 1.05, 1.25, 2.0],
        "envSteps": 100,
    });
    serde_json::from_value(value).unwrap()
}

fn write(folder: &Path, identity: &Identity, epochs: u32) {
    let runtime = Runtime::new().unwrap();
    let dataset = Dataset::open(&folder.to_string_lossy(), identity.clone()).unwrap();
    for epoch in 1..=epochs {
        let trajectories: Vec<Trajectory> = (0..PER_EPOCH).map(|index| trajectory(epoch, index)).collect();
        runtime.block_on(dataset.commit(epoch, false, &trajectories)).unwrap();
    }
}

/// Leaves what a policy learner leaves that has learned so many epochs.
fn learned(folder: &Path, config: &LearnerConfig, epochs: u32) {
    for kind in ["learned", "checkpoints"] {
        fs::create_dir_all(folder.join(kind)).unwrap();
    }
    for epoch in 1..=epochs {
        let summary = json!({"epoch": epoch, "completed": PER_EPOCH, "diverged": 0, "lost": 0, "mean": 0.5, "best": 0.5,
            "policyVersion": epoch});
        let learned =
            json!({"finalEvaluation": false, "summary": summary, "envSteps": 12_800, "rows": 12_928, "figures": {}});
        fs::write(folder.join(format!("learned/epoch-{epoch:06}.json")), learned.to_string()).unwrap();
    }
    let runtime = Runtime::new().unwrap();
    let checkpoint = Strategy::new(config, Device::Cpu, runtime.handle()).unwrap().save();
    fs::write(folder.join(format!("checkpoints/epoch-{epochs:06}.safetensors")), checkpoint).unwrap();
}

fn trajectory(epoch: u32, index: u32) -> Trajectory {
    let mut random = Random::stream(epoch.into(), &[index.into()]);
    let step = |step: u32| Step {
        step,
        metrics: (0..4).map(|_| random.uniform()).collect(),
        hyperparameters: vec![0.01; 3],
        applied: vec![0.01; 3],
        decision: (step < 100).then(|| Decision {
            actions: (0..3).map(|_| random.below(7)).collect(),
            log_probabilities: vec![-(7_f32.ln()); 3],
            value: Some(0.0),
            policy_version: epoch.into(),
            keep: None,
        }),
        elapsed_seconds: f64::from(step),
    };
    let steps = (0..=100).map(step).collect();
    let key = TrajectoryKey { repetition: 0, epoch, index, attempt: 0 };
    Trajectory { key, seed: index, task: String::new(), outcome: Some(Outcome::Completed), steps }
}
