//! What steering costs a training, beside the same training alone, and how busy a run keeps its slots.
//!
//! Trainings are those of `digits`, made longer by more steps of SGD in an env step. Each trainer notes how long it took,
//! with or without an agent; the two are interleaved. `fixed` leaves the values as they are, so that both train the same.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use runs::{Experiment, programs, said};
use tempfile::TempDir;

const ENV_STEPS: f64 = 20.0;
/// Length of the trainings whose slowdown is measured, in seconds, and of those that fill a run.
const LONG: f64 = 10.0;
const SHORT: f64 = 2.5;
const JOBS: usize = 2;

const EXPERIMENT: &str = r#"
apiVersion: trainpilot.dev/v1alpha1
kind: TuningExperiment
metadata: {name: steering}
spec:
  seed: 1
  objective: {metric: validation_accuracy, direction: Maximize}
  metrics:
  - {name: training_accuracy, range: [0, 1]}
  - {name: training_loss, range: [0, 5]}
  - {name: validation_accuracy, range: [0, 1], scale: Logit}
  - {name: validation_loss, range: [0, 5]}
  - {name: test_accuracy, range: [0, 1], observed: false}
  - {name: test_loss, range: [0, 5], observed: false}
  hyperparameters:
  - {name: learning_rate, initial: 0.01, min: 1.0e-5, max: 1}
  trajectory:
    envSteps: 20
    template: {spec: {containers: [{name: trainer, command: COMMAND}]}}
  algorithm: ALGORITHM
  finalEvaluation: {trajectories: TRAJECTORIES}
"#;

/// A training that notes its seconds in a folder.
struct Timed {
    folder: TempDir,
    script: String,
}

impl Timed {
    fn new(steps_per_env_step: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/../../third_party/data")).unwrap();
        let note = format!("{}/$$", folder.path().display());
        let script = format!(
            "began=$(date +%s%N); trainpilot-tasks digits --data {} --steps-per-env-step {steps_per_env_step} > /dev/null \
             || exit 1; echo $(( $(date +%s%N) - began )) > {note}",
            data.display()
        );
        Self { folder, script }
    }

    /// Seconds of each training since the last call.
    fn taken(&self) -> Vec<f64> {
        let notes: Vec<PathBuf> =
            fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        let seconds = |path: &PathBuf| fs::read_to_string(path).unwrap().trim().parse::<f64>().unwrap() / 1e9;
        let taken = notes.iter().map(seconds).collect();
        notes.iter().for_each(|path| fs::remove_file(path).unwrap());
        taken
    }

    fn alone(&self) -> f64 {
        let path = std::env::join_paths([programs(), PathBuf::from("/usr/bin"), PathBuf::from("/bin")]).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", &self.script]).env("PATH", path).env_remove("TRAINPILOT_URL");
        assert!(command.status().unwrap().success());
        self.taken()[0]
    }

    /// Seconds of each training of an experiment, and of all of it.
    fn steered(&self, algorithm: &str, trajectories: usize, jobs: usize) -> (Vec<f64>, f64) {
        let command = serde_json::to_string(&["sh", "-c", &self.script]).unwrap();
        let yaml = EXPERIMENT.replace("COMMAND", &command).replace("ALGORITHM", algorithm);
        let experiment = Experiment::new(&yaml.replace("TRAJECTORIES", &trajectories.to_string()));
        let began = Instant::now();
        let output =
            experiment.command(&["run", "experiment.yaml", "--dir", "run", "--jobs", &jobs.to_string()]).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", said(&output));
        (self.taken(), began.elapsed().as_secs_f64())
    }
}

/// Steps of SGD in an env step for a training of so many seconds.
fn steps_for(seconds: f64) -> usize {
    const PROBE: usize = 2000;
    (PROBE as f64 * seconds / Timed::new(PROBE).alone()) as usize
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn pairs(training: &Timed, n: usize) -> Vec<(f64, f64)> {
    (0..n).map(|_| (training.steered("{fixed: {}}", 1, 1).0[0], training.alone())).collect()
}

fn main() {
    assert!(Path::new("/usr/bin/date").exists() || Path::new("/bin/date").exists(), "needs date");
    let long = Timed::new(steps_for(LONG));
    let of_long = pairs(&long, 3);
    let slowdown = median(of_long.iter().map(|(steered, alone)| 100.0 * (steered / alone - 1.0)).collect());
    let alone = median(of_long.iter().map(|(_, alone)| *alone).collect());
    println!("a training of {alone:.1} s: {slowdown:+.2} % by steering (median of {} pairs)", of_long.len());
    let plain = pairs(&Timed::new(10), 15);
    let each = median(plain.iter().map(|(steered, alone)| 1e3 * (steered - alone) / ENV_STEPS).collect());
    println!("digits as in the examples: {each:+.2} ms per env step by steering (median of {} pairs)", plain.len());
    let filling = Timed::new(steps_for(SHORT));
    let (trainings, wall) = filling.steered("{ppo: {epochs: 2, trajectoriesPerEpoch: 8}}", 8, JOBS);
    let share = 100.0 * trainings.iter().sum::<f64>() / (JOBS as f64 * wall);
    println!(
        "a whole run of {} trainings of {:.1} s with --jobs {JOBS}: {share:.1} % of its {wall:.0} s within trainings",
        trainings.len(),
        median(trainings.clone())
    );
}
