//! The policy learner of one repetition: an epoch is ordered, its steps are stored, it is learned, a policy is published.
//!
//! Steps, orders and world models come in over the network at any time; learning runs on one thread of its own
//! (`learning.rs`), which alone touches the networks. Between the two stands the gathering, behind a mutex that is never
//! held while anything is learned.

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
use dataset::{Dataset, Record, Spool};
use learn::Trained;
use tokio::sync::watch;
use wire::forecast::ForecastScores;
use wire::learner::{EpochOrder, EpochState, LearnerPhase, LearnerState, Steps, Stored};
use wire::settings::LearnerConfig;
use wire::world_model::Held;

use crate::{LearnerError, identity, sentence};
pub use publish::Published;
use publish::publish;
pub use storage::{LearnedEpoch, Storage};
pub use strategy::{Learned, Lesson, Strategy};
use summary::env_steps;

/// The policy learner of one repetition. All methods may be called from any thread.
pub struct Learner {
    config: LearnerConfig,
    storage: Storage,
    dataset: Dataset,
    progress: Mutex<Progress>,
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
    /// Why what was sent last could not be stored; none once something was.
    unstored: Option<String>,
}

/// The epoch being gathered.
struct Gathering {
    epoch: u32,
    spool: Spool,
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
        let dataset = Dataset::open(&storage.root().to_string_lossy(), identity(&config))?;
        let learned = storage.load_learned()?;
        let epoch = policy_epochs(&learned);
        if strategy.learns() {
            match storage.load_checkpoint(epoch)? {
                Some(bytes) => strategy.restore(&bytes)?,
                None if epoch == 0 => storage.save_checkpoint(0, &strategy.save())?,
                None => return Err(missing(&storage, epoch)),
            }
        }
        let published = publish(&config, &storage, &strategy, epoch, &learned)?;
        let world_model = storage.newest_world_model();
        let (phase, gathering, doing, fault, unstored) = (LearnerPhase::Idle, None, None, None, None);
        let progress = Progress { phase, gathering, learned, world_model, doing, fault, unstored };
        let learner = Self {
            config,
            storage,
            dataset,
            progress: Mutex::new(progress),
            changed: Condvar::new(),
            published: watch::Sender::new(published),
            committed: watch::Sender::new(epoch),
        };
        Ok((Arc::new(learner), strategy))
    }

    /// Takes an epoch's order; repeating it changes nothing.
    ///
    /// # Errors
    /// If the epoch is not the next one, or its size differs from what was ordered before.
    pub fn order(&self, order: &EpochOrder) -> Result<LearnerState, LearnerError> {
        let mut progress = self.progress();
        let next = progress.learned.len() as u32 + 1;
        if order.epoch > next {
            let sentence = format!("epoch {} was ordered, but epoch {next} is the next one to be learned", order.epoch);
            return Err(LearnerError::Refused(sentence));
        }
        if order.epoch == next {
            if progress.gathering.is_none() {
                let opened = self.open_epoch(order).inspect_err(|error| progress.unstored = Some(sentence(error)));
                progress.gathering = Some(opened?);
                progress.phase = LearnerPhase::Gathering;
            }
            let record = dataset::Order { trajectories: order.trajectories, lost: order.lost.clone() };
            progress.keep(Record::Order(record))?;
            self.changed.notify_all();
        }
        Ok(self.state_of(&progress))
    }

    fn open_epoch(&self, order: &EpochOrder) -> Result<Gathering, LearnerError> {
        let (problem, root) = (self.config.problem.clone(), self.storage.root());
        let spool = Spool::open(root, problem, self.config.repetition, order.epoch)?;
        Ok(Gathering { epoch: order.epoch, spool })
    }

    /// Stores steps durably; repeating them changes nothing.
    ///
    /// # Errors
    /// If the epoch has no order yet, the steps contradict what is stored, or the storage fails.
    pub fn store(&self, steps: Steps) -> Result<Stored, LearnerError> {
        let mut progress = self.progress();
        if steps.key.repetition != self.config.repetition {
            let sentence = format!("this is repetition {}, not {}", self.config.repetition, steps.key.repetition);
            return Err(LearnerError::Refused(sentence));
        }
        if steps.key.epoch as usize <= progress.learned.len() {
            // The epoch is closed: nothing more is wanted of this attempt, which may well be a superseded one.
            return Ok(Stored { next_step: steps.steps.last().map_or(0, |step| step.step + 1), ended: true });
        }
        let key = steps.key;
        if progress.gathering.as_ref().is_none_or(|gathering| gathering.epoch != key.epoch) {
            return Err(LearnerError::Refused(format!("epoch {} has not been ordered yet", key.epoch)));
        }
        let gathered = progress.keep(Record::Steps(steps))?.progress(&key);
        self.changed.notify_all();
        Ok(Stored { next_step: gathered.next_step, ended: gathered.ended })
    }

    /// Where learning stands.
    pub fn state(&self) -> LearnerState {
        self.state_of(&self.progress())
    }

    /// Rows committed to the dataset.
    pub fn rows(&self) -> u64 {
        self.progress().learned.iter().map(|epoch| epoch.rows).sum()
    }

    /// Figures of the last learned epoch.
    pub fn figures(&self) -> BTreeMap<String, f64> {
        self.progress().learned.last().map(|epoch| epoch.figures.clone()).unwrap_or_default()
    }

    /// How good the forecasts of the last learned epoch's world model are, where there is one.
    pub fn forecasts(&self) -> Option<ForecastScores> {
        self.progress().learned.iter().rev().find_map(|epoch| epoch.forecasts.clone())
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
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        // A panic elsewhere leaves no half-made change behind: every field is replaced whole.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    /// Stores one record of the epoch being gathered, to the disk first.
    fn keep(&mut self, record: Record) -> Result<&dataset::Gathered, LearnerError> {
        let Some(gathering) = &mut self.gathering else {
            return Err(LearnerError::Refused("no epoch is being gathered".to_owned()));
        };
        let stored = gathering.spool.store(&[record]).map_err(LearnerError::from);
        match &stored {
            Err(error) => self.unstored = Some(sentence(error)),
            // What is no news is not written, and says nothing about the disk.
            Ok(verdicts) if verdicts.iter().any(|verdict| matches!(verdict, Ok(true))) => self.unstored = None,
            Ok(_) => {}
        }
        stored?.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(gathering.spool.gathered())
    }
}

impl Gathering {
    fn state(&self) -> EpochState {
        let gathered = self.spool.gathered();
        let counts = gathered.counts();
        EpochState {
            epoch: self.epoch,
            trajectories: gathered.ordered().unwrap_or_default(),
            completed: counts.completed,
            diverged: counts.diverged,
            lost: counts.lost,
            ended: gathered.ended(),
        }
    }
}

/// Epochs that the policy as it stands has learned from.
fn policy_epochs(learned: &[LearnedEpoch]) -> u32 {
    learned.iter().filter(|epoch| !epoch.final_evaluation).count() as u32
}

fn missing(storage: &Storage, epoch: u32) -> LearnerError {
    let path = storage.checkpoint(epoch);
    LearnerError::Storage { path, source: std::io::ErrorKind::NotFound.into() }
}
