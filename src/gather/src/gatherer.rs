//! Scrape, forward, acknowledge.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use futures::stream;
use reqwest::Client;
use tracing::debug;
use tuning::{Problem, TrajectoryKey};
use wire::agent::Acknowledgement;
use wire::client::{acknowledge, deliver, trajectory_page};
use wire::exposition::{Limits, parse};
use wire::http::{Timeouts, client};
use wire::learner::Steps;
use wire::tls::{Identity, Role, TlsError};

use crate::cursor::Cursor;
use crate::{Counters, GatherError, Newest, Progress};

/// What a gatherer works with.
#[derive(Clone, Debug)]
pub struct GatherConfig {
    /// Whom agents and learners see: the operator of the experiment.
    pub identity: Identity,
    /// What is tuned; what does not fit it is refused.
    pub problem: Problem,
    /// What a page may hold.
    pub limits: Limits,
    /// Agents scraped at once.
    pub concurrency: usize,
    /// What each hop may take: scrape, delivery, acknowledgement.
    pub timeouts: Timeouts,
}

impl GatherConfig {
    /// The usual bounds: pages of 4 MiB, 32 agents at once, 1 s to connect and 5 s for each hop.
    pub fn new(identity: Identity, problem: Problem) -> Self {
        Self { identity, problem, limits: Limits::default(), concurrency: 32, timeouts: Timeouts::REQUEST }
    }
}

/// An attempt, and where its agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which attempt.
    pub key: TrajectoryKey,
    /// Its agent, `HOST:PORT`.
    pub address: String,
}

/// Gathers the attempts of one experiment.
pub struct Gatherer {
    config: GatherConfig,
    agents: Client,
    to_learners: Client,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    learners: HashMap<u32, String>,
    cursors: HashMap<TrajectoryKey, Cursor>,
    counters: Counters,
}

impl Gatherer {
    /// A gatherer that knows of no learner yet.
    pub fn new(config: GatherConfig) -> Result<Self, TlsError> {
        let agents = client(&config.identity, Role::Agent, config.timeouts)?;
        let to_learners = client(&config.identity, Role::Learner, config.timeouts)?;
        Ok(Self { config, agents, to_learners, state: Mutex::default() })
    }

    /// Says where (`HOST:PORT`) the policy learner of `repetition` is, now or again.
    pub fn set_learner(&self, repetition: u32, address: String) {
        self.state().learners.insert(repetition, address);
    }

    /// Forgets the attempts that are not `wanted` any more.
    pub fn retain(&self, wanted: impl Fn(&TrajectoryKey) -> bool) {
        self.state().cursors.retain(|key, _| wanted(key));
    }

    /// What was gathered so far, in figures.
    pub fn counters(&self) -> Counters {
        self.state().counters.clone()
    }

    /// The newest step of each attempt that goes on.
    pub fn newest(&self) -> Vec<Newest> {
        self.state().cursors.iter().filter_map(|(key, cursor)| cursor.newest(*key)).collect()
    }

    /// Gathers what is new of every target; each answer comes with its key, in no particular order.
    ///
    /// Targets whose last try failed come last, so that those that hang cannot hold up the others.
    pub async fn sweep(&self, targets: &[Target]) -> Vec<(TrajectoryKey, Result<Progress, GatherError>)> {
        let mut order: Vec<&Target> = targets.iter().collect();
        {
            let state = self.state();
            order.sort_by_key(|target| state.cursors.get(&target.key).is_some_and(|cursor| cursor.failing));
        }
        // Made before they are streamed: a closure that makes them would not be known to be Send.
        let gathered: Vec<_> = order.into_iter().map(|target| self.gather_by_key(target)).collect();
        stream::iter(gathered).buffer_unordered(self.config.concurrency.max(1)).collect().await
    }

    async fn gather_by_key(&self, target: &Target) -> (TrajectoryKey, Result<Progress, GatherError>) {
        (target.key, self.gather(target).await)
    }

    /// Gathers what is new of one target: its page goes to the learner, and what the learner has of it to the agent.
    ///
    /// May be repeated and interrupted at will. An agent that can't be told is no error, as all that it said is stored;
    /// it is told the next time. Once it knows that its trajectory has ended, nobody is asked any more.
    pub async fn gather(&self, target: &Target) -> Result<Progress, GatherError> {
        let mut cursor = self.state().cursors.get(&target.key).cloned().unwrap_or_default();
        if cursor.progress.acknowledged {
            return Ok(cursor.progress);
        }
        let done = self.advance(target, &mut cursor).await;
        let failed = done.as_ref().map_or_else(|error| Some(error.cause()), |told| (!told).then_some("acknowledge"));
        cursor.failing = failed.is_some();
        let progress = cursor.progress.clone();
        let mut state = self.state();
        state.cursors.insert(target.key, cursor);
        if let Some(cause) = failed {
            let TrajectoryKey { repetition, epoch, index, attempt } = target.key;
            debug!(repetition, epoch, index, attempt, address = target.address, cause, "not gathered");
            *state.counters.failures.entry(cause).or_default() += 1;
        }
        done.map(|_| progress)
    }

    /// Whether the agent knows where its trajectory stands.
    async fn advance(&self, target: &Target, cursor: &mut Cursor) -> Result<bool, GatherError> {
        if !cursor.progress.ended {
            let mut steps = self.scrape(target, cursor.from()).await?;
            cursor.compare(&mut steps)?;
            if steps.steps.is_empty() && steps.outcome.is_none() {
                return Ok(true);
            }
            let learner = self.learner(target.key.repetition)?;
            let stored = deliver(&self.to_learners, &learner, &steps).await.map_err(GatherError::Deliver)?;
            self.state().counters.steps += steps.steps.len() as u64;
            cursor.stored(steps, &stored, &self.config.problem);
        }
        let Progress { next_step, ended, .. } = cursor.progress;
        let told = acknowledge(&self.agents, &target.address, &Acknowledgement { next_step, ended }).await.is_ok();
        cursor.progress.acknowledged = ended && told;
        Ok(told)
    }

    async fn scrape(&self, target: &Target, from: u32) -> Result<Steps, GatherError> {
        self.state().counters.scrapes += 1;
        let GatherConfig { problem, limits, .. } = &self.config;
        let page = trajectory_page(&self.agents, &target.address, from, limits.bytes).await;
        let page = page.map_err(GatherError::Scrape)?;
        self.state().counters.bytes += page.len() as u64;
        let steps = parse(&page, problem, limits).map_err(GatherError::Page)?;
        if steps.key != target.key {
            return Err(GatherError::Key { expected: target.key, found: steps.key });
        }
        Ok(steps)
    }

    fn learner(&self, repetition: u32) -> Result<String, GatherError> {
        let learner = self.state().learners.get(&repetition).cloned();
        learner.ok_or(GatherError::NoLearner { repetition })
    }

    /// The state, never held across an await. A panic elsewhere leaves it whole: each change is one assignment.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
