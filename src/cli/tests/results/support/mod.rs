//! Run folders made in code, as the programs of a real run would have left them, and the program to read them with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use api::{TuningExperiment, meaning};
use dataset::{Dataset, Identity};
use serde_json::{Value, json};
use tempfile::TempDir;
use tuning::{Decision, Draws, Outcome, Problem, Random, Stage, Steering, Step, Trajectory, TrajectoryKey};
use wire::artifact::{self, FORMAT, Header, Policy, Training};

/// Folder for runs, and the program beside it.
pub struct Runs {
    folder: TempDir,
}

/// What to make a run of.
#[derive(Clone)]
pub struct Sample {
    pub name: &'static str,
    /// YAML of `spec.algorithm`.
    pub algorithm: &'static str,
    /// YAML of `spec.trajectory.tasks`.
    pub tasks: &'static str,
    pub arguments: &'static str,
    pub seed: u64,
    pub repetitions: u32,
    /// Epochs that are gathered, and trajectories in each.
    pub epochs: u32,
    pub trajectories: u32,
    pub finished: bool,
    /// How good the trainings are; learning adds to it.
    pub skill: f64,
    /// Indices of the final evaluation that diverge, and that are lost.
    pub diverged: &'static [u32],
    pub lost: &'static [u32],
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            name: "sample",
            algorithm: "{ppo: {epochs: 4, trajectoriesPerEpoch: 6, group: 2}}",
            tasks: "[]",
            arguments: "[--noise, '0.3']",
            seed: 1,
            repetitions: 1,
            epochs: 4,
            trajectories: 6,
            finished: true,
            skill: 0.5,
            diverged: &[],
            lost: &[],
        }
    }
}

impl Sample {
    fn yaml(&self) -> String {
        let Self { name, algorithm, tasks, arguments, seed, repetitions, .. } = self;
        format!(
            "apiVersion: trainpilot.dev/v1alpha1
kind: TuningExperiment
metadata: {{name: {name}}}
spec:
  seed: {seed}
  repetitions: {repetitions}
  objective: {{metric: validation_accuracy, direction: Maximize}}
  metrics:
  - {{name: training_loss, range: [0, 5], scale: Log}}
  - {{name: validation_accuracy, range: [0, 1], scale: Logit}}
  - {{name: test_accuracy, range: [0, 1], observed: false}}
  hyperparameters:
  - {{name: learning_rate, initial: 0.01, min: 1.0e-5, max: 1}}
  - {{name: momentum, initial: 0.9, min: 0.0, max: 0.99, complement: true}}
  trajectory:
    envSteps: 10
    tasks: {tasks}
    template: {{spec: {{containers: [{{name: trainer, command: [train], args: {arguments}}}]}}}}
  algorithm: {algorithm}
  finalEvaluation: {{trajectories: 12}}
"
        )
    }
}

impl Runs {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a run; the folder has its name.
    pub fn make(&self, sample: &Sample) -> PathBuf {
        let (folder, yaml) = (self.path(sample.name), sample.yaml());
        let experiment = api::validate(&yaml).unwrap();
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("experiment.yaml"), yaml).unwrap();
        fs::write(folder.join("run.json"), r#"{"uid": "uid-1", "version": "0.1.0", "created": 1}"#).unwrap();
        for repetition in 0..sample.repetitions {
            Simulation { sample, experiment: &experiment, problem: meaning::problem(&experiment.spec), repetition }
                .write(&folder.join(format!("repetition-{repetition}")));
        }
        folder
    }

    /// Runs the program in the folder of all runs.
    pub fn trainpilot(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trainpilot"));
        command.args(arguments).current_dir(self.folder.path()).output().unwrap()
    }

    /// What it writes to stdout when all goes well.
    pub fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.trainpilot(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Exit code and what it writes to stderr when it refuses.
    pub fn fail(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.trainpilot(arguments);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

/// The same with every number rounded, so that the last bit of a platform's `exp` does not change a snapshot.
pub fn rounded(value: Value) -> Value {
    match value {
        Value::Number(x) if x.is_f64() => json!((x.as_f64().unwrap() * 1e6).round() / 1e6),
        Value::Array(values) => values.into_iter().map(rounded).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, rounded(value))).collect(),
        other => other,
    }
}

struct Simulation<'a> {
    sample: &'a Sample,
    experiment: &'a TuningExperiment,
    problem: Problem,
    repetition: u32,
}

impl Simulation<'_> {
    fn write(&self, storage: &Path) {
        let identity = Identity {
            experiment: self.sample.name.to_owned(),
            uid: "uid-1".to_owned(),
            repetition: self.repetition,
            problem: self.problem.clone(),
        };
        let dataset = Dataset::open(&storage.display().to_string(), identity).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        fs::create_dir_all(storage.join("learned")).unwrap();
        for epoch in 1..=self.sample.epochs + u32::from(self.sample.finished) {
            let is_final = epoch > self.sample.epochs;
            runtime.block_on(dataset.commit(epoch, is_final, &self.epoch(epoch, is_final))).unwrap();
            fs::write(storage.join(format!("learned/epoch-{epoch:06}.json")), self.learned(epoch, is_final)).unwrap();
            self.policy(storage, epoch);
        }
    }

    fn epoch(&self, epoch: u32, is_final: bool) -> Vec<Trajectory> {
        let (sample, draws) = (self.sample, meaning::draws(&self.experiment.spec, is_final));
        let mut all = Vec::new();
        for index in 0..if is_final { 12 } else { sample.trajectories } {
            let key = TrajectoryKey { repetition: self.repetition, epoch, index, attempt: 0 };
            if is_final && sample.lost.contains(&index) {
                all.push(self.trajectory(&draws, key, is_final, Outcome::Lost, 3));
            } else if is_final && sample.diverged.contains(&index) {
                all.push(self.trajectory(&draws, key, is_final, Outcome::Diverged, 5));
            } else {
                // One attempt of the first epoch was lost at its fourth env step, and replaced.
                let again = epoch == 1 && index == 2 && !is_final;
                all.extend(again.then(|| self.trajectory(&draws, key, is_final, Outcome::Lost, 4)));
                let key = TrajectoryKey { attempt: u32::from(again), ..key };
                all.push(self.trajectory(&draws, key, is_final, Outcome::Completed, 10));
            }
        }
        all
    }

    fn trajectory(
        &self,
        draws: &Draws,
        key: TrajectoryKey,
        is_final: bool,
        outcome: Outcome,
        env_steps: u32,
    ) -> Trajectory {
        let stage =
            if is_final { Stage::Final } else { Stage::Learning { repetition: self.repetition, epoch: key.epoch } };
        let draw = draws.draw(&self.problem, stage, key.index);
        let mut random = Random::stream(draw.seed.into(), &[self.repetition.into(), key.epoch.into()]);
        let mut steering = Steering::start(&self.problem, &draw.initial);
        let skill = self.sample.skill + 0.08 * f64::from(key.epoch.min(5)) + 0.05 * random.uniform();
        let mut steps = Vec::new();
        for step in 0..=env_steps {
            let share = f64::from(step) / 10.0;
            let accuracy = 0.1 + (skill - 0.1) * (1.0 - (-4.0 * share).exp()) + 0.01 * random.uniform();
            let values = steering.values();
            let actions = vec![random.below(7).min(6 - key.epoch.min(5) as usize / 2), random.below(7)];
            steering.act(step, &actions);
            let decision = Decision {
                actions,
                log_probabilities: vec![-1.9, -1.9],
                value: Some(0.5),
                policy_version: key.epoch.into(),
                keep: None,
            };
            steps.push(Step {
                step,
                metrics: vec![2.3 * (1.0 - accuracy), accuracy, accuracy - 0.02],
                hyperparameters: values.clone(),
                applied: values,
                decision: (step < 10).then_some(decision),
                elapsed_seconds: 0.25 * f64::from(step),
            });
        }
        let task = draw.task.map_or_else(String::new, |task| draws.tasks[task].name.clone());
        Trajectory { key, seed: draw.seed, task, outcome: Some(outcome), steps }
    }

    fn learned(&self, epoch: u32, is_final: bool) -> String {
        let figures = if is_final {
            json!({})
        } else {
            let x = f64::from(epoch);
            let (kl, loss) = (0.02 / x, -0.01 * x + 0.002 * f64::from(self.repetition));
            json!({"kl": kl, "policy_loss": loss, "entropy": 1.9 - 0.1 * x, "seconds_learning": 0.5, "seconds_gathering": 4.0})
        };
        let summary = json!({"epoch": epoch, "completed": 1, "diverged": 0, "lost": 0, "policyVersion": epoch});
        json!({"summary": summary, "envSteps": 1, "figures": figures}).to_string()
    }

    fn policy(&self, storage: &Path, version: u32) {
        let training = Training {
            algorithm: "ppo".to_owned(),
            preset: "default".to_owned(),
            epochs: version - 1,
            fte: 24.0,
            objective: Some(0.8),
        };
        let header = Header {
            format: FORMAT,
            experiment: self.sample.name.to_owned(),
            uid: "uid-1".to_owned(),
            repetition: self.repetition,
            version: version.into(),
            policy: Policy::Random,
            problem: self.problem.clone(),
            action_space: self.problem.action_space_hash(),
            training,
        };
        fs::create_dir_all(storage.join("policies")).unwrap();
        let path = storage.join(format!("policies/policy-{version:06}.safetensors"));
        fs::write(path, artifact::write(&header, &[]).unwrap()).unwrap();
    }
}
