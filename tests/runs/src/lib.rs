//! A harness around the real programs: writes an experiment, starts `trainpilot run`, reads back what it left.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// Folder of the programs under test: the one that holds this test's own folder.
pub fn programs() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().unwrap().parent().unwrap().to_owned();
    assert!(folder.join("trainpilot").exists(), "build the programs first: `cargo build --workspace --bins`");
    folder
}

/// An experiment on `curves` of two epochs of four trajectories and four more in the end.
pub const CURVES: &str = r#"
apiVersion: trainpilot.dev/v1alpha1
kind: TuningExperiment
metadata: {name: curves}
spec:
  seed: 7
  objective: {metric: score, direction: Maximize}
  metrics:
  - {name: loss, range: [0, 10], scale: Log}
  - {name: score, range: [0, 1]}
  hyperparameters:
  - {name: learning_rate, initial: 0.01, min: 1e-4, max: 1}
  trajectory:
    envSteps: 8
    deadlineSeconds: 60
    retries: 1
    template: {spec: {containers: [{name: trainer, command: [trainpilot-tasks, curves]}]}}
  algorithm:
    ppo: {epochs: 2, trajectoriesPerEpoch: 4}
  finalEvaluation: {trajectories: 4}
"#;

/// The same by SimPLe, with as little of everything as takes a second or two.
pub fn simple() -> String {
    let simple = "simple: {epochs: 2, trajectoriesPerEpoch: 4, simulatedEpochs: 30, simulatedTrajectories: 32, worldModel: \
                  {members: 2, dModel: 16, dFf: 16, layers: 1, firstOptimizerSteps: 200, optimizerSteps: 200, patience: 0}}";
    CURVES.replace("ppo: {epochs: 2, trajectoriesPerEpoch: 4}", simple)
}

/// An experiment in a folder of its own.
pub struct Experiment {
    folder: TempDir,
}

const RUN: [&str; 6] = ["run", "experiment.yaml", "--dir", "run", "--jobs", "2"];

impl Experiment {
    /// Writes the experiment file.
    pub fn new(yaml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("experiment.yaml"), yaml).unwrap();
        Self { folder }
    }

    /// The curves experiment with another trainer: a shell script.
    pub fn with_trainer(script: &str) -> Self {
        let command = serde_json::to_string(&["sh", "-c", script]).unwrap();
        Self::new(&CURVES.replace("[trainpilot-tasks, curves]", &command))
    }

    /// Replaces the experiment file.
    pub fn rewrite(&self, yaml: &str) {
        fs::write(self.folder.path().join("experiment.yaml"), yaml).unwrap();
    }

    /// Folder of the run.
    pub fn dir(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// `trainpilot ARGS…`, ready to start.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(programs().join("trainpilot"));
        command.args(args);
        self.prepared(command)
    }

    fn prepared(&self, mut command: Command) -> Command {
        command.current_dir(self.folder.path()).env("OMP_NUM_THREADS", "1").stdin(Stdio::null());
        command
    }

    /// `trainpilot run` with two jobs, to its end.
    pub fn run(&self) -> Output {
        self.command(&RUN).output().unwrap()
    }

    /// `trainpilot run` with two jobs, to its end, with at most so many bytes of memory for each process.
    pub fn run_within(&self, bytes: u64) -> Output {
        let mut command = Command::new("prlimit");
        command.arg(format!("--as={bytes}")).arg(programs().join("trainpilot")).args(RUN);
        self.prepared(command).output().unwrap()
    }

    /// `trainpilot run` with two jobs, in the background.
    pub fn start(&self) -> Child {
        let mut command = self.command(&RUN);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Bytes of a file of the run.
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        fs::read_to_string(self.dir().join(path)).unwrap()
    }
}

/// What a program said on its error stream.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every attempt of an epoch, read from the dataset of repetition 0.
pub fn trajectories(experiment: &Experiment, epoch: u32) -> Vec<tuning::Trajectory> {
    let folder = experiment.dir().join("repetition-0");
    let config: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap();
    let identity = dataset::Identity {
        experiment: config["experiment"].as_str().unwrap().to_owned(),
        uid: config["uid"].as_str().unwrap().to_owned(),
        repetition: 0,
        problem: serde_json::from_value(config["problem"].clone()).unwrap(),
    };
    let dataset = dataset::Dataset::open(folder.to_str().unwrap(), identity).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(dataset.read_epoch(epoch)).unwrap().trajectories
}

/// The same without what a clock says and without attempt numbers: what must follow from the seed.
pub fn rows(experiment: &Experiment, epoch: u32) -> Vec<tuning::Trajectory> {
    let mut trajectories = trajectories(experiment, epoch);
    for step in trajectories.iter_mut().flat_map(|trajectory| &mut trajectory.steps) {
        step.elapsed_seconds = 0.0;
    }
    trajectories
}

/// The records of all learned epochs, in order.
pub fn learned(experiment: &Experiment) -> Vec<serde_json::Value> {
    let path = |epoch: usize| experiment.dir().join(format!("repetition-0/learned/epoch-{epoch:06}.json"));
    let files = (1..).map(path).take_while(|path| path.exists());
    files.map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap()).collect()
}

/// Processes started by `pid`, directly or not.
pub fn descendants(pid: u32) -> Vec<u32> {
    let children = |pid: u32| {
        let path = format!("/proc/{pid}/task/{pid}/children");
        let text = fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>()
    };
    let (mut all, mut next) = (Vec::new(), children(pid));
    while let Some(pid) = next.pop() {
        all.push(pid);
        next.extend(children(pid));
    }
    all
}

/// Name of the program that `pid` runs, as the kernel has it.
pub fn program(pid: u32) -> String {
    let path = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Which learner `pid` is, if it is one.
pub fn learner_role(pid: u32) -> Option<&'static str> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let is = |role: &&str| line.split(|byte| *byte == 0).any(|word| word == role.as_bytes());
    (program(pid) == "trainpilot-learner").then(|| ["policy", "world-model"].into_iter().find(is)).flatten()
}

/// Whether `pid` still runs; a zombie does not.
pub fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !stat.is_empty() && !rest.starts_with('Z'))
}

/// Waits until `condition` holds; a minute without is a failure.
pub fn until(what: &str, condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed().as_secs() < 60, "waited a minute: {what}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
