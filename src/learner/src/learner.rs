//! The learner's life: an epoch is ordered, its steps are stored, it is learned, a policy is published.
//!
//! Steps and orders come in over the network at any time; learning runs on one thread of its own, which alone touches
//! the networks. Between the two stands the gathering, behind a mutex that is never held while anything is learned.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dataset::{Dataset, Record, Spool};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tuning::Trajectory;
use wire::learner::{EpochOrder, EpochState, ForecastScores, LearnerPhase, LearnerState, Steps, Stored};
use wire::settings::LearnerConfig;

use crate::publish::{Published, publish};
use crate::summary::{env_steps, summary};
use crate::{Learned, LearnedEpoch, LearnerError, Storage, Strategy};

/// Pause before a commit that failed (disk full, storage away) is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// The policy learner of one repetition. All methods may be called from any thread.
pub struct Learner {
    config: LearnerConfig,
    storage: Storage,
    dataset: Dataset,
    progress: Mutex<Progress>,
    /// Signals that the gathering may be complete.
    changed: Condvar,
    published: watch::Sender<Published>,
}

/// What network and learning thread share.
struct Progress {
    phase: LearnerPhase,
    gathering: Option<Gathering>,
    learned: Vec<LearnedEpoch>,
    /// What learning is about at the moment.
    doing: Option<String>,
    fault: Option<String>,
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
        let progress = Progress { phase: LearnerPhase::Idle, gathering: None, learned, doing: None, fault: None };
        let learner = Self {
            config,
            storage,
            dataset,
            progress: Mutex::new(progress),
            changed: Condvar::new(),
            published: watch::Sender::new(published),
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
                progress.gathering = Some(self.open_epoch(order)?);
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

    /// Learns every epoch as it becomes complete; returns when the final evaluation is stored. Blocks its thread.
    pub fn learn_all(&self, mut strategy: Strategy, runtime: &Handle) -> Result<(), LearnerError> {
        let mut known = if strategy.remembers() { self.committed(runtime)? } else { Vec::new() };
        while self.progress().learned.len() as u32 <= self.config.epochs {
            let waiting = Instant::now();
            let Complete { epoch, trajectories } = self.wait_until_complete();
            let gathered = waiting.elapsed();
            if !strategy.remembers() {
                known.clear();
            }
            let count = trajectories.len();
            known.extend(trajectories);
            self.learn(epoch, &known, count, gathered, &mut strategy, runtime)?;
        }
        Ok(())
    }

    /// Trajectories of all epochs that are learned.
    fn committed(&self, runtime: &Handle) -> Result<Vec<Trajectory>, LearnerError> {
        let learned = policy_epochs(&self.progress().learned);
        let mut known = Vec::new();
        for epoch in 1..=learned {
            known.extend(runtime.block_on(self.dataset.read_epoch(epoch))?.trajectories);
        }
        Ok(known)
    }

    /// Says that learning can't go on; the process stays up to be asked why.
    pub fn fail(&self, error: &LearnerError) {
        let sentence = sentence(error);
        tracing::error!(error = sentence, "learning stopped");
        let mut progress = self.progress();
        progress.phase = LearnerPhase::Failed;
        progress.fault = Some(sentence);
    }

    fn wait_until_complete(&self) -> Complete {
        let progress = self.progress();
        let incomplete = |progress: &mut Progress| {
            !progress.gathering.as_ref().is_some_and(|gathering| gathering.spool.gathered().is_complete())
        };
        let mut progress = self.changed.wait_while(progress, incomplete).unwrap_or_else(PoisonError::into_inner);
        progress.phase = LearnerPhase::Learning;
        let gathering = progress.gathering.as_ref().expect("the wait ended because it is complete");
        let trajectories = gathering.spool.gathered().trajectories();
        Complete { epoch: gathering.epoch, trajectories }
    }

    fn learn(
        &self,
        epoch: u32,
        known: &[Trajectory],
        count: usize,
        gathered: Duration,
        strategy: &mut Strategy,
        runtime: &Handle,
    ) -> Result<(), LearnerError> {
        let trajectories = &known[known.len() - count..];
        let final_evaluation = epoch > self.config.epochs;
        let committing = Instant::now();
        self.insist(|| Ok(runtime.block_on(self.dataset.commit(epoch, final_evaluation, trajectories)).map(drop)?));
        let committed = committing.elapsed();
        let learning = Instant::now();
        let mut gave = Learned::default();
        if !final_evaluation && strategy.learns() {
            gave = self.learn_or_refuse(epoch, known, count, strategy)?;
            let seconds = [("gathering", gathered), ("committing", committed), ("learning", learning.elapsed())];
            gave.figures.extend(seconds.map(|(name, time)| (format!("seconds_{name}"), time.as_secs_f64())));
            self.insist(|| self.storage.save_checkpoint(epoch, &strategy.save()));
        }
        let version = self.published.borrow().version;
        let summary = summary(&self.config.problem, epoch, trajectories, version);
        let env_steps = env_steps(trajectories);
        let rows = trajectories.iter().map(|trajectory| trajectory.steps.len() as u64).sum();
        let Learned { figures, forecasts } = gave;
        self.close(LearnedEpoch { final_evaluation, summary, env_steps, rows, figures, forecasts }, strategy);
        Ok(())
    }

    /// Learns; numbers that are not finite leave the policy as it was, which is recorded as `refused`.
    fn learn_or_refuse(
        &self,
        epoch: u32,
        known: &[Trajectory],
        count: usize,
        strategy: &mut Strategy,
    ) -> Result<Learned, LearnerError> {
        let before = strategy.save();
        let tell = |doing| self.progress().doing = Some(doing);
        let learned = strategy.learn(epoch, &self.config.problem, known, count, &tell);
        self.progress().doing = None;
        match learned {
            Ok(learned) => Ok(learned),
            Err(LearnerError::Learn(error)) => {
                tracing::error!(epoch, %error, "learning failed: the policy stays as it was");
                strategy.restore(&before)?;
                Ok(BTreeMap::from([("refused".to_owned(), 1.0)]).into())
            }
            Err(error) => Err(error),
        }
    }

    /// Publishes what was learned and commits the epoch, in this order: a version is never told before it is kept, and
    /// never lost once it is told.
    fn close(&self, learned: LearnedEpoch, strategy: &Strategy) {
        let mut all = self.progress().learned.clone();
        all.push(learned.clone());
        let mut published = self.published.borrow().clone();
        if !learned.final_evaluation {
            self.insist(|| {
                published = publish(&self.config, &self.storage, strategy, policy_epochs(&all), &all)?;
                Ok(())
            });
        }
        self.insist(|| self.storage.save_learned(&learned));
        let mut progress = self.progress();
        if let Some(gathering) = progress.gathering.take()
            && let Err(error) = gathering.spool.remove()
        {
            // The epoch is committed: a journal left behind is never read again.
            tracing::warn!(error = sentence(&error), "the journal stays");
        }
        progress.learned = all;
        progress.phase = LearnerPhase::Idle;
        drop(progress);
        tracing::info!(
            epoch = learned.summary.epoch,
            mean = learned.summary.mean,
            version = published.version,
            "learned"
        );
        self.published.send_if_modified(|current| {
            let newer = published.version > current.version;
            if newer {
                *current = published;
            }
            newer
        });
    }

    /// Does something to the storage until it succeeds: what is learned must not be lost to a full disk. The fault is
    /// told in the state meanwhile.
    fn insist(&self, mut attempt: impl FnMut() -> Result<(), LearnerError>) {
        while let Err(error) = attempt() {
            let sentence = sentence(&error);
            tracing::error!(error = sentence, "storage fails, trying again");
            self.progress().fault = Some(sentence);
            std::thread::sleep(RETRY);
        }
        self.progress().fault = None;
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
            fault: progress.fault.clone(),
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
        gathering.spool.store(&[record])?.into_iter().collect::<Result<Vec<_>, _>>()?;
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

/// An epoch of which every index has an outcome.
struct Complete {
    epoch: u32,
    trajectories: Vec<Trajectory>,
}

/// Epochs that the policy as it stands has learned from.
fn policy_epochs(learned: &[LearnedEpoch]) -> u32 {
    learned.iter().filter(|epoch| !epoch.final_evaluation).count() as u32
}

fn identity(config: &LearnerConfig) -> dataset::Identity {
    dataset::Identity {
        experiment: config.experiment.clone(),
        uid: config.uid.clone(),
        repetition: config.repetition,
        problem: config.problem.clone(),
    }
}

fn missing(storage: &Storage, epoch: u32) -> LearnerError {
    let path = storage.checkpoint(epoch);
    LearnerError::Storage { path, source: std::io::ErrorKind::NotFound.into() }
}

/// An error and all its causes in one line.
pub(crate) fn sentence(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
