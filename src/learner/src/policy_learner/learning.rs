//! The learning thread: each epoch, once it is complete, is committed, learned from, published and recorded, in this order.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tuning::Trajectory;
use wire::learner::LearnerPhase;
use wire::sentence;

use super::course::course;
use super::publish::{hand_out, publication, publish};
use super::strategy::{Learned, Lesson, Strategy};
use super::summary::{env_steps, simulated_excess, summary};
use super::{LearnedEpoch, Learner, policy_epochs};
use crate::LearnerError;

/// Pause before a commit that failed (disk full, storage away) is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// An epoch of which every index has an outcome.
struct Complete {
    epoch: u32,
    trajectories: Vec<Trajectory>,
}

impl Learner {
    /// Learns every epoch as it becomes complete; returns when the final evaluation is stored. Blocks its thread.
    ///
    /// # Errors
    /// If learning can't go on at all: [`Learner::fail`] is then what is left to do.
    pub fn learn_all(&self, mut strategy: Strategy, runtime: &Handle) -> Result<(), LearnerError> {
        let mut known = self.known(&strategy, runtime)?;
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

    /// Trajectories of earlier experiments, and of all epochs that are learned; none for a strategy that does not remember.
    ///
    /// # Errors
    /// If there are none where there should be, or they are of another task, or a segment can't be read.
    pub fn known(&self, strategy: &Strategy, runtime: &Handle) -> Result<Vec<Trajectory>, LearnerError> {
        if !strategy.remembers() {
            return Ok(Vec::new());
        }
        let mut known = runtime.block_on(crate::initial_data(&self.config))?;
        if !strategy.branches() {
            // Simulated trainings begin as real ones did: more than that is for the world model.
            known.iter_mut().for_each(|trajectory| trajectory.steps.truncate(1));
        }
        let learned = policy_epochs(&self.progress().learned);
        for epoch in 1..=learned {
            known.extend(runtime.block_on(self.dataset.read_epoch(epoch))?.trajectories);
        }
        Ok(known)
    }

    /// Says that learning can't go on; the process stays up to be asked why.
    pub fn fail(&self, error: &dyn std::error::Error) {
        let sentence = sentence(error);
        tracing::error!(error = sentence, "learning stopped");
        let mut progress = self.progress();
        progress.phase = LearnerPhase::Failed;
        progress.fault = Some(sentence);
    }

    fn wait_until_complete(&self) -> Complete {
        let progress = self.progress();
        let incomplete = |progress: &mut super::Progress| {
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
        if !final_evaluation {
            self.committed.send_if_modified(|newest| std::mem::replace(newest, epoch) != epoch);
        }
        let learning = Instant::now();
        let mut gave = Learned::default();
        if !final_evaluation && strategy.learns() {
            gave = self.learn_or_refuse(epoch, known, count, strategy)?;
            let seconds = [("gathering", gathered), ("committing", committed), ("learning", learning.elapsed())];
            gave.figures
                .extend(self.excess(strategy, trajectories).map(|excess| ("simulated_excess".to_owned(), excess)));
            gave.figures.extend(seconds.map(|(name, time)| (format!("seconds_{name}"), time.as_secs_f64())));
            self.insist(|| self.storage.save_checkpoint(epoch, &strategy.save()));
        }
        let version = self.published.borrow().version;
        let summary = summary(&self.config.problem, epoch, trajectories, version);
        let env_steps = env_steps(trajectories);
        let rows = trajectories.iter().map(|trajectory| trajectory.steps.len() as u64).sum();
        let Learned { figures, forecasts } = gave;
        let course = course(&self.config.problem, trajectories);
        let learned = LearnedEpoch { final_evaluation, summary, env_steps, rows, figures, forecasts, course };
        self.close(learned, strategy, runtime);
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
        let world_model = || self.wait_for_world_model(epoch);
        let problem = &self.config.problem;
        let lesson = Lesson { epoch, problem, known, gathered: count, tell: &tell, world_model: &world_model };
        let learned = strategy.learn(&lesson);
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

    /// By how much the epoch before was too good in simulation: branches end elsewhere than real trainings do.
    fn excess(&self, strategy: &Strategy, trajectories: &[Trajectory]) -> Option<f64> {
        let progress = self.progress();
        let simulated = progress.learned.last()?.figures.get("simulated_objective").filter(|_| !strategy.branches())?;
        simulated_excess(&self.config.problem, *simulated, trajectories)
    }

    /// The world model trained up to `epoch`, as soon as it is here.
    fn wait_for_world_model(&self, epoch: u32) -> Result<Vec<u8>, LearnerError> {
        let progress = self.progress();
        let missing = |progress: &mut super::Progress| progress.world_model < epoch;
        drop(self.changed.wait_while(progress, missing).unwrap_or_else(PoisonError::into_inner));
        let kept = self.storage.load_world_model(epoch)?;
        kept.ok_or_else(|| LearnerError::Refused(format!("the world model of epoch {epoch} is gone")))
    }

    /// Publishes what was learned, hands out the last of it, and commits the epoch, in this order: a version is never told
    /// before it is kept, and never lost once it is told.
    fn close(&self, learned: LearnedEpoch, strategy: &Strategy, runtime: &Handle) {
        let mut all = self.progress().learned.clone();
        all.push(learned.clone());
        let mut published = self.published.borrow().clone();
        if learned.final_evaluation {
            self.insist(|| runtime.block_on(hand_out(&self.config, &published)));
        } else {
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
        progress.publication = learned.final_evaluation.then(|| publication(&self.config, &published)).flatten();
        progress.unstored = None;
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
}
