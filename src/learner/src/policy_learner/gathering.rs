//! The epoch being gathered: orders and steps, each stored before it is answered for.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{MutexGuard, PoisonError};

use dataset::{Record, Spool};
use wire::learner::{Checkpoints, EpochOrder, EpochState, History, LearnerPhase, LearnerState, Steps, Stored};
use wire::sentence;

use super::{Learner, Progress};
use crate::LearnerError;

/// The epoch being gathered.
pub(super) struct Gathering {
    pub(super) epoch: u32,
    pub(super) spool: Spool,
}

/// Steps that are not stored yet, and who waits for that.
pub(super) struct Waiting {
    steps: Steps,
    tell: SyncSender<Result<Stored, LearnerError>>,
}

impl Learner {
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
            progress.keep(&[Record::Order(record)])?.into_iter().collect::<Result<Vec<_>, _>>()?;
            self.changed.notify_all();
        }
        Ok(self.state_of(&progress))
    }

    fn open_epoch(&self, order: &EpochOrder) -> Result<Gathering, LearnerError> {
        let (problem, journal) = (self.config.problem.clone(), self.storage.journal(order.epoch)?);
        let spool = Spool::open(journal, problem, self.config.repetition, order.epoch)?;
        Ok(Gathering { epoch: order.epoch, spool })
    }

    /// Stores steps durably; repeating them changes nothing. Whoever comes first stores for all who wait by then: a store far
    /// away takes one write a time, however many trajectories run.
    ///
    /// # Errors
    /// If the epoch has no order yet, the steps contradict what is stored, or the storage fails.
    pub fn store(&self, steps: Steps) -> Result<Stored, LearnerError> {
        if steps.key.repetition != self.config.repetition {
            let sentence = format!("this is repetition {}, not {}", self.config.repetition, steps.key.repetition);
            return Err(LearnerError::Refused(sentence));
        }
        let (tell, told) = sync_channel(1);
        self.waiting().push(Waiting { steps, tell });
        let mut progress = self.progress();
        if let Ok(answer) = told.try_recv() {
            return answer;
        }
        let waiting = std::mem::take(&mut *self.waiting());
        progress.store(waiting);
        self.changed.notify_all();
        told.recv().unwrap_or_else(|_| Err(LearnerError::Unstored("the steps were dropped".to_owned())))
    }

    /// Where a trajectory of the epoch being gathered can be taken up again.
    ///
    /// # Errors
    /// If the checkpoints are no numbers, or another epoch is being gathered.
    pub fn history(&self, wanted: &Checkpoints) -> Result<History, LearnerError> {
        let checkpoints = Checkpoints::steps(&wanted.checkpoints)
            .map_err(|found| LearnerError::Refused(format!("checkpoints: {found:?}, expected env steps")))?;
        let progress = self.progress();
        let Some(gathering) = progress.gathering.as_ref().filter(|gathering| gathering.epoch == wanted.epoch) else {
            return Err(LearnerError::Refused(format!("epoch {} is not being gathered", wanted.epoch)));
        };
        Ok(gathering.spool.gathered().history(wanted.index, &checkpoints))
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        // Pushed and taken whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    /// Stores all that is waited for, and says so.
    fn store(&mut self, waiting: Vec<Waiting>) {
        let (mut records, mut told) = (Vec::new(), Vec::new());
        for Waiting { steps, tell } in waiting {
            match self.answer(&steps) {
                // Nobody may be there to hear it any more.
                Some(answer) => drop(tell.send(answer)),
                None => {
                    told.push((steps.key, tell));
                    records.push(Record::Steps(steps));
                }
            }
        }
        if records.is_empty() {
            return;
        }
        let stored = self.keep(&records).map_err(|error| sentence(&error));
        for (place, (key, tell)) in told.into_iter().enumerate() {
            let progress = || self.gathering.as_ref().map(|gathering| gathering.spool.gathered().progress(&key));
            let answer = match stored.as_ref().map(|verdicts| verdicts[place].clone()) {
                Ok(Ok(_)) => {
                    let progress = progress().unwrap_or_default();
                    Ok(Stored { next_step: progress.next_step, ended: progress.ended })
                }
                Ok(Err(contradiction)) => Err(contradiction.into()),
                Err(sentence) => Err(LearnerError::Unstored(sentence.clone())),
            };
            drop(tell.send(answer));
        }
    }

    /// What is to be said of steps that need not, or can't, be stored.
    fn answer(&self, steps: &Steps) -> Option<Result<Stored, LearnerError>> {
        let epoch = steps.key.epoch;
        if epoch as usize <= self.learned.len() {
            // The epoch is closed: nothing more is wanted of this attempt, which may well be a superseded one.
            return Some(Ok(Stored { next_step: steps.steps.last().map_or(0, |step| step.step + 1), ended: true }));
        }
        let unknown = self.gathering.as_ref().is_none_or(|gathering| gathering.epoch != epoch);
        unknown.then(|| Err(LearnerError::Refused(format!("epoch {epoch} has not been ordered yet"))))
    }

    /// Stores records of the epoch being gathered; gives whether each was news, or why it is refused. That it can't is a fault
    /// that is told until it can.
    fn keep(&mut self, records: &[Record]) -> Result<Vec<Result<bool, dataset::GatherError>>, LearnerError> {
        let Some(gathering) = &mut self.gathering else {
            return Err(LearnerError::Refused("no epoch is being gathered".to_owned()));
        };
        let stored = gathering.spool.store(records).map_err(LearnerError::from);
        match &stored {
            Err(error) => self.unstored = Some(sentence(error)),
            // What is no news is not written, and says nothing about the storage.
            Ok(verdicts) if verdicts.iter().any(|verdict| matches!(verdict, Ok(true))) => self.unstored = None,
            Ok(_) => {}
        }
        stored
    }
}

impl Gathering {
    pub(super) fn state(&self) -> EpochState {
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
