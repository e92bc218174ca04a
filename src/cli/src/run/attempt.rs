//! One attempt at one trajectory: an agent, a trainer beside it, and the gatherer that empties the agent.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gather::{Gatherer, Target};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tuning::{Outcome, TrajectoryKey};
use wire::agent::Announcement;

use super::process::{Process, describe};
use super::trainer::TrainerCommand;

/// Between two looks at a running trajectory; its end is noticed at once.
const GATHER_EVERY: Duration = Duration::from_millis(1000);
/// Between two tries to empty an agent whose trainer has ended.
const RETRY: Duration = Duration::from_millis(200);
/// How long the learner may be away before a finished attempt is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long an agent may take to listen, and a process to end when asked.
const GRACE: Duration = Duration::from_secs(10);

/// What an attempt is made of.
pub(super) struct Attempt {
    pub(super) key: TrajectoryKey,
    /// Where its logs go.
    pub(super) folder: PathBuf,
    /// The agent's program, its config and its certificates.
    pub(super) agent: PathBuf,
    pub(super) config: PathBuf,
    pub(super) tls: PathBuf,
    pub(super) trainer: TrainerCommand,
    /// Whether the trainer shows metrics of its own.
    pub(super) page: bool,
    pub(super) deadline: Duration,
    pub(super) gatherer: Arc<Gatherer>,
    /// Becomes true when the attempt is to end early.
    pub(super) stop: watch::Receiver<bool>,
}

/// Why an attempt has no outcome.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was told to stop; this says nothing about the trainer.
    Stopped,
    /// It went wrong, as the sentence says.
    Failed(String),
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self::Failed(sentence)
    }
}

impl Attempt {
    /// Runs it to its end: how the trajectory ended, or why the attempt has no outcome.
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let metrics_port = if self.page { Some(free_port()?) } else { None };
        let mut agent = self.start_agent(metrics_port)?;
        let bytes = agent.announcement(&self.announce(), GRACE).await?;
        let Announcement { trainer_url, address } =
            serde_json::from_slice(&bytes).map_err(|error| format!("the agent's announcement: {error}"))?;
        let target = Target { key: self.key, address };
        let mut trainer = self.trainer.start(&trainer_url, metrics_port, &self.folder.join("trainer.log"))?;
        let outcome = self.accompany(&mut agent, &mut trainer, &target).await;
        trainer.stop(GRACE).await;
        if outcome.is_err() {
            // What was reported up to here still counts as trained.
            let _ = self.gatherer.gather(&target).await;
        }
        // An agent that is emptied ends by itself; one whose trainer failed would wait for more.
        agent.stop(GRACE).await;
        outcome
    }

    fn announce(&self) -> PathBuf {
        self.folder.join("announce.json")
    }

    fn start_agent(&self, metrics_port: Option<u16>) -> Result<Process, String> {
        let path = |path: &Path| path.as_os_str().to_owned();
        let started = Process::start("agent", &self.agent, &self.folder.join("agent.log"), |command| {
            command.arg("run").arg("--config").arg(path(&self.config)).arg("--tls").arg(path(&self.tls));
            command.arg("--index").arg(self.key.index.to_string()).arg("--attempt").arg(self.key.attempt.to_string());
            command.arg("--announce").arg(self.announce());
            command.args(metrics_port.map(|port| format!("--metrics-port={port}")));
        });
        started.map_err(|error| format!("the agent did not start: {error}"))
    }

    /// Gathers now and then until trajectory and trainer have ended.
    async fn accompany(&self, agent: &mut Process, trainer: &mut Process, target: &Target) -> Result<Outcome, Failure> {
        let mut stop = self.stop.clone();
        let deadline = sleep_until(Instant::now() + self.deadline);
        tokio::pin!(deadline);
        let mut ticks = interval(GATHER_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        let mut outcome = None;
        loop {
            tokio::select! {
                status = trainer.wait() => match outcome {
                    Some(outcome) => return Ok(outcome),
                    None => return Ok(self.empty(agent, target, &status).await?),
                },
                status = agent.wait(), if outcome.is_none() => {
                    return Err(format!("the agent ended early: {}", describe(&status)).into());
                }
                () = &mut deadline => {
                    let late = format!("the trainer did not end within {} s", self.deadline.as_secs());
                    return outcome.ok_or(Failure::Failed(late));
                }
                () = told(&mut stop) => return outcome.ok_or(Failure::Stopped),
                _ = ticks.tick(), if outcome.is_none() => match self.gatherer.gather(target).await {
                    Ok(progress) => {
                        // The trainer may still have something to save.
                        outcome = progress.outcome;
                    }
                    Err(error) => tracing::debug!(key = ?self.key, %error, "not gathered this time"),
                },
            }
        }
    }

    /// Fetches the rest once the trainer has ended.
    async fn empty(
        &self,
        agent: &mut Process,
        target: &Target,
        status: &std::io::Result<std::process::ExitStatus>,
    ) -> Result<Outcome, String> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.gatherer.gather(target).await {
                Ok(progress) => {
                    let early = || {
                        let steps = progress.next_step.saturating_sub(1);
                        format!("the trainer ended after {steps} env steps: {}", describe(status))
                    };
                    return progress.outcome.ok_or_else(early);
                }
                // What it held is lost with it: waiting brings nothing back.
                Err(error) if !agent.running() => {
                    return Err(format!("the agent ended before it was emptied: {error}"));
                }
                Err(error) if Instant::now() > until => return Err(format!("not gathered: {error}")),
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    }
}

/// A port that nobody listens at. Somebody else may take it before the trainer does: then it fails, and is tried again.
fn free_port() -> Result<u16, String> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    bound.map(|address| address.port()).map_err(|error| format!("no port for the trainer's page: {error}"))
}

/// Waits until the attempt is told to stop; forever if nobody is left to tell.
async fn told(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
