//! World models: forecasters of training curves, and trainings simulated by them.
//!
//! A world model reads what is known of a trajectory (metrics so far, the hyperparameters that will be in force) and gives
//! a distribution of the next metrics, or of a divergence. Kaiser et al. 2019 (SimPLe) is the method, the talk's paper its
//! use for hyperparameters. What is forecast here is the *change* of each metric in its own scale (design §2, `Residual`);
//! an ensemble of networks, each trained from other first weights on other batches, keeps a policy from living on the
//! mistakes of one.
//!
//! Start reading at [`WorldModel`]; [`Simulation`] is the environment that PPO then learns in.

mod checkpoint;
mod continuous;
mod density;
mod evaluation;
mod examples;
#[cfg(test)]
mod fixtures;
mod forecaster;
mod simulation;
mod symbols;
mod training;

use std::collections::BTreeMap;

use tch::{Device, Kind};
use tuning::{Problem, Random, SymbolCode, Trajectory};
use wire::artifact::Tensor;
use wire::settings::{Output, Precision, WorldModelSettings};

use crate::LearnError;
use continuous::Continuous;
use examples::Examples;
use forecaster::Forecaster;
pub use simulation::Simulation;
use symbols::Symbols;
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
    forecaster: Box<dyn Forecaster>,
    seed: u64,
    /// Trainings that it went through.
    fits: u32,
}

impl WorldModel {
    /// Fresh forecasters, whose weights depend on `seed` alone.
    ///
    /// # Errors
    /// [`LearnError::Settings`] for sizes of which no network can be built.
    pub fn new(problem: Problem, settings: &WorldModelSettings, seed: u64, device: Device) -> Result<Self, LearnError> {
        check(settings)?;
        let weights = Random::stream(seed, &[WEIGHTS]).bits();
        let forecaster: Box<dyn Forecaster> = match settings.output {
            Output::Symbols { .. } => Box::new(Symbols::new(&problem, settings, weights, device)),
            _ => Box::new(Continuous::new(&problem, settings, weights, device)),
        };
        Ok(Self { problem, settings: settings.clone(), forecaster, seed, fits: 0 })
    }

    /// Trains every member on all that has ended in `trajectories`, from the weights it has, until the held-out share no
    /// longer gains.
    ///
    /// # Errors
    /// If there is nothing to learn from, or a number stops being finite; the forecasters are then as they were before.
    pub fn fit(&mut self, trajectories: &[Trajectory]) -> Result<Fit, LearnError> {
        let device = self.forecaster.weights().flat().device();
        let (training, held_out) = self.split(trajectories);
        let examples = |part: &[&Trajectory]| Examples::new(&self.problem, self.code(), part, device);
        let (training, held_out) = (examples(&training)?, examples(&held_out)?);
        if training.steps() == 0 {
            return Err(LearnError::NothingToForecastFrom);
        }
        let (before, fixed) = (self.forecaster.weights().flat().copy(), self.forecaster.fixed());
        if self.fits == 0 {
            self.forecaster.prepare(&training);
        }
        let settings = &self.settings;
        let steps = if self.fits == 0 { settings.first_optimizer_steps } else { settings.optimizer_steps };
        let order = Random::stream(self.seed, &[BATCHES, self.fits.into()]).bits();
        let fit = training::train(&mut *self.forecaster, settings, steps, &training, &held_out, order);
        match fit {
            Ok(_) => self.fits += 1,
            Err(_) => {
                self.forecaster.weights_mut().set(&before);
                self.forecaster.set_fixed(fixed);
            }
        }
        fit
    }

    /// Which trajectories of an epoch are held out depends on their keys alone, so that one never wanders into training
    /// later on; of two and more it is at least one.
    fn split<'a>(&self, trajectories: &'a [Trajectory]) -> (Vec<&'a Trajectory>, Vec<&'a Trajectory>) {
        let mut epochs: BTreeMap<(u32, u32), Vec<(u64, &Trajectory)>> = BTreeMap::new();
        for trajectory in trajectories {
            let key = trajectory.key;
            let labels = [HELD_OUT, key.repetition.into(), key.epoch.into(), key.index.into()];
            let drawn = Random::stream(0, &labels).bits();
            epochs.entry((key.repetition, key.epoch)).or_default().push((drawn, trajectory));
        }
        let (mut training, mut held_out) = (Vec::new(), Vec::new());
        for mut epoch in epochs.into_values() {
            epoch.sort_by_key(|(drawn, _)| *drawn);
            let share = (epoch.len() as f64 * self.settings.held_out).round() as usize;
            let least = usize::from(self.settings.held_out > 0.0 && epoch.len() > 1);
            let rest = epoch.split_off(share.max(least).min(epoch.len()));
            held_out.extend(epoch.into_iter().map(|(_, trajectory)| trajectory));
            training.extend(rest.into_iter().map(|(_, trajectory)| trajectory));
        }
        (training, held_out)
    }

    /// How its forecasters read trajectories, if it is in symbols.
    fn code(&self) -> Option<SymbolCode> {
        if let Output::Symbols { code, .. } = self.settings.output { Some(code) } else { None }
    }

    /// Name, shape and values of each weight; each shape has the members in front.
    pub fn tensors(&self) -> Vec<Tensor> {
        self.forecaster.weights().export()
    }

    /// What is forecast for.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Number of forecasters.
    pub fn members(&self) -> usize {
        self.settings.members
    }

    /// Trainings that it went through.
    pub fn fits(&self) -> u32 {
        self.fits
    }
}

/// Whether forecasters of such settings can be built.
fn check(settings: &WorldModelSettings) -> Result<(), LearnError> {
    LearnError::check_sizes(settings.d_model, settings.d_ff, settings.heads)?;
    LearnError::check_some("members", settings.members)?;
    match settings.output {
        Output::Residual { components, .. } => LearnError::check_some("components", components),
        Output::Buckets { buckets, .. } => LearnError::check_some("buckets", buckets),
        Output::Symbols { code, .. } => match code.precision() {
            Ok(_) => Ok(()),
            Err(error) => {
                let got = code.vocabulary.into();
                Err(LearnError::Settings { field: "vocabulary", got, expected: error.to_string() })
            }
        },
    }
}

/// What the layers of a forecaster multiply in.
fn kind(settings: &WorldModelSettings) -> Kind {
    match settings.precision {
        Precision::Float32 => Kind::Float,
        Precision::BFloat16 => Kind::BFloat16,
    }
}

#[cfg(test)]
mod tests;
