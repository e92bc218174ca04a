//! The loop around a training: evaluate, report, take over the next hyperparameters, train an env step, and again.

use clap::{Args, ValueEnum};
use serde_json::json;
use tuning::{Decay, Schedule};

use crate::contract::{Answer, Client, ContractError, Trajectory, Values};

/// Why a training came to nothing, e.g. `training_loss is NaN`.
pub type Divergence = String;

/// A training that can be steered.
pub trait Training {
    /// The value in force of the hyperparameter `name`, to read and to set; none if there is no such one.
    fn hyperparameter(&mut self, name: &str) -> Option<&mut f64>;

    /// Names of all hyperparameters, for messages.
    fn hyperparameters(&self) -> &'static [&'static str];

    /// Metrics before any training.
    fn evaluate(&mut self) -> Result<Values, Divergence>;

    /// Trains one env step under the values in force; the metrics after it.
    fn env_step(&mut self) -> Result<Values, Divergence>;
}

/// Where the hyperparameters come from.
pub enum Guide {
    /// An agent decides after each env step.
    Agent {
        /// Speaks to it.
        client: Client,
        /// What it asked for.
        trajectory: Trajectory,
    },
    /// The starting values are followed as a recipe, and the metrics printed.
    Alone {
        /// What is trained.
        trajectory: Trajectory,
        /// What the learning rate follows.
        schedule: Schedule,
    },
}

/// How to train when there is no agent; with one, it says all of this.
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
        known: &'static [&'static str],
    },
    /// An earlier trainer got part of the way.
    #[error("the agent waits for step {next_step}, but this trainer keeps no checkpoint and can only start at step 0")]
    Midway {
        /// What the agent waits for.
        next_step: u32,
    },
}

impl Guide {
    /// Asks the agent that `TRAINPILOT_URL` names; without one the training starts from `values` and follows `alone`.
    pub fn open(alone: &Alone, values: Values) -> Result<Self, TrainerError> {
        let Some(client) = Client::from_env() else {
            let (env_steps, seed) = (alone.env_steps, alone.seed);
            let trajectory = Trajectory { env_steps, seed, hyperparameters: values, next_step: 0 };
            return Ok(Self::Alone { trajectory, schedule: alone.schedule.schedule() });
        };
        let trajectory = client.trajectory()?;
        match trajectory.next_step {
            0 => Ok(Self::Agent { client, trajectory }),
            next_step => Err(TrainerError::Midway { next_step }),
        }
    }

    /// What is to be trained.
    pub fn trajectory(&self) -> &Trajectory {
        match self {
            Self::Agent { trajectory, .. } | Self::Alone { trajectory, .. } => trajectory,
        }
    }

    fn report(&self, step: u32, metrics: &Values, in_force: &Values) -> Result<Answer, TrainerError> {
        match self {
            Self::Agent { client, .. } => Ok(client.report(step, metrics, in_force)?),
            Self::Alone { trajectory, schedule } => {
                println!("{}", json!({ "step": step, "metrics": metrics, "hyperparameters": in_force }));
                let mut hyperparameters = trajectory.hyperparameters.clone();
                if let Some(rate) = hyperparameters.get_mut("learning_rate") {
                    *rate *= schedule.factor(step, trajectory.env_steps);
                }
                Ok(Answer { hyperparameters, done: step == trajectory.env_steps })
            }
        }
    }

    fn diverged(&self, step: u32, reason: &str) -> Result<(), TrainerError> {
        match self {
            Self::Agent { client, .. } => Ok(client.diverged(step, reason)?),
            Self::Alone { .. } => {
                println!("{}", json!({ "step": step, "diverged": reason }));
                Ok(())
            }
        }
    }
}

/// Runs `training` to its end under `guide`. A divergence is an outcome, not an error.
pub fn train(guide: &Guide, training: &mut impl Training) -> Result<(), TrainerError> {
    let mut in_force = apply(training, &guide.trajectory().hyperparameters)?;
    let mut observed = training.evaluate();
    for step in 0.. {
        let answer = match observed {
            Ok(metrics) => guide.report(step, &metrics, &in_force)?,
            Err(reason) => return guide.diverged(step, &reason),
        };
        if answer.done || step == guide.trajectory().env_steps {
            break;
        }
        in_force = apply(training, &answer.hyperparameters)?;
        observed = training.env_step();
    }
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
