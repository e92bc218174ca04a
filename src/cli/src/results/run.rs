//! A run's folder, read back: the experiment, and everything that its repetitions have gathered and learned so far.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use api::{TuningExperiment, meaning};
use dataset::{Dataset, Identity};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tuning::{Problem, Trajectory};
use wire::forecast::ForecastScores;
use wire::learner::EpochSummary;
use wire::settings::Algorithm;

use crate::failure::BadInput;

/// A run, finished or not.
#[derive(Debug)]
pub(crate) struct Run {
    /// Where it lies, as it was given.
    pub(crate) folder: PathBuf,
    /// The experiment as it was given.
    pub(crate) experiment: TuningExperiment,
    /// What it tunes.
    pub(crate) problem: Problem,
    /// Word for its algorithm, such as `ppo`.
    pub(crate) algorithm: &'static str,
    /// Preset of that algorithm; empty where it has none.
    pub(crate) preset: &'static str,
    /// Epochs that each repetition is to learn from.
    pub(crate) epochs: usize,
    /// Those that have begun.
    pub(crate) repetitions: Vec<Repetition>,
}

/// A repetition of a run.
#[derive(Debug)]
pub(crate) struct Repetition {
    /// Which one, from 0.
    pub(crate) repetition: u32,
    /// Epochs gathered to learn from, in order.
    pub(crate) epochs: Vec<Epoch>,
    /// The final evaluation, once it is gathered.
    pub(crate) final_evaluation: Option<Epoch>,
}

/// A gathered epoch.
#[derive(Debug)]
pub(crate) struct Epoch {
    /// Which one, from 1.
    pub(crate) epoch: u32,
    /// Every attempt at every trajectory, sorted by index and attempt.
    pub(crate) attempts: Vec<Trajectory>,
    /// Version of the policy that acted.
    pub(crate) policy_version: u64,
    /// What learning from it gave, by name; empty where nothing was learned (yet).
    pub(crate) figures: BTreeMap<String, f64>,
    /// How good the world model's forecasts were after it, where there is one.
    pub(crate) forecasts: Option<ForecastScores>,
}

/// What a run says of itself, beside its experiment.
#[derive(Deserialize)]
struct RunIdentity {
    uid: String,
}

/// What a learner writes when an epoch is learned.
#[derive(Deserialize)]
struct Learned {
    summary: EpochSummary,
    figures: BTreeMap<String, Option<f64>>,
    #[serde(default)]
    forecasts: Option<ForecastScores>,
}

impl Run {
    /// Reads a run's folder.
    ///
    /// # Errors
    /// [`BadInput`] if it is none; other errors if a file of it can't be read.
    pub(crate) fn load(folder: &Path) -> anyhow::Result<Self> {
        let experiment = experiment(&folder.join("experiment.yaml"))?;
        let (spec, problem) = (&experiment.spec, meaning::problem(&experiment.spec));
        let identity: Option<RunIdentity> = json(&folder.join("run.json"))?;
        let uid = identity.ok_or_else(|| not_a_run(folder, "run.json"))?.uid;
        let mut repetitions = Vec::new();
        for repetition in 0..spec.repetitions {
            let storage = folder.join(format!("repetition-{repetition}"));
            if storage.exists() {
                let name = experiment.metadata.name.clone().unwrap_or_default();
                let identity = Identity { experiment: name, uid: uid.clone(), repetition, problem: problem.clone() };
                repetitions.push(Repetition::load(&storage, identity)?);
            }
        }
        let algorithm = meaning::algorithm(spec);
        let preset = match &algorithm {
            Algorithm::Ppo(settings) => settings.preset.as_str(),
            Algorithm::Simple(settings) => settings.preset.as_str(),
            _ => "",
        };
        let (word, epochs) = (meaning::algorithm_name(spec), meaning::epoch_sizes(&algorithm).len());
        Ok(Self { folder: folder.to_owned(), experiment, problem, algorithm: word, preset, epochs, repetitions })
    }

    /// Reads several.
    pub(crate) fn load_all(folders: &[PathBuf]) -> anyhow::Result<Vec<Self>> {
        folders.iter().map(|folder| Self::load(folder)).collect()
    }

    /// Name of the experiment.
    pub(crate) fn name(&self) -> &str {
        self.experiment.metadata.name.as_deref().unwrap_or_default()
    }

    /// Its algorithm, with the preset where there is one.
    pub(crate) fn algorithm_and_preset(&self) -> String {
        if self.preset.is_empty() { self.algorithm.to_owned() } else { format!("{} ({})", self.algorithm, self.preset) }
    }

    /// Final evaluations that are gathered.
    pub(crate) fn final_evaluations(&self) -> impl Iterator<Item = &Epoch> {
        self.repetitions.iter().filter_map(|repetition| repetition.final_evaluation.as_ref())
    }

    /// Env steps in units of whole trainings.
    pub(crate) fn fte(&self, env_steps: u64) -> f64 {
        env_steps as f64 / f64::from(self.problem.env_steps)
    }
}

impl Repetition {
    fn load(storage: &Path, identity: Identity) -> anyhow::Result<Self> {
        let repetition = identity.repetition;
        let dataset = Dataset::open(&storage.display().to_string(), identity)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let (mut epochs, mut final_evaluation) = (Vec::new(), None);
        for gathered in runtime.block_on(dataset.read_all())? {
            let learned = json(&storage.join(format!("learned/epoch-{:06}.json", gathered.epoch)))?;
            let epoch = Epoch::new(gathered.epoch, gathered.trajectories, learned);
            if gathered.final_evaluation {
                final_evaluation = Some(epoch);
            } else {
                epochs.push(epoch);
            }
        }
        Ok(Self { repetition, epochs, final_evaluation })
    }

    /// Env steps trained to learn from.
    pub(crate) fn env_steps(&self) -> u64 {
        self.epochs.iter().map(Epoch::env_steps).sum()
    }

    /// The latest epoch: the final evaluation where there is one.
    pub(crate) fn last(&self) -> Option<&Epoch> {
        self.final_evaluation.as_ref().or(self.epochs.last())
    }
}

impl Epoch {
    fn new(epoch: u32, attempts: Vec<Trajectory>, learned: Option<Learned>) -> Self {
        let decisions = attempts.iter().flat_map(|attempt| &attempt.steps).filter_map(|step| step.decision.as_ref());
        let decided = decisions.map(|decision| decision.policy_version).max().unwrap_or_default();
        let policy_version = learned.as_ref().map_or(decided, |learned| learned.summary.policy_version);
        let forecasts = learned.as_ref().and_then(|learned| learned.forecasts.clone());
        let figures = learned.into_iter().flat_map(|learned| learned.figures);
        let figures = figures.filter_map(|(name, value)| Some((name, value?))).collect();
        Self { epoch, attempts, policy_version, figures, forecasts }
    }

    /// Mean objective at the end of the trajectories that were last simulated after it, where any were.
    pub(crate) fn simulated_objective(&self) -> Option<f64> {
        self.figures.get("simulated_objective").copied()
    }

    /// The attempt of each index that counts.
    pub(crate) fn trajectories(&self) -> Vec<&Trajectory> {
        tuning::counted(&self.attempts).into_values().collect()
    }

    /// Env steps really trained, those of attempts that did not count included.
    pub(crate) fn env_steps(&self) -> u64 {
        env_steps(&self.attempts)
    }
}

/// Env steps really trained.
pub(crate) fn env_steps<'a>(attempts: impl IntoIterator<Item = &'a Trajectory>) -> u64 {
    attempts.into_iter().map(Trajectory::env_steps).sum()
}

fn experiment(path: &Path) -> anyhow::Result<TuningExperiment> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(not_a_run(path.parent().unwrap_or(path), "experiment.yaml").into());
        }
        read => read.with_context(|| format!("can't read {}", path.display()))?,
    };
    api::validate(&text).map_err(|violations| {
        let sentences: Vec<String> = violations.iter().map(ToString::to_string).collect();
        BadInput(format!("{}: {}", path.display(), sentences.join("; "))).into()
    })
}

fn not_a_run(folder: &Path, file: &str) -> BadInput {
    BadInput(format!("{} is not the folder of a run: it has no {file}", folder.display()))
}

/// Reads a JSON file; none where there is none.
fn json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("can't read {}", path.display()))?,
    };
    serde_json::from_slice(&bytes).map(Some).with_context(|| format!("{} is damaged", path.display()))
}
