//! The world-model learner of one repetition: pulls each epoch's trajectories from the policy learner, trains, publishes.
//!
//! It keeps the newest version that it published, and what a training that is going on can be gone on from; trajectories it
//! pulls again when it is started anew. A version that can't be trained is published too, with the reason and the weights of
//! the one before, so that the policy learner never waits in vain.

mod link;
pub mod metrics;
pub mod service;
mod storage;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use learn::{Known, Moment, Simple, Trained, WorldModel};
use tch::Device;
use tokio::runtime::Handle;
use tuning::Trajectory;
use wire::forecast::ForecastScores;
use wire::sentence;
use wire::settings::{Algorithm, LearnerConfig, SimpleSettings};
use wire::tls::Identity;
use wire::world_model::WorldModelState;

use crate::keep::Space;
use crate::{LearnerError, seed};
use link::Link;
use storage::Storage;

/// Time of training that may be lost when the process is killed.
const KEEP_EVERY: Duration = Duration::from_secs(20);

/// The world-model learner of one repetition. All methods may be called from any thread.
pub struct WorldModelLearner {
    config: LearnerConfig,
    settings: Box<SimpleSettings>,
    storage: Storage,
    link: Link,
    standing: Arc<Mutex<Standing>>,
}

/// What network and training thread share.
#[derive(Default)]
pub(crate) struct Standing {
    pub(crate) state: WorldModelState,
    /// Of the training that goes on or was the last: steps, losses, by name.
    pub(crate) figures: BTreeMap<String, f64>,
    /// How good forecasts of the newest version are.
    pub(crate) forecasts: Option<ForecastScores>,
}

impl WorldModelLearner {
    /// Opens a learner where it stood when it was last stopped, however that happened. `place`, a folder or URL, is for what it
    /// keeps; `policy_learner` is where that one listens, `HOST:PORT`.
    ///
    /// # Errors
    /// If its storage is in use or unreadable, or the experiment has no world model.
    pub fn open(
        config: LearnerConfig,
        place: &str,
        identity: &Identity,
        policy_learner: &str,
        runtime: &Handle,
    ) -> Result<Arc<Self>, LearnerError> {
        let Algorithm::Simple(settings) = config.algorithm.clone() else {
            return Err(LearnerError::NoWorldModel(config.algorithm.name()));
        };
        let standing = Arc::new(Mutex::new(Standing::default()));
        lock(&standing).state.repetition = config.repetition;
        let link = Link::new(identity, policy_learner, crate::identity(&config), Arc::clone(&standing))?;
        Ok(Arc::new(Self { config, settings, storage: Storage::open(place, runtime)?, link, standing }))
    }

    /// Trains after every epoch, once it is committed; returns when there is no more epoch to learn from. Blocks its thread.
    ///
    /// # Errors
    /// If training can't go on at all: [`WorldModelLearner::fail`] is then what is left to do.
    pub fn train_all(&self, device: Device, runtime: &Handle) -> Result<(), LearnerError> {
        let (problem, seed) = (self.config.problem.clone(), seed(&self.config));
        let mut model = Simple::world_model(problem, &self.settings, seed, device)?;
        let initial = runtime.block_on(crate::initial_data(&self.config))?;
        let mut known = Vec::new();
        let mut trained = 0;
        if let Some(version) = self.storage.newest()? {
            let newest = model.take(&version)?;
            self.tell(&newest);
            trained = newest.epoch;
            for epoch in 1..=trained {
                known.extend(self.link.segment(epoch, runtime)?);
            }
            self.publish(trained, version, runtime);
        }
        for epoch in trained + 1..=self.config.epochs {
            known.extend(self.link.segment(epoch, runtime)?);
            let version = self.train(&mut model, epoch, &initial, &known)?;
            self.storage.save(&version)?;
            self.publish(epoch, version, runtime);
        }
        Ok(())
    }

    /// Trains on all that is known up to `epoch`; the version that comes of it.
    fn train(
        &self,
        model: &mut WorldModel,
        epoch: u32,
        initial: &[Trajectory],
        own: &[Trajectory],
    ) -> Result<Vec<u8>, LearnerError> {
        let begin = Instant::now();
        self.standing().state.doing = Some("training the world model".to_owned());
        let known = Known { initial, initial_share: self.settings.initial_data.share, own };
        let mut kept = Instant::now();
        let fit = model.fit_watched(known, self.storage.training()?.as_deref(), &mut |moment| {
            self.show(&moment);
            if kept.elapsed() >= KEEP_EVERY {
                // Only time can be lost by it.
                if let Err(error) = self.storage.save_training(&(moment.save)()) {
                    tracing::warn!(error = sentence(&error), "the training can't be kept half-way");
                }
                kept = Instant::now();
            }
        });
        let (fit, refusal) = match fit {
            Ok(fit) => (Some(fit), None),
            Err(error) => (None, Some(sentence(&error))),
        };
        self.standing().state.doing = Some("comparing its forecasts with held-out trajectories".to_owned());
        let scores = if model.fits() > 0 { model.evaluate(if own.is_empty() { initial } else { own }) } else { None };
        let (uid, repetition) = (self.config.uid.clone(), self.config.repetition);
        let seconds = begin.elapsed().as_secs_f64();
        let trained = Trained { uid, repetition, epoch, fit, refusal, scores, seconds };
        self.tell(&trained);
        Ok(model.publish(&trained))
    }

    /// Shows how far a training is.
    fn show(&self, moment: &Moment<'_>) {
        let mut standing = self.standing();
        standing.state.doing = Some(format!("training the world model: step {} of {}", moment.step, moment.steps));
        let figures = [("step", f64::from(moment.step)), ("steps", f64::from(moment.steps)), ("loss", moment.loss)];
        standing.figures = figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        standing.figures.extend(moment.held_out_loss.map(|loss| ("held_out_loss".to_owned(), loss)));
    }

    /// Shows what came of a training.
    fn tell(&self, trained: &Trained) {
        let mut standing = self.standing();
        standing.state.doing = None;
        standing.state.fault = trained.refusal.as_ref().map(|refusal| {
            format!("the world model was not trained on epoch {}, the one before goes on: {refusal}", trained.epoch)
        });
        standing.forecasts = trained.scores.clone().or(standing.forecasts.take());
        if let Some(refusal) = &trained.refusal {
            tracing::error!(epoch = trained.epoch, refusal, "the world model was not trained: the one before goes on");
        }
    }

    fn publish(&self, epoch: u32, version: Vec<u8>, runtime: &Handle) {
        self.link.offer(epoch, Bytes::from(version), runtime);
        self.standing().state.epochs_trained = epoch;
        tracing::info!(epoch, "published");
    }

    /// Says that training can't go on; the process stays up to be asked why.
    pub fn fail(&self, error: &dyn std::error::Error) {
        let sentence = sentence(error);
        tracing::error!(error = sentence, "training stopped");
        let state = &mut self.standing().state;
        (state.failed, state.fault, state.doing) = (true, Some(sentence), None);
    }

    /// Where training stands.
    pub fn state(&self) -> WorldModelState {
        self.standing().state.clone()
    }

    /// Room where it keeps what it learns, if that is a disk.
    pub(crate) fn space(&self) -> Option<Space> {
        self.storage.space()
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        lock(&self.standing)
    }
}

/// A panic elsewhere leaves no half-made change behind: every field is replaced whole.
fn lock(standing: &Mutex<Standing>) -> MutexGuard<'_, Standing> {
    standing.lock().unwrap_or_else(PoisonError::into_inner)
}
