//! World models: forecasters of training curves, and trainings simulated by them.
//!
//! A world model reads what is known of a trajectory (metrics so far, the hyperparameters that will be in force) and gives
//! a distribution of the next metrics, or of a divergence. Kaiser et al. 2019 (SimPLe) is the method, the talk's paper its
//! use for hyperparameters. What is forecast here is the *change* of each metric in its own scale (design §2, `Residual`);
//! an ensemble of networks, each trained from other first weights on other batches, keeps a policy from living on the
//! mistakes of one.
//!
//! Start reading at [`WorldModel`]; [`Simulation`] is the environment that PPO then learns in.

mod batches;
mod continuous;
mod density;
mod evaluation;
mod examples;
#[cfg(test)]
pub(crate) mod fixtures;
mod forecaster;
mod simulation;
mod symbols;
mod training;
mod version;

use std::collections::BTreeMap;

use tch::{Device, Kind};
use tuning::{Outcome, Problem, Random, SymbolCode, Trajectory};
use wire::artifact::Tensor;
use wire::settings::{Output, Precision, WorldModelSettings};

use crate::LearnError;
use continuous::Continuous;
pub use evaluation::power_law;
use examples::Examples;
use forecaster::Forecaster;
pub use simulation::Simulation;
use symbols::Symbols;
use training::Lesson;
pub use training::{Fit, Moment};
pub use version::Trained;

// Streams of a world model's seed.
const WEIGHTS: u64 = 0;
const HELD_OUT: u64 = 1;
const BATCHES: u64 = 2;

/// Trajectories to train a world model on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// Those that were there before the experiment began.
    pub initial: &'a [Trajectory],
    /// Probability with which an example is one of those; none takes all trajectories alike.
    pub initial_share: Option<f64>,
    /// The experiment's own, of all epochs so far.
    pub own: &'a [Trajectory],
}

impl<'a, T: AsRef<[Trajectory]> + ?Sized> From<&'a T> for Known<'a> {
    fn from(own: &'a T) -> Self {
        Self { own: own.as_ref(), ..Self::default() }
    }
}

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

    /// Trains every member on all that has ended in what is `known`, from the weights it has, until the held-out share no
    /// longer gains.
    ///
    /// # Errors
    /// If there is nothing to learn from, or a number stops being finite; the forecasters are then as they were before.
    pub fn fit<'a>(&mut self, known: impl Into<Known<'a>>) -> Result<Fit, LearnError> {
        self.fit_watched(known.into(), None, &mut |_| ())
    }

    /// The same, telling `watch` now and then how far it is, and going on from what was `saved` then of the same training.
    ///
    /// # Errors
    /// As [`WorldModel::fit`].
    pub fn fit_watched(
        &mut self,
        known: Known<'_>,
        saved: Option<&[u8]>,
        watch: &mut dyn FnMut(Moment<'_>),
    ) -> Result<Fit, LearnError> {
        let lesson = self.lesson(known)?;
        if lesson.training.steps() == 0 {
            return Err(LearnError::NothingToForecastFrom);
        }
        let (before, fixed) = (self.forecaster.weights().flat().copy(), self.forecaster.fixed());
        if self.fits == 0 {
            self.forecaster.prepare(&lesson.training);
        }
        let fit = training::train(&mut *self.forecaster, &self.settings, &lesson, saved, watch);
        match fit {
            Ok(_) => self.fits += 1,
            Err(_) => {
                self.forecaster.weights_mut().set(&before);
                self.forecaster.set_fixed(fixed);
            }
        }
        fit
    }

    fn lesson(&self, known: Known<'_>) -> Result<Lesson, LearnError> {
        let device = self.forecaster.weights().flat().device();
        let examples = |part: &[&Trajectory]| Examples::new(&self.problem, self.code(), part, device);
        let (mut training, mut held_out) = self.split(known.initial);
        let ended = |t: &&&Trajectory| matches!(t.outcome, Some(Outcome::Completed | Outcome::Diverged));
        let initial = training.iter().filter(ended).count();
        let own = self.split(known.own);
        training.extend(own.0);
        held_out.extend(own.1);
        let settings = &self.settings;
        Ok(Lesson {
            training: examples(&training)?,
            initial,
            initial_share: known.initial_share,
            held_out: examples(&held_out)?,
            seed: Random::stream(self.seed, &[BATCHES, self.fits.into()]).bits(),
            optimizer_steps: if self.fits == 0 { settings.first_optimizer_steps } else { settings.optimizer_steps },
        })
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

    /// Whether it was not trained on a trajectory, where `all` of its epoch are known.
    pub fn holds_out(&self, trajectory: &Trajectory, all: &[Trajectory]) -> bool {
        self.split(all).1.iter().any(|held_out| held_out.key == trajectory.key)
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

    /// Weights of the network, all members side by side.
    pub(crate) fn network(&self) -> &crate::nets::Weights {
        self.forecaster.weights()
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
