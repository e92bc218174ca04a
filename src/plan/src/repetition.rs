//! What one repetition wants, and why. Each property is checked by itself: it never matters what was done before.

use wire::learner::{EpochOrder, LearnerPhase, LearnerState};
use wire::settings::Algorithm;

use crate::references::References;
use crate::share::Claim;
use crate::{BatchObserved, LearnerObserved, Reason, RepetitionObserved, Valid};

/// What one repetition wants.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) repetition: u32,
    pub(crate) reason: Reason,
    /// Whether its learners should run.
    pub(crate) learner: bool,
    /// Epochs to learn from; the one after them is the final evaluation.
    pub(crate) epochs: u32,
    /// Epochs that are over.
    pub(crate) over: u32,
    /// The batch that should exist.
    pub(crate) batch: Option<BatchWish>,
    /// What its learner should be told.
    pub(crate) order: Option<EpochOrder>,
    pub(crate) observed: RepetitionObserved,
}

/// A batch that should exist.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchWish {
    pub(crate) epoch: u32,
    pub(crate) trajectories: u32,
    pub(crate) claim: Claim,
}

impl Wish {
    /// What repetition `repetition` wants.
    pub(crate) fn of(valid: &Valid<'_>, repetition: u32) -> Self {
        let observed = valid.observed_of(repetition);
        let previous = valid.previous_of(repetition);
        let started = observed.batches.iter().map(|batch| batch.epoch.saturating_sub(1)).max();
        let known = previous.map_or(0, |status| status.epochs_over).max(started.unwrap_or(0));
        let epochs = decided_epochs(valid, repetition, &observed);
        let wish = Self {
            repetition,
            reason: Reason::WaitingForLearner,
            learner: true,
            epochs,
            over: known,
            batch: None,
            order: None,
            observed,
        };
        if known > epochs {
            return wish.over(valid);
        }
        if valid.spec.suspend {
            return Self { learner: false, reason: Reason::Suspended, ..wish.keeping(valid) };
        }
        if let References::Missing(name) = &valid.references {
            return Self { learner: false, reason: Reason::WaitingForPolicy(name.clone()), ..wish };
        }
        if let Some(status) = previous.filter(|status| status.phase == api::RepetitionPhase::Failed) {
            return wish.failed(Reason::failed(&status.reason, &status.message));
        }
        let learner = wish.observed.learner.clone();
        let (failure, state) = learner.map_or((None, None), |LearnerObserved { state, failure, .. }| (failure, state));
        match (failure, state) {
            (Some(failure), _) => wish.failed(Reason::LearnerFailed(failure)),
            (None, None) => wish.keeping(valid),
            (None, Some(state)) if state.phase == LearnerPhase::Failed => wish
                .failed(Reason::LearnerFailed(state.fault.unwrap_or_else(|| "the policy learner failed".to_owned()))),
            (None, Some(state)) if state.epochs_learned < known => {
                let reason = Reason::StaleObservation { said: state.epochs_learned, known };
                Self { reason, ..wish.keeping(valid) }
            }
            (None, Some(state)) => wish.going_on(valid, &state),
        }
    }

    /// All that was asked for is done.
    fn over(self, valid: &Valid<'_>) -> Self {
        let early = self.epochs < valid.epochs();
        let reason = if early { Reason::BudgetExhausted { epochs: self.epochs } } else { Reason::Complete };
        Self { reason, learner: false, ..self }
    }

    /// Nothing can go on, so nothing holds a device.
    fn failed(self, reason: Reason) -> Self {
        Self { reason, learner: false, ..self }
    }

    /// Nothing is started and nothing that may still be of use is taken away.
    fn keeping(self, valid: &Valid<'_>) -> Self {
        let next = self.over + 1;
        let trajectories = valid.size(next, self.epochs);
        let existing = self.observed.batches.iter().find(|batch| batch.epoch == next);
        let batch = existing.map(|batch| BatchWish { epoch: next, trajectories, claim: claim(batch, trajectories) });
        Self { batch, ..self }
    }

    /// Slots that batches which are not wanted any more hold until their last attempt is gone.
    pub(crate) fn leaving(&self, valid: &Valid<'_>) -> Claim {
        let wanted = self.batch.map(|batch| batch.epoch);
        let unwanted = self.observed.batches.iter().filter(|batch| Some(batch.epoch) != wanted);
        let held = |batch: &BatchObserved| claim(batch, valid.size(batch.epoch, self.epochs)).held();
        Claim { granted: 0, running: self.observed.leaving + unwanted.map(held).sum::<u32>(), remaining: 0 }
    }

    /// Whether there is something left that a world model is to be trained on.
    pub(crate) fn wants_world_model(&self, valid: &Valid<'_>) -> bool {
        self.learner && self.over < self.epochs && matches!(valid.algorithm, Algorithm::Simple(_))
    }

    /// Why its world-model learner can't go on, if it can't.
    fn world_model_failure(&self) -> Option<String> {
        let observed = self.observed.world_model.as_ref()?;
        let failed = observed.state.as_ref().filter(|state| state.failed);
        let said =
            failed.map(|state| state.fault.clone().unwrap_or_else(|| "the world-model learner failed".to_owned()));
        observed.failure.clone().or(said)
    }

    /// The learner answers: the epoch after those that are over is gathered.
    fn going_on(mut self, valid: &Valid<'_>, state: &LearnerState) -> Self {
        self.over = state.epochs_learned;
        if self.over > self.epochs {
            return self.over(valid);
        }
        if let Some(failure) = self.world_model_failure().filter(|_| self.wants_world_model(valid)) {
            return self.failed(Reason::LearnerFailed(failure));
        }
        let epoch = self.over + 1;
        let begun = self.observed.batches.iter().any(|batch| batch.epoch == epoch)
            || state.gathering.as_ref().is_some_and(|gathering| gathering.epoch == epoch);
        if epoch <= self.epochs && !begun && valid.spent(epoch) {
            self.epochs = self.over;
        }
        if self.observed.learner.as_ref().is_some_and(|learner| learner.epochs != self.epochs) {
            // Its orders would mean something else to it: it is replaced first.
            self.reason = Reason::StoppingEarly { epochs: self.epochs };
            return self.keeping(valid);
        }
        self.gathering(valid, state, epoch)
    }

    fn gathering(mut self, valid: &Valid<'_>, state: &LearnerState, epoch: u32) -> Self {
        let trajectories = valid.size(epoch, self.epochs);
        let gathering = state.gathering.as_ref().filter(|gathering| gathering.epoch == epoch);
        let outcomes = gathering.map_or(&[][..], |gathering| &gathering.ended);
        let batch = self.observed.batches.iter().find(|batch| batch.epoch == epoch);
        let failed = batch.map_or(&[][..], |batch| &batch.failed);
        let untold = failed.iter().filter(|index| !outcomes.contains(index)).count();
        // They need not fail at once: the learner may have been told of the others before.
        if let Some(gathering) = gathering
            && gathering.completed + gathering.diverged == 0
            && untold > 0
            && outcomes.len() + untold == trajectories as usize
        {
            let cause = batch.and_then(|batch| batch.failure.clone()).unwrap_or_else(|| "no cause is known".to_owned());
            let name = if epoch > self.epochs { "the final evaluation".to_owned() } else { format!("epoch {epoch}") };
            return self.failed(Reason::EpochLost(format!("no trajectory of {name} came to an end: {cause}")));
        }
        if gathering.is_none() || untold > 0 {
            // A learner that was started anew first says which outcomes it has, so that nothing is given up that it holds.
            let mut lost = if gathering.is_some() { failed.to_vec() } else { Vec::new() };
            lost.sort_unstable();
            self.order = Some(EpochOrder { epoch, trajectories, lost });
        }
        let claim = match batch {
            Some(batch) => claim(batch, trajectories),
            None => Claim { granted: 0, running: 0, remaining: trajectories.saturating_sub(outcomes.len() as u32) },
        };
        if batch.is_some() || claim.remaining > 0 {
            self.batch = Some(BatchWish { epoch, trajectories, claim });
        }
        let world_model =
            self.observed.world_model.as_ref().and_then(|observed| observed.state.as_ref()?.fault.clone());
        let queue = batch.filter(|batch| batch.running == 0).and_then(|batch| batch.waits_in.clone());
        self.reason = match (state.fault.clone().or(world_model), queue) {
            (Some(fault), _) => Reason::LearnerFault(fault),
            (None, Some(queue)) => Reason::Queued { epoch, final_evaluation: epoch > self.epochs, queue },
            (None, None) => reason(state, epoch, self.epochs, outcomes.len() as u32, trajectories),
        };
        self
    }
}

/// Epochs to learn from: fewer than the spec's where a budget was used up, which is never taken back, since a final
/// evaluation may have begun.
fn decided_epochs(valid: &Valid<'_>, repetition: u32, observed: &RepetitionObserved) -> u32 {
    let by_learner = observed.learner.as_ref().map(|learner| learner.epochs);
    let by_batch = observed.batches.iter().filter(|batch| batch.final_evaluation).map(|batch| batch.epoch - 1).min();
    let by_status = valid.previous_of(repetition).map(|status| status.epochs);
    let decided = [by_learner, by_batch, by_status].into_iter().flatten().min();
    decided.unwrap_or(u32::MAX).min(valid.epochs())
}

fn claim(batch: &BatchObserved, trajectories: u32) -> Claim {
    let over = batch.ended.len() + batch.failed.iter().filter(|index| !batch.ended.contains(index)).count();
    let remaining = trajectories.saturating_sub(over as u32);
    Claim { granted: batch.parallelism, running: batch.running, remaining }
}

fn reason(state: &LearnerState, epoch: u32, epochs: u32, ended: u32, trajectories: u32) -> Reason {
    match state.phase {
        LearnerPhase::Learning if epoch <= epochs => Reason::Learning { epoch },
        _ if epoch > epochs => Reason::Evaluating { ended, trajectories },
        _ => Reason::Gathering { epoch, ended, trajectories },
    }
}
