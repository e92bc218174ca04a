//! World models: forecasters of training curves, and trainings simulated by them.
//!
//! A world model reads what is known of a trajectory (metrics so far, the hyperparameters that will be in force) and gives
//! a distribution of the next metrics, or of a divergence. Kaiser et al. 2019 (SimPLe) is the method, the talk's paper its
//! use for hyperparameters. What is forecast here is the *change* of each metric in its own scale (design §2, `Residual`);
//! an ensemble of networks, each trained from other first weights on other batches, keeps a policy from living on the
//! mistakes of one.
//!
//! Start reading at [`WorldModel`]; [`Simulation`] is the environment that PPO then learns in.

mod examples;
mod residual;
mod simulation;
mod training;

use tch::Device;
use tuning::{Problem, Random, Trajectory};
use wire::settings::WorldModelSettings;

use crate::LearnError;
use examples::Examples;
use residual::Residual;
pub use simulation::Simulation;
pub use training::Fit;

// Streams of a world model's seed.
const WEIGHTS: u64 = 0;
const HELD_OUT: u64 = 1;
const BATCHES: u64 = 2;

/// An ensemble of forecasters for one problem.
#[derive(Debug)]
pub struct WorldModel {
    problem: Problem,
    settings: WorldModelSettings,
    members: Vec<Residual>,
    seed: u64,
}

impl WorldModel {
    /// Fresh forecasters, whose weights depend on `seed` alone.
    ///
    /// # Errors
    /// [`LearnError::Settings`] for sizes of which no network can be built.
    pub fn new(problem: Problem, settings: &WorldModelSettings, seed: u64, device: Device) -> Result<Self, LearnError> {
        LearnError::check_sizes(settings.d_model, settings.d_ff, settings.heads)?;
        LearnError::check_some("members", settings.members)?;
        LearnError::check_some("components", settings.components)?;
        let member = |n| {
            let seed = Random::stream(seed, &[WEIGHTS, n as u64]).bits();
            Residual::new(&problem, settings, seed, device)
        };
        let members = (0..settings.members).map(member).collect();
        Ok(Self { problem, settings: settings.clone(), members, seed })
    }

    /// Trains every member on all that has ended in `trajectories`, from the weights it has, until the held-out share no
    /// longer gains.
    ///
    /// # Errors
    /// If there is nothing to learn from, or a number stops being finite; the forecasters are then as they were before.
    pub fn fit(&mut self, trajectories: &[Trajectory]) -> Result<Fit, LearnError> {
        let device = self.members[0].device();
        let (training, held_out) = self.split(trajectories);
        let training = Examples::new(&self.problem, &training, device)?;
        let held_out = Examples::new(&self.problem, &held_out, device)?;
        if training.steps() == 0 {
            return Err(LearnError::NothingToForecastFrom);
        }
        let before: Vec<_> = self.members.iter().map(|member| member.weights().flat().copy()).collect();
        let mut fits = Vec::new();
        for (n, member) in self.members.iter_mut().enumerate() {
            let order = Random::stream(self.seed, &[BATCHES, n as u64, trajectories.len() as u64]);
            match training::train(member, &self.settings, &training, &held_out, order) {
                Ok(fit) => fits.push(fit),
                Err(error) => {
                    for (member, before) in self.members.iter_mut().zip(&before) {
                        member.weights_mut().set(before);
                    }
                    return Err(error);
                }
            }
        }
        Ok(Fit::mean(&fits))
    }

    /// Which trajectories are held out depends on their keys alone, so that one never wanders into training later on.
    fn split<'a>(&self, trajectories: &'a [Trajectory]) -> (Vec<&'a Trajectory>, Vec<&'a Trajectory>) {
        let held_out = |trajectory: &&Trajectory| {
            let key = trajectory.key;
            let labels = [HELD_OUT, key.repetition.into(), key.epoch.into(), key.index.into()];
            Random::stream(0, &labels).uniform() < self.settings.held_out
        };
        let (held_out, training) = trajectories.iter().partition(held_out);
        (training, held_out)
    }

    /// What is forecast for.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Number of forecasters.
    pub fn members(&self) -> usize {
        self.members.len()
    }
}

#[cfg(test)]
mod tests;
