//! Forecasts to look at: of one training of a run, by its world model; and of curves that others recorded, by one that is
//! trained on a part of them.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use dataset::{Dataset, Table};
use learn::{Simple, WorldModel, power_law};
use tch::Device;
use tuning::{Random, Trajectory};
use wire::forecast::{CurvesForecast, RecordedForecast};
use wire::settings::{Algorithm, LearnerConfig, WorldModelSettings};

use crate::curves::{CurveArgs, curves};
use crate::policy_learner::storage::{newest_world_model, world_model};
use crate::{LearnerError, identity, seed};

/// One training of a run.
#[derive(Args, Clone, Debug)]
pub struct RecordedArgs {
    /// Folder of the repetition
    #[arg(long)]
    pub storage: PathBuf,
    /// Its epoch [default: the last that the world model knows]
    #[arg(long)]
    pub epoch: Option<u32>,
    /// Its index [default: the first that the world model was not trained on]
    #[arg(long)]
    pub index: Option<u32>,
    /// Observation from which it is forecast; what came before is known
    #[arg(long, default_value_t = 0)]
    pub from: u32,
    /// Epoch up to which the world model was trained [default: the newest]
    #[arg(long)]
    pub world_model: Option<u32>,
}

/// Curves that others recorded.
#[derive(Args, Clone, Debug)]
pub struct DataArgs {
    /// The table: CSV with a head, or Parquet
    #[arg(long)]
    pub data: PathBuf,
    /// How it is to be understood
    #[command(flatten)]
    pub columns: CurveArgs,
    /// Steps of each curve that are known [default: a fifth]
    #[arg(long)]
    pub from: Option<u32>,
    /// Share of the curves that is forecast; the others are trained on
    #[arg(long, default_value_t = 0.2)]
    pub test_share: f64,
    /// Seed of which curves these are, and of everything drawn
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// Forecasts one training of a run.
///
/// # Errors
/// If there is no such training, or no world model, or a file is damaged.
pub fn recorded(args: &RecordedArgs) -> Result<RecordedForecast, LearnerError> {
    let config: LearnerConfig = json(&args.storage.join("config.json"))?;
    let Algorithm::Simple(settings) = &config.algorithm else {
        return Err(LearnerError::NoWorldModel(config.algorithm.name()));
    };
    let newest = Some(newest_world_model(&args.storage)).filter(|newest| *newest > 0);
    let version = args
        .world_model
        .or(newest)
        .ok_or_else(|| LearnerError::Refused("the run has no world model yet".to_owned()))?;
    let mut model = Simple::world_model(config.problem.clone(), settings, seed(&config), Device::Cpu)?;
    model.take(&read(&args.storage.join(world_model(version)))?)?;
    let epoch = args.epoch.unwrap_or(version);
    let all = epoch_of(&config, &args.storage, epoch)?;
    let trajectory = choose(&model, &all, args)?;
    let trained_on = epoch <= version && !model.holds_out(trajectory, &all);
    Ok(RecordedForecast { world_model: version, trained_on, example: model.forecast(trajectory, args.from) })
}

fn epoch_of(config: &LearnerConfig, storage: &Path, epoch: u32) -> Result<Vec<Trajectory>, LearnerError> {
    let dataset = Dataset::open(&storage.to_string_lossy(), identity(config))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|source| LearnerError::Storage { path: storage.to_owned(), source })?;
    Ok(runtime.block_on(dataset.read_epoch(epoch))?.trajectories)
}

fn choose<'a>(model: &WorldModel, all: &'a [Trajectory], args: &RecordedArgs) -> Result<&'a Trajectory, LearnerError> {
    let long = |t: &&Trajectory| t.steps.len() > args.from as usize + 1;
    let wanted = |t: &&Trajectory| match args.index {
        Some(index) => t.key.index == index,
        None => model.holds_out(t, all),
    };
    all.iter().find(|t| long(t) && wanted(t)).ok_or_else(|| {
        let what = args.index.map_or("no training that was held out".to_owned(), |index| format!("no index {index}"));
        LearnerError::Refused(format!("the epoch has {what} with an env step after observation {}", args.from))
    })
}

/// Trains a world model on a part of recorded curves and scores it on the rest; `tell` hears how far it is.
///
/// # Errors
/// If the table can't be understood, or nothing can be learned from it.
pub fn of_curves(args: &DataArgs, tell: &mut dyn FnMut(String)) -> Result<CurvesForecast, LearnerError> {
    let table = Table::read(&args.data)?;
    let found = curves(&table, &args.columns)?;
    let problem = found.problem;
    let from = args.from.unwrap_or(problem.env_steps / 5);
    if from >= problem.env_steps {
        let sentence = format!("--from is {from}: expected less than the {} env steps of a curve", problem.env_steps);
        return Err(LearnerError::Refused(sentence));
    }
    let count = (found.trajectories.len() as f64 * args.test_share).round() as usize;
    let order = Random::stream(args.seed, &[0]).shuffled(found.trajectories.len());
    let (test, training) = order.split_at(count.clamp(1, found.trajectories.len() - 2));
    let training: Vec<Trajectory> = training.iter().map(|place| found.trajectories[*place].clone()).collect();
    let others = test.iter().map(|place| found.names[*place].clone()).collect();
    let test: Vec<&Trajectory> = test.iter().map(|place| &found.trajectories[*place]).collect();
    let mut model = WorldModel::new(problem.clone(), &WorldModelSettings::ours(), args.seed, Device::Cpu)?;
    let begin = Instant::now();
    let fit = model.fit_watched(learn::Known::from(&training), None, &mut |moment| {
        tell(format!("training: step {} of at most {}, loss {:.3}", moment.step, moment.steps, moment.loss));
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    tell("forecasting".to_owned());
    let scores =
        model.score(&test, from).ok_or_else(|| LearnerError::Refused("no curve is left to test".to_owned()))?;
    Ok(CurvesForecast {
        trained_on: training.len(),
        left_out: found.left_out,
        env_steps: problem.env_steps,
        loss: fit.loss,
        seconds,
        others,
        scores,
        power_law: power_law(&problem, &test, from),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, LearnerError> {
    std::fs::read(path).map_err(|source| LearnerError::Storage { path: path.to_owned(), source })
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, LearnerError> {
    let corrupt = |source: serde_json::Error| {
        let (place, source) = (path.display().to_string(), Box::new(source));
        LearnerError::Corrupt { place, expected: "a learner's config", source }
    };
    serde_json::from_slice(&read(path)?).map_err(corrupt)
}
