//! The loop around a training: evaluate, report, take over the next hyperparameters, train an env step, and again.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;
use tuning::{Decay, Schedule};

use crate::checkpoints::Checkpoints;
use crate::contract::{Answer, Client, ContractError, Trajectory, Values};

/// Exit code of a program that was told to end: 128 + SIGTERM.
const TERMINATED: i32 = 143;

/// Why a training came to nothing, e.g. `training_loss is NaN`.
pub type Divergence = String;

/// A training that can be steered.
pub trait Training {
    /// The value in force of the hyperparameter `name`, to read and to set; none if there is no such one.
    fn hyperparameter(&mut self, name: &str) -> Option<&mut f64>;

    /// Names of all hyperparameters, for messages.
    fn hyperparameters(&self) -> Vec<String>;

    /// Metrics before any training.
    fn evaluate(&mut self) -> Result<Values, Divergence>;

    /// Trains one env step under the values in force; the metrics after it.
    fn env_step(&mut self) -> Result<Values, Divergence>;

    /// Writes into `folder`, which is empty, all that is needed to go on: weights, the optimizer's state, the order of what is
    /// still to come.
    ///
    /// # Errors
    /// If it can't be written.
    fn save(&self, folder: &Path) -> anyhow::Result<()>;

    /// Goes back to what [`save`](Self::save) wrote: from there on nothing tells it from the training that was saved. Afterwards
    /// the values in force are set anew.
    ///
    /// # Errors
    /// If it is not there, or of another training; it is said what was found and what expected.
    fn restore(&mut self, folder: &Path) -> anyhow::Result<()>;
}

/// Who says how to train, and where checkpoints are.
pub struct Guide {
    source: Source,
    trajectory: Trajectory,
    checkpoints: Option<Checkpoints>,
}

/// Where the hyperparameters come from.
enum Source {
    /// An agent decides after each env step.
    Agent(Client),
    /// The starting values are followed as a recipe, and the metrics printed.
    Alone(Followed),
}

/// How to train when there is no agent; with one, it says all of this but for the checkpoints.
#[derive(Args, Clone, Debug)]
pub struct Alone {
    /// Env steps to train when there is no agent
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub env_steps: u32,
    /// Seed of everything random in a training without agent
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// What the learning rate follows in a training without agent
    #[arg(long, value_enum, default_value_t = Shape::Constant)]
    pub schedule: Shape,
    /// Folder for checkpoints, one after each env step, so that a training that is cut off can go on. May be shared by many
    #[arg(long, env = "CHECKPOINTS", value_name = "FOLDER")]
    pub checkpoints: Option<PathBuf>,
}

/// A schedule by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// The same in every env step
    Constant,
    /// In a straight line to 0
    Linear,
    /// Along half a cosine wave to 0
    Cosine,
}

impl Shape {
    /// The schedule of that name, to 0 and without warm-up.
    pub fn schedule(self) -> Schedule {
        let decay = match self {
            Self::Constant => Decay::Constant,
            Self::Linear => Decay::Linear,
            Self::Cosine => Decay::Cosine,
        };
        Schedule { decay, to: 0.0, warm_up: 0 }
    }
}

/// Why a training ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum TrainerError {
    /// The agent could not be asked or refused.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// The experiment steers something that this training does not have.
    #[error("the agent steers {name:?}, which this training does not have; it has {}", known.join(", "))]
    UnknownHyperparameter {
        /// What the agent named.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// An earlier trainer got part of the way.
    #[error(
        "the agent waits for step {next_step}, but this trainer has no checkpoint of the one before and can only start at step 0"
    )]
    Midway {
        /// What the agent waits for.
        next_step: u32,
    },
    /// A checkpoint is not what it should be.
    #[error(transparent)]
    Checkpoint(anyhow::Error),
}

impl Guide {
    /// Asks the agent that `TRAINPILOT_URL` names; without one the training starts from `values` and follows `alone`.
    pub fn open(alone: &Alone, values: Values) -> Result<Self, TrainerError> {
        let Some(client) = Client::from_env() else {
            return Ok(Self::alone(alone, values));
        };
        let mut trajectory = client.trajectory()?;
        let checkpoints = alone.checkpoints.as_deref().map(|root| Checkpoints::new(root, &trajectory.id));
        if let Some(checkpoints) = &checkpoints {
            trajectory = client.take_up(&checkpoints.steps())?;
        }
        let next_step = trajectory.next_step;
        let guide = Self { source: Source::Agent(client), trajectory, checkpoints };
        let there = guide.checkpoints.as_ref().is_some_and(|there| there.steps().contains(&next_step.wrapping_sub(1)));
        if next_step == 0 || there { Ok(guide) } else { Err(TrainerError::Midway { next_step }) }
    }

    fn alone(alone: &Alone, values: Values) -> Self {
        let Alone { env_steps, seed, .. } = *alone;
        let id = format!("alone-{seed}");
        let checkpoints = alone.checkpoints.as_deref().map(|root| Checkpoints::new(root, &id));
        let last = checkpoints.as_ref().and_then(|checkpoints| checkpoints.steps().last().copied());
        let next_step = last.filter(|last| *last < env_steps).map_or(0, |last| last + 1);
        let recipe = Followed { start: values, schedule: alone.schedule.schedule(), env_steps };
        let hyperparameters = if next_step == 0 { recipe.start.clone() } else { recipe.after(next_step - 1) };
        let trajectory = Trajectory { id, env_steps, seed, hyperparameters, next_step };
        Self { source: Source::Alone(recipe), trajectory, checkpoints }
    }

    /// What is to be trained.
    pub fn trajectory(&self) -> &Trajectory {
        &self.trajectory
    }

    fn report(&self, step: u32, metrics: &Values, in_force: &Values) -> Result<Answer, TrainerError> {
        match &self.source {
            Source::Agent(client) => Ok(client.report(step, metrics, in_force)?),
            Source::Alone(recipe) => {
                println!("{}", json!({ "step": step, "metrics": metrics, "hyperparameters": in_force }));
                let hyperparameters = recipe.after(step);
                Ok(Answer { hyperparameters, done: step == self.trajectory.env_steps })
            }
        }
    }

    fn diverged(&self, step: u32, reason: &str) -> Result<(), TrainerError> {
        match &self.source {
            Source::Agent(client) => Ok(client.diverged(step, reason)?),
            Source::Alone(_) => {
                println!("{}", json!({ "step": step, "diverged": reason }));
                Ok(())
            }
        }
    }

    /// Begins `training`, or goes on with it; what was measured after the env step that is to be reported first.
    fn begin(&self, training: &mut impl Training) -> Result<(Values, Result<Values, Divergence>), TrainerError> {
        let Trajectory { next_step, hyperparameters, .. } = &self.trajectory;
        if let (Some(step), Some(checkpoints)) = (next_step.checked_sub(1), &self.checkpoints) {
            checkpoints.restore(step, |folder| training.restore(folder)).map_err(TrainerError::Checkpoint)?;
        }
        let in_force = apply(training, hyperparameters)?;
        let observed = if *next_step == 0 { training.evaluate() } else { training.env_step() };
        Ok((in_force, observed))
    }

    /// Keeps what `training` has come to. A disk that is full costs the checkpoint, not the training.
    fn keep(&self, step: u32, training: &impl Training) {
        let Some(checkpoints) = &self.checkpoints else { return };
        if let Err(error) = checkpoints.save(step, |folder| training.save(folder)) {
            eprintln!("warning: {error:#}");
        }
    }

    fn end(&self) {
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.clear();
        }
    }
}

/// Values to start with, and what the learning rate follows from there.
struct Followed {
    start: Values,
    schedule: Schedule,
    env_steps: u32,
}

impl Followed {
    /// Values for the env step after `step` of them.
    fn after(&self, step: u32) -> Values {
        let mut values = self.start.clone();
        if let Some(rate) = values.get_mut("learning_rate") {
            *rate *= self.schedule.factor(step, self.env_steps);
        }
        values
    }
}

/// Ends the program at SIGTERM also where it is the first of its container, which the kernel spares signals that it does not
/// ask for: until it ends, the agent beside it is not told to bring what is not stored yet to safety.
///
/// # Errors
/// If the signal can't be heard.
pub fn end_when_told() -> Result<(), ctrlc::Error> {
    if std::process::id() == 1 { ctrlc::set_handler(|| std::process::exit(TERMINATED)) } else { Ok(()) }
}

/// Runs `training` to its end under `guide`, from its last checkpoint if there is one. A divergence is an outcome, not an
/// error.
pub fn train(guide: &Guide, training: &mut impl Training) -> Result<(), TrainerError> {
    let (mut in_force, mut observed) = guide.begin(training)?;
    for step in guide.trajectory().next_step.. {
        let answer = match observed {
            Ok(metrics) => guide.report(step, &metrics, &in_force)?,
            Err(reason) => {
                guide.diverged(step, &reason)?;
                break;
            }
        };
        if answer.done || step == guide.trajectory().env_steps {
            break;
        }
        guide.keep(step, training);
        in_force = apply(training, &answer.hyperparameters)?;
        observed = training.env_step();
    }
    guide.end();
    Ok(())
}

/// Sets the values asked for and reads back those that are now in force.
fn apply(training: &mut impl Training, asked: &Values) -> Result<Values, TrainerError> {
    let known = training.hyperparameters();
    let mut in_force = Values::new();
    for (name, value) in asked {
        let Some(slot) = training.hyperparameter(name) else {
            return Err(TrainerError::UnknownHyperparameter { name: name.clone(), known });
        };
        *slot = *value;
        in_force.insert(name.clone(), *slot);
    }
    Ok(in_force)
}
