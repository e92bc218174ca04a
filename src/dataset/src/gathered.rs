//! The epoch being gathered, in memory.
//!
//! Everything told of it is merged as into a set, so that neither order nor repetition of what arrives matters.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use tuning::{History, Outcome, Problem, Step, Trajectory, TrajectoryKey};

use crate::record::{Order, Record, RecordError, Steps, check};

/// All that is known of an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Gathered {
    problem: Problem,
    repetition: u32,
    epoch: u32,
    /// None until there was an order.
    trajectories: Option<u32>,
    /// Indices given up on.
    lost: BTreeSet<u32>,
    /// By index and attempt.
    attempts: BTreeMap<(u32, u32), Attempt>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attempt {
    seed: u32,
    task: String,
    /// May have gaps, where something overtook what stood before it.
    steps: BTreeMap<u32, Step>,
    outcome: Option<Outcome>,
}

/// What a record may change, as it was before.
#[derive(Debug)]
pub(crate) enum Before {
    Order { trajectories: Option<u32>, lost: BTreeSet<u32> },
    Attempt { place: (u32, u32), attempt: Option<Attempt> },
}

/// How far an attempt is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Steps known without a gap: the next one wanted has this number.
    pub next_step: u32,
    /// Whether everything is known, the outcome included.
    pub ended: bool,
}

/// Indices of an epoch by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Trained to the end.
    pub completed: u32,
    /// Diverged.
    pub diverged: u32,
    /// Given up on.
    pub lost: u32,
}

/// Why a record can't be merged. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatherError {
    /// It is of another repetition or epoch.
    #[error("{key:?} is not of repetition {repetition}, epoch {epoch}")]
    Elsewhere {
        /// What it is of.
        key: TrajectoryKey,
        /// Repetition gathered.
        repetition: u32,
        /// Epoch gathered.
        epoch: u32,
    },
    /// It is of an index that the epoch does not have.
    #[error("index {index} is outside the epoch's {trajectories} trajectories")]
    Index {
        /// The index.
        index: u32,
        /// Trajectories of the epoch.
        trajectories: u32,
    },
    /// It does not fit the problem.
    #[error(transparent)]
    Unfit(#[from] RecordError),
    /// It contradicts what is known.
    #[error("{key:?} was told before with another {what}")]
    Conflict {
        /// Which attempt.
        key: TrajectoryKey,
        /// `seed or task`, `step N` or `outcome`.
        what: String,
    },
}

impl Gathered {
    /// Nothing known yet of `epoch` of `repetition`.
    pub fn new(problem: Problem, repetition: u32, epoch: u32) -> Self {
        Self { problem, repetition, epoch, trajectories: None, lost: BTreeSet::new(), attempts: BTreeMap::new() }
    }

    /// Takes in what `record` tells; gives whether any of it is news.
    pub fn merge(&mut self, record: &Record) -> Result<bool, GatherError> {
        match record {
            Record::Order(order) => self.merge_order(order),
            Record::Steps(steps) => self.merge_steps(steps),
        }
    }

    /// What merging `record` may change, to [go back](Self::go_back) to.
    pub(crate) fn before(&self, record: &Record) -> Before {
        match record {
            Record::Order(_) => Before::Order { trajectories: self.trajectories, lost: self.lost.clone() },
            Record::Steps(steps) => {
                let place = (steps.key.index, steps.key.attempt);
                Before::Attempt { place, attempt: self.attempts.get(&place).cloned() }
            }
        }
    }

    /// Undoes the merge before which this was taken.
    pub(crate) fn go_back(&mut self, before: Before) {
        match before {
            Before::Order { trajectories, lost } => (self.trajectories, self.lost) = (trajectories, lost),
            Before::Attempt { place, attempt: Some(attempt) } => drop(self.attempts.insert(place, attempt)),
            Before::Attempt { place, attempt: None } => drop(self.attempts.remove(&place)),
        }
    }

    /// Trajectories of the epoch; none before an order came.
    pub fn ordered(&self) -> Option<u32> {
        self.trajectories
    }

    /// How far the attempt `key` is known.
    pub fn progress(&self, key: &TrajectoryKey) -> Progress {
        let here = key.repetition == self.repetition && key.epoch == self.epoch;
        let attempt = self.attempts.get(&(key.index, key.attempt)).filter(|_| here);
        attempt.map_or_else(Progress::default, |attempt| attempt.progress(&self.problem))
    }

    /// Outcome of `index`, once it has one: that of the first attempt that came to an end, else lost if given up on.
    pub fn outcome(&self, index: u32) -> Option<Outcome> {
        let lost = self.lost.contains(&index).then_some(Outcome::Lost);
        self.winner(index).map(|(_, outcome)| outcome).or(lost)
    }

    /// What is known up to the latest of the `checkpoints` (env steps, those reported and decided on) that any attempt at
    /// `index` came to.
    ///
    /// Where several did, a checkpoint is of the one that came to it last, as clocks go on from attempt to attempt.
    pub fn history(&self, index: u32, checkpoints: &[u32]) -> History {
        let attempts = || self.attempts_of(index).map(|(_, attempt)| attempt);
        let last = attempts().filter_map(|attempt| attempt.steps.last_key_value());
        let elapsed_seconds = last.map(|(_, step)| step.elapsed_seconds).fold(0.0, f64::max);
        let decided = |attempt: &&Attempt, step: u32| {
            attempt.next_step() > step && attempt.steps.get(&step).is_some_and(|step| step.decision.is_some())
        };
        let came = |attempt: &Attempt, step| attempt.steps.get(&step).map_or(0.0, |step: &Step| step.elapsed_seconds);
        let latest = |step: u32| {
            let those = attempts().filter(|attempt| decided(attempt, step));
            those.max_by(|a, b| came(a, step).total_cmp(&came(b, step))).map(|attempt| (step, attempt))
        };
        let mut checkpoints = checkpoints.to_vec();
        checkpoints.sort_unstable();
        let found = checkpoints.into_iter().rev().find_map(latest);
        let steps = found.map(|(step, attempt)| attempt.steps.range(..=step).map(|(_, step)| step.clone()).collect());
        History { steps: steps.unwrap_or_default(), elapsed_seconds }
    }

    /// Indices that have an outcome, ascending.
    pub fn ended(&self) -> Vec<u32> {
        self.indices().filter(|index| self.outcome(*index).is_some()).collect()
    }

    /// Indices by outcome.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for outcome in self.indices().filter_map(|index| self.outcome(index)) {
            match outcome {
                Outcome::Completed => counts.completed += 1,
                Outcome::Diverged => counts.diverged += 1,
                Outcome::Lost => counts.lost += 1,
            }
        }
        counts
    }

    /// Whether every index has an outcome.
    pub fn is_complete(&self) -> bool {
        self.trajectories.is_some() && self.indices().all(|index| self.outcome(index).is_some())
    }

    /// Everything, as it is committed: sorted by index and attempt. Attempts other than the one that counts are lost; what
    /// one of them has in common with an attempt that carried it on is kept with that one only.
    ///
    /// A lost index of which nothing was ever told becomes one attempt 0 without steps, with seed 0 and no task.
    pub fn trajectories(&self) -> Vec<Trajectory> {
        let untold = self.indices().filter(|index| self.attempts_of(*index).next().is_none());
        let untold = untold.map(|index| self.trajectory(index, 0, &Attempt::new(0, String::new()), Outcome::Lost, 0));
        let indices: BTreeSet<u32> = self.attempts.keys().map(|(index, _)| *index).collect();
        let told = indices.into_iter().flat_map(|index| self.tried(index));
        let mut all: Vec<Trajectory> = told.chain(untold).collect();
        all.sort_by_key(|trajectory| trajectory.key);
        all
    }

    /// All attempts at `index`, each from where it parted from those before: first the one that counts, then the longest.
    fn tried(&self, index: u32) -> Vec<Trajectory> {
        let winner = self.winner(index);
        let outcome = |number| winner.filter(|(winner, _)| *winner == number).map(|(_, outcome)| outcome);
        let mut attempts: Vec<(u32, &Attempt)> = self.attempts_of(index).collect();
        attempts.sort_by_key(|(number, attempt)| (outcome(*number).is_none(), Reverse(attempt.next_step()), *number));
        let parted = |place: usize| {
            let common = |(_, before): &(u32, &Attempt)| attempts[place].1.in_common(before);
            attempts[..place].iter().map(common).max().unwrap_or_default()
        };
        let all = attempts.iter().enumerate().map(|(place, (number, attempt))| {
            let outcome = outcome(*number).unwrap_or(Outcome::Lost);
            self.trajectory(index, *number, attempt, outcome, parted(place))
        });
        all.collect()
    }

    /// An attempt's steps from `from` on, up to the first gap.
    fn trajectory(&self, index: u32, number: u32, attempt: &Attempt, outcome: Outcome, from: usize) -> Trajectory {
        let key = TrajectoryKey { repetition: self.repetition, epoch: self.epoch, index, attempt: number };
        let steps = attempt.steps.values().zip(0..).take_while(|(step, number)| step.step == *number);
        Trajectory {
            key,
            seed: attempt.seed,
            task: attempt.task.clone(),
            outcome: Some(outcome),
            steps: steps.skip(from).map(|(step, _)| step.clone()).collect(),
        }
    }

    fn indices(&self) -> impl Iterator<Item = u32> + use<> {
        0..self.trajectories.unwrap_or(0)
    }

    fn attempts_of(&self, index: u32) -> impl Iterator<Item = (u32, &Attempt)> {
        self.attempts.range((index, 0)..=(index, u32::MAX)).map(|((_, number), attempt)| (*number, attempt))
    }

    /// The attempt that counts. Going by its number and not by when it ended makes the order of arrival irrelevant.
    fn winner(&self, index: u32) -> Option<(u32, Outcome)> {
        let ended = self.attempts_of(index).filter(|(_, attempt)| attempt.progress(&self.problem).ended);
        let mut outcomes = ended.filter_map(|(number, attempt)| Some((number, attempt.outcome?)));
        outcomes.find(|(_, outcome)| *outcome != Outcome::Lost)
    }

    fn merge_order(&mut self, order: &Order) -> Result<bool, GatherError> {
        let trajectories = self.trajectories.unwrap_or(0).max(order.trajectories);
        if let Some(&index) = order.lost.iter().find(|index| **index >= trajectories) {
            return Err(GatherError::Index { index, trajectories });
        }
        let known = self.lost.len();
        self.lost.extend(&order.lost);
        let before = self.trajectories.replace(trajectories);
        Ok(before != self.trajectories || known != self.lost.len())
    }

    fn merge_steps(&mut self, told: &Steps) -> Result<bool, GatherError> {
        let key = told.key;
        if (key.repetition, key.epoch) != (self.repetition, self.epoch) {
            return Err(GatherError::Elsewhere { key, repetition: self.repetition, epoch: self.epoch });
        }
        if let Some(trajectories) = self.trajectories.filter(|trajectories| key.index >= *trajectories) {
            return Err(GatherError::Index { index: key.index, trajectories });
        }
        check(&self.problem, key, &told.steps)?;
        let place = (key.index, key.attempt);
        let attempt = self.attempts.get(&place);
        if let Some(what) = attempt.and_then(|attempt| attempt.contradiction(told)) {
            return Err(GatherError::Conflict { key, what });
        }
        let new = attempt.is_none();
        let attempt = self.attempts.entry(place).or_insert_with(|| Attempt::new(told.seed, told.task.clone()));
        Ok(attempt.extend(told) || new)
    }
}

impl Attempt {
    fn new(seed: u32, task: String) -> Self {
        Self { seed, task, steps: BTreeMap::new(), outcome: None }
    }

    fn progress(&self, problem: &Problem) -> Progress {
        let next_step = self.next_step();
        let whole = next_step as usize == self.steps.len();
        let ended = match self.outcome {
            Some(Outcome::Completed) => next_step == problem.env_steps + 1,
            Some(Outcome::Diverged | Outcome::Lost) => whole,
            None => false,
        };
        Progress { next_step, ended }
    }

    fn next_step(&self) -> u32 {
        let last = self.steps.last_key_value().map_or(0, |(step, _)| step + 1);
        // Without a gap, which is nearly always, there is nothing to search.
        if last as usize == self.steps.len() {
            return last;
        }
        self.steps.keys().zip(0..).take_while(|(step, number)| *step == number).count() as u32
    }

    /// Steps from the first on that are the same in both, to the last bit of their clocks: one carried the other on.
    fn in_common(&self, other: &Self) -> usize {
        self.steps.values().zip(other.steps.values()).take_while(|(mine, others)| mine == others).count()
    }

    /// What `told` contradicts, if anything. That an attempt was lost is only a belief: better news corrects it.
    fn contradiction(&self, told: &Steps) -> Option<String> {
        if (self.seed, &self.task) != (told.seed, &told.task) {
            return Some("seed or task".to_owned());
        }
        let known = |step: &&Step| self.steps.get(&step.step).is_some_and(|known| known != *step);
        if let Some(step) = told.steps.iter().find(known) {
            return Some(format!("step {}", step.step));
        }
        let real = |outcome: Option<Outcome>| outcome.filter(|outcome| *outcome != Outcome::Lost);
        match (real(self.outcome), real(told.outcome)) {
            (Some(known), Some(other)) if known != other => Some("outcome".to_owned()),
            _ => None,
        }
    }

    fn extend(&mut self, told: &Steps) -> bool {
        let (steps, outcome) = (self.steps.len(), self.outcome);
        for step in &told.steps {
            self.steps.entry(step.step).or_insert_with(|| step.clone());
        }
        if matches!(self.outcome, None | Some(Outcome::Lost)) {
            self.outcome = told.outcome.or(self.outcome);
        }
        steps != self.steps.len() || outcome != self.outcome
    }
}
