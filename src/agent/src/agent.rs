//! One trajectory as the servers share it: session, pilot, newest policy, and how far the record is safe.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Client;
use tokio::sync::watch;
use tokio::time::timeout;
use wire::agent::{Acknowledgement, AgentConfig};
use wire::client::ClientError;
use wire::learner::{Checkpoints, History, Steps};
use wire::trainer::{StepAnswer, StepReport, TrajectoryInfo};

use crate::figures::Figures;
use crate::pilot::{Pilot, Published};
use crate::report::{Metrics, Refusal};
use crate::session::{Next, Session};
use crate::trainer_page::TrainerPage;

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
    /// Where metrics are read that the trainer does not report.
    page: Option<TrainerPage>,
    /// Speaks to the policy learner.
    learner: Client,
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
        learner: Client,
        page: Option<TrainerPage>,
    ) -> Result<Arc<Self>, prometheus::Error> {
        let session = Session::new(config, index, attempt);
        let figures = Figures::new(config, session.key())?;
        Ok(Arc::new(Self {
            config,
            pilot: Pilot::new(config, index, session.seed()).into(),
            session: Mutex::new(session),
            policies,
            acknowledged: watch::Sender::new(Acknowledgement { next_step: 0, ended: false }),
            figures,
            page,
            learner,
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

    /// The same to a trainer that keeps checkpoints, of these env steps: it goes on after the latest of them that the learner
    /// knows of, unless this attempt has begun already.
    ///
    /// # Errors
    /// If the learner, who knows what earlier attempts reported, is out of reach. It may be asked again.
    pub async fn take_up(&self, checkpoints: &[u32]) -> Result<TrajectoryInfo, ClientError> {
        let mut pilot = self.pilot.lock().await;
        if !self.session().observed().is_empty() {
            return Ok(self.info());
        }
        let History { steps, elapsed_seconds } = match self.history(checkpoints).await {
            // With nothing to take up, only the clock would have been learned.
            Err(_) if checkpoints.is_empty() => return Ok(self.info()),
            asked => asked?,
        };
        let (next_step, key) = (steps.len(), self.session().key());
        let newest = if steps.is_empty() { None } else { self.policy().await };
        let recipe = newest.as_ref().and_then(|newest| newest.policy.recipe(key.index));
        let carried_on = self.session().carry_on(steps, elapsed_seconds, recipe);
        match carried_on {
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the trajectory starts over");
            }
            Ok(()) if next_step > 0 => {
                tracing::info!(next_step, "carries on what earlier attempts reported");
                newest.and_then(|newest| pilot.adopt(&newest));
            }
            Ok(()) => {}
        }
        Ok(self.info())
    }

    async fn history(&self, checkpoints: &[u32]) -> Result<History, ClientError> {
        let key = self.session().key();
        let checkpoints = checkpoints.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let wanted = Checkpoints { epoch: key.epoch, index: key.index, checkpoints };
        wire::client::history(&self.learner, &self.config.learner, &wanted).await
    }

    /// The newest policy; the first one is waited for as long as the experiment says.
    async fn policy(&self) -> Option<Published<'static>> {
        let mut policies = self.policies.clone();
        // Neither running out of time nor a closed channel matters: what is there afterwards counts.
        let _ = timeout(self.policy_wait, policies.wait_for(Option::is_some)).await;
        self.policies.borrow().clone()
    }

    /// Takes a report and decides. If the caller goes away meanwhile, repeating the report gets the answer.
    pub async fn report(&self, report: StepReport) -> Result<StepAnswer, Refusal> {
        let mut pilot = self.pilot.lock().await;
        let elapsed = self.started.elapsed().as_secs_f64();
        let shown = self.shown(&report).await?;
        if let Next::Answer(answer) = self.session().report(report, &shown, elapsed)? {
            return Ok(answer);
        }
        let first = self.session().observed().len() == 1;
        let newest = if first && !pilot.has_policy() { self.policy().await } else { self.policies.borrow().clone() };
        let began = Instant::now();
        let mut session = self.session();
        let choice = pilot.choose(session.observed(), newest.as_ref());
        let answer = session.decide(choice);
        self.figures.decided(began.elapsed());
        Ok(answer)
    }

    /// What a report leaves to the trainer's own page. Nothing of one that is not due: the page has moved on from what was asked
    /// then.
    async fn shown(&self, report: &StepReport) -> Result<Metrics, Refusal> {
        match self.page.as_ref().filter(|_| self.session().awaits(report)) {
            Some(page) => page.missing(&report.metrics).await,
            None => Ok(Metrics::new()),
        }
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

    /// Brings what is not safe yet to the learner: one try.
    ///
    /// # Errors
    /// If it was not taken.
    pub async fn deliver(&self, rest: &Steps) -> Result<(), ClientError> {
        let stored = wire::client::deliver(&self.learner, &self.config.learner, rest).await?;
        self.acknowledge(Acknowledgement { next_step: stored.next_step, ended: stored.ended });
        Ok(())
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
