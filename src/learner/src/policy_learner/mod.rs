//! The policy learner of one repetition: an epoch is ordered, its steps are stored, it is learned, a policy is published.
//!
//! Steps, orders and world models come in over the network at any time; learning runs on one thread of its own
//! (`learning.rs`), which alone touches the networks. Between the two stands the gathering, behind a mutex that is never
//! held while anything is learned.

mod course;
mod frozen;
mod gathering;
mod learning;
pub mod metrics;
mod publish;
mod search;
pub mod service;
pub(crate) mod storage;
mod strategy;
mod summary;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use dataset::Dataset;
use learn::Trained;
use tokio::sync::watch;
use tuning::Problem;
use wire::forecast::ForecastScores;
use wire::learner::{LearnerPhase, LearnerState, Publication};
use wire::settings::LearnerConfig;
use wire::world_model::Held;

use crate::keep::Space;
use crate::{LearnerError, identity};
pub use course::{Course, Curve, QUANTILES};
use gathering::{Gathering, Waiting};
pub use publish::Published;
use publish::{publication, publish};
use storage::Owner;
pub use storage::{LearnedEpoch, Storage};
pub use strategy::{Learned, Lesson, Strategy};
use summary::env_steps;

/// The policy learner of one repetition. All methods may be called from any thread.
pub struct Learner {
    config: LearnerConfig,
    storage: Storage,
    dataset: Dataset,
    progress: Mutex<Progress>,
    /// Steps that came and are not stored yet.
    waiting: Mutex<Vec<Waiting>>,
    /// Signals that the gathering may be complete, or a world model has come.
    changed: Condvar,
    published: watch::Sender<Published>,
    /// Epochs to learn from that are committed to the dataset.
    committed: watch::Sender<u32>,
}

/// What network and learning thread share.
struct Progress {
    phase: LearnerPhase,
    gathering: Option<Gathering>,
    learned: Vec<LearnedEpoch>,
    /// Epoch of the newest world model.
    world_model: u32,
    /// What learning is about at the moment.
    doing: Option<String>,
    fault: Option<String>,
    publication: Option<Publication>,
    /// Why what was sent last could not be stored; none once something was.
    unstored: Option<String>,
}

impl Learner {
    /// Opens a learner where it stood when it was last stopped, however that happened.
    ///
    /// # Errors
    /// If its storage is in use, unreadable, or belongs to another experiment.
    pub fn open(
        config: LearnerConfig,
        storage: Storage,
        mut strategy: Strategy,
    ) -> Result<(Arc<Self>, Strategy), LearnerError> {
        storage.claim(&Owner {
            experiment: config.experiment.clone(),
            uid: config.uid.clone(),
            repetition: config.repetition,
        })?;
        let dataset = Dataset::open(&storage.place(), identity(&config))?;
        let learned = storage.load_learned()?;
        let epoch = policy_epochs(&learned);
        if strategy.learns() {
            match storage.load_checkpoint(epoch)? {
                Some(bytes) => strategy.restore(&bytes)?,
                None if epoch == 0 => storage.save_checkpoint(0, &strategy.save())?,
                None => return Err(LearnerError::Missing { place: storage.checkpoint(epoch) }),
            }
        }
        let published = publish(&config, &storage, &strategy, epoch, &learned)?;
        let world_model = storage.newest_world_model()?;
        let is_over = learned.last().is_some_and(|epoch| epoch.final_evaluation);
        let progress = Progress {
            phase: LearnerPhase::Idle,
            gathering: None,
            publication: if is_over { publication(&config, &published) } else { None },
            learned,
            world_model,
            doing: None,
            fault: None,
            unstored: None,
        };
        let learner = Self {
            config,
            storage,
            dataset,
            progress: Mutex::new(progress),
            waiting: Mutex::default(),
            changed: Condvar::new(),
            published: watch::Sender::new(published),
            committed: watch::Sender::new(epoch),
        };
        Ok((Arc::new(learner), strategy))
    }

    /// Where learning stands.
    pub fn state(&self) -> LearnerState {
        self.state_of(&self.progress())
    }

    /// Rows committed to the dataset.
    pub fn rows(&self) -> u64 {
        self.progress().learned.iter().map(|epoch| epoch.rows).sum()
    }

    /// Figures of the last epoch that was learned from: the final evaluation is not.
    pub fn figures(&self) -> BTreeMap<String, f64> {
        let progress = self.progress();
        let learned = progress.learned.iter().rev().find(|epoch| !epoch.final_evaluation);
        learned.map(|epoch| epoch.figures.clone()).unwrap_or_default()
    }

    /// How good the forecasts of the last learned epoch's world model are, where there is one.
    pub fn forecasts(&self) -> Option<ForecastScores> {
        self.progress().learned.iter().rev().find_map(|epoch| epoch.forecasts.clone())
    }

    /// What the trajectories of the last learned epoch did on their way.
    pub fn course(&self) -> Option<Course> {
        self.progress().learned.last().map(|epoch| epoch.course.clone())
    }

    /// Room where it keeps what it learns, if that is a disk.
    pub(crate) fn space(&self) -> Option<Space> {
        self.storage.space()
    }

    /// What is tuned.
    pub(crate) fn problem(&self) -> &Problem {
        &self.config.problem
    }

    /// The newest policy, and every later one.
    pub fn policies(&self) -> watch::Receiver<Published> {
        self.published.subscribe()
    }

    /// The file of an epoch's segment, once it is committed; none for the final evaluation, from which nobody learns.
    ///
    /// # Errors
    /// If the storage fails.
    pub async fn segment(&self, epoch: u32) -> Result<Option<Bytes>, LearnerError> {
        if epoch > self.config.epochs {
            return Ok(None);
        }
        let mut committed = self.committed.subscribe();
        if committed.wait_for(|committed| *committed >= epoch).await.is_err() {
            return Ok(None);
        }
        Ok(Some(self.dataset.segment(epoch).await?))
    }

    /// Keeps the world model trained up to `epoch`. One that comes again, or late, changes nothing.
    ///
    /// # Errors
    /// If it is damaged or somebody else's, or speaks of an epoch that is not committed yet, or the storage fails.
    pub fn take_world_model(&self, epoch: u32, model: &[u8]) -> Result<Held, LearnerError> {
        let trained = Trained::of(model)?;
        let (wanted, found) =
            ((&self.config.uid, self.config.repetition, epoch), (&trained.uid, trained.repetition, trained.epoch));
        if found != wanted {
            let sentence = format!("the world model is of (uid, repetition, epoch) {found:?}, expected {wanted:?}");
            return Err(LearnerError::Refused(sentence));
        }
        if epoch > *self.committed.borrow() {
            return Err(LearnerError::Refused(format!(
                "epoch {epoch} is not committed: nothing can have learned of it"
            )));
        }
        let mut progress = self.progress();
        if epoch > progress.world_model {
            self.storage.save_world_model(epoch, model)?;
            progress.world_model = epoch;
            self.changed.notify_all();
        }
        Ok(Held { newest: progress.world_model })
    }

    fn state_of(&self, progress: &Progress) -> LearnerState {
        let learned: u64 = progress.learned.iter().map(|epoch| epoch.env_steps).sum();
        let gathered = progress.gathering.as_ref().map(|gathering| gathering.spool.gathered());
        LearnerState {
            repetition: self.config.repetition,
            phase: progress.phase,
            epochs_learned: progress.learned.len() as u32,
            policy_version: self.published.borrow().version,
            gathering: progress.gathering.as_ref().map(Gathering::state),
            epochs: progress.learned.iter().map(|epoch| epoch.summary.clone()).collect(),
            env_steps_trained: learned + gathered.map_or(0, |gathered| env_steps(&gathered.trajectories())),
            doing: progress.doing.clone(),
            fault: progress.fault.clone().or_else(|| progress.unstored.clone()),
            publication: progress.publication.clone(),
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        // A panic elsewhere leaves no half-made change behind: every field is replaced whole.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Epochs that the policy as it stands has learned from.
fn policy_epochs(learned: &[LearnedEpoch]) -> u32 {
    learned.iter().filter(|epoch| !epoch.final_evaluation).count() as u32
}
