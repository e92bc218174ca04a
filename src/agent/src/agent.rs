//! One trajectory as the servers share it: session, pilot, newest policy, and how far the record is safe.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;
use wire::agent::{Acknowledgement, AgentConfig};
use wire::learner::Steps;
use wire::trainer::{StepAnswer, StepReport, TrajectoryInfo};

use crate::figures::Figures;
use crate::pilot::{Pilot, Published};
use crate::report::Refusal;
use crate::session::{Next, Session};

/// Receives the newest policy; none until the first one has come.
pub type Policies = watch::Receiver<Option<Published<'static>>>;

/// One trajectory, shared by the servers.
#[derive(Debug)]
pub struct Agent {
    config: &'static AgentConfig,
    /// Locked for moments only, so that scraping goes on while a decision waits for a policy.
    session: Mutex<Session<'static>>,
    /// Locked for the whole of a report: reports are taken one after the other.
    pilot: tokio::sync::Mutex<Pilot<'static>>,
    policies: Policies,
    acknowledged: watch::Sender<Acknowledgement>,
    figures: Figures,
    policy_wait: Duration,
    started: Instant,
}

impl Agent {
    /// The agent of the trajectory `index`, at its `attempt` (from 0), which starts now.
    pub fn new(
        config: &'static AgentConfig,
        index: u32,
        attempt: u32,
        policies: Policies,
    ) -> Result<Arc<Self>, prometheus::Error> {
        let session = Session::new(config, index, attempt);
        let figures = Figures::new(config, session.export(0).key)?;
        Ok(Arc::new(Self {
            config,
            pilot: Pilot::new(config, index, session.seed()).into(),
            session: Mutex::new(session),
            policies,
            acknowledged: watch::Sender::new(Acknowledgement { next_step: 0, ended: false }),
            figures,
            policy_wait: Duration::try_from_secs_f64(config.policy_wait_seconds).unwrap_or_default(),
            started: Instant::now(),
        }))
    }

    /// What the experiment is.
    pub fn config(&self) -> &'static AgentConfig {
        self.config
    }

    /// What the trainer is told at its start.
    pub fn info(&self) -> TrajectoryInfo {
        self.session().info()
    }

    /// Takes a report and decides. If the caller goes away meanwhile, repeating the report gets the answer.
    pub async fn report(&self, report: StepReport) -> Result<StepAnswer, Refusal> {
        let mut pilot = self.pilot.lock().await;
        let elapsed = self.started.elapsed().as_secs_f64();
        if let Next::Answer(answer) = self.session().report(report, elapsed)? {
            return Ok(answer);
        }
        let first = self.session().observed().len() == 1;
        if first && !pilot.has_policy() {
            let mut policies = self.policies.clone();
            // Neither running out of time nor a closed channel matters: what is there afterwards counts.
            let _ = timeout(self.policy_wait, policies.wait_for(Option::is_some)).await;
        }
        let began = Instant::now();
        let newest = self.policies.borrow().clone();
        let mut session = self.session();
        let choice = pilot.choose(session.observed(), newest.as_ref());
        let answer = session.decide(choice);
        self.figures.decided(began.elapsed());
        Ok(answer)
    }

    /// The record from step `from` on.
    pub fn export(&self, from: u32) -> Steps {
        self.session().export(from)
    }

    /// The Prometheus text for people.
    pub fn metrics(&self) -> Result<String, prometheus::Error> {
        let newest = self.policies.borrow().as_ref().map_or(0, |newest| newest.version);
        self.figures.text(&self.session(), newest)
    }

    /// Takes note of how far the record is safe; word of less than is known changes nothing.
    pub fn acknowledge(&self, news: Acknowledgement) {
        self.acknowledged.send_modify(|known| {
            known.next_step = known.next_step.max(news.next_step);
            known.ended |= news.ended;
        });
    }

    /// What is not safe yet: nothing if it all is.
    pub fn unacknowledged(&self) -> Option<Steps> {
        let safe = *self.acknowledged.borrow();
        let rest = self.export(safe.next_step);
        (!rest.steps.is_empty() || (rest.outcome.is_some() && !safe.ended)).then_some(rest)
    }

    /// Comes back once everything recorded so far is safe.
    pub async fn settled(&self) {
        self.acknowledged_when(|agent, _| agent.unacknowledged().is_none()).await;
    }

    /// Comes back once the trajectory has ended and its end is safe.
    pub async fn finished(&self) {
        self.acknowledged_when(|agent, safe| safe.ended && agent.session().outcome().is_some()).await;
    }

    async fn acknowledged_when(&self, holds: impl Fn(&Self, Acknowledgement) -> bool) {
        let mut acknowledged = self.acknowledged.subscribe();
        loop {
            let safe = *acknowledged.borrow_and_update();
            if holds(self, safe) || acknowledged.changed().await.is_err() {
                return;
            }
        }
    }

    /// No code panics half-way through a change of the session, so a poisoned lock guards sound data.
    fn session(&self) -> MutexGuard<'_, Session<'static>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
