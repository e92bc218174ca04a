//! How the parts are run together, and when the program ends.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tuning::ProblemError;
use wire::agent::{AgentConfig, Announcement};
use wire::http::{Listener, Peer, Timeouts};
use wire::tls::{Identity, Role, TlsError};

use crate::agent::Agent;
use crate::trainer_page::{PageError, TrainerPage};
use crate::{cluster_server, learner_link, trainer_server};

/// How long answers that are under way at the end may still take.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// What differs between agents of one batch.
#[derive(Clone, Debug)]
pub struct Place {
    /// Index of the trajectory within its epoch.
    pub index: u32,
    /// Try at that index, from 0.
    pub attempt: u32,
    /// Where the trainer is listened to; should be on loopback.
    pub trainer_listen: SocketAddr,
    /// Path below which the trainer's endpoint lives; empty or beginning with a slash. Random if there is none.
    pub trainer_path: Option<String>,
    /// Where our other programs are listened to.
    pub listen: SocketAddr,
    /// File that is written once everything is ready.
    pub announce: Option<PathBuf>,
    /// Port on loopback at which the trainer shows metrics of its own.
    pub metrics_port: Option<u16>,
    /// Time between being told to stop and being killed.
    pub grace: Duration,
    /// Whether it stays until it is told to stop, even if its trajectory is over and safe: something else would start it
    /// again.
    pub sidecar: bool,
}

/// Why an agent could not start or end as it should.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// The experiment makes no sense.
    #[error("the experiment's problem cannot be worked on")]
    Problem(#[from] ProblemError),
    /// A field of the configuration is out of bounds.
    #[error("{field} is {found}, expected {expected}")]
    Field {
        /// Its name.
        field: &'static str,
        /// Its value.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// The identity can't be used.
    #[error("the identity cannot be used")]
    Tls(#[from] TlsError),
    /// An address can't be listened at.
    #[error("could not listen at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The announcement could not be written.
    #[error("could not write {path}")]
    Announce {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Signals can't be heard.
    #[error("could not listen to signals")]
    Signals(#[source] io::Error),
    /// The system gives no random numbers.
    #[error("no random numbers")]
    Random,
    /// The figures contradict each other.
    #[error("could not set up the figures")]
    Figures(#[from] prometheus::Error),
    /// The trainer's own page can't be read.
    #[error("no metrics from the trainer's page")]
    Page(#[from] PageError),
    /// Time ran out before everything was safe.
    #[error("stopped with {0} steps that nobody has stored")]
    Undelivered(usize),
}

/// Runs the agent until its trajectory is over and safe, or until it is told to stop.
pub async fn run(config: &'static AgentConfig, identity: &Identity, place: &Place) -> Result<(), LifeError> {
    check(config, identity)?;
    let mut stop = Stop::listen().map_err(LifeError::Signals)?;
    let learner = wire::http::client(identity, Role::Learner, Timeouts::REQUEST)?;
    let stream = wire::http::client(identity, Role::Learner, Timeouts::STREAM)?;
    let (sender, policies) = watch::channel(None);
    let page = config.page.as_ref().map(|page| TrainerPage::new(page, place.metrics_port)).transpose()?;
    let agent = Agent::new(config, place.index, place.attempt, policies, learner, page)?;
    let servers = serve(&agent, identity, place).await?;
    let link = learner_link::follow(stream, &config.learner, &config.problem, sender);
    let end = async {
        tokio::select! {
            () = agent.finished(), if !place.sidecar => Ok(()),
            () = stop.told() => hand_over(&agent, place.grace).await,
        }
    };
    let ended = tokio::select! {
        ended = end => ended,
        never = link => match never {},
    };
    servers.close().await;
    ended
}

fn check(config: &AgentConfig, identity: &Identity) -> Result<(), LifeError> {
    config.problem.check()?;
    let refuse =
        |field, found: String, expected: &str| LifeError::Field { field, found, expected: expected.to_owned() };
    if identity.role() != Role::Agent || identity.uid() != config.uid {
        return Err(refuse("identity", identity.role().name(identity.uid()), &Role::Agent.name(&config.uid)));
    }
    if config.epoch == 0 {
        return Err(refuse("epoch", "0".to_owned(), "1 or more"));
    }
    if Duration::try_from_secs_f64(config.policy_wait_seconds).is_err() {
        return Err(refuse("policyWaitSeconds", config.policy_wait_seconds.to_string(), "seconds, 0 or more"));
    }
    Ok(())
}

/// Both servers, running.
struct Servers {
    tasks: JoinSet<()>,
    closing: watch::Sender<bool>,
}

impl Servers {
    /// Takes nothing new and lets answers that are under way out.
    async fn close(mut self) {
        self.closing.send_replace(true);
        let _ = timeout(LAST_ANSWERS, async { while self.tasks.join_next().await.is_some() {} }).await;
    }
}

/// Starts both servers and says where they are.
async fn serve(agent: &Arc<Agent>, identity: &Identity, place: &Place) -> Result<Servers, LifeError> {
    let (trainer, trainer_address) = bind(place.trainer_listen).await?;
    let (cluster, address) = bind(place.listen).await?;
    let cluster = Listener::new(cluster, identity)?;
    let path = match &place.trainer_path {
        Some(path) => path.clone(),
        None => trainer_server::random_path(rustls::crypto::ring::default_provider().secure_random)
            .map_err(|_| LifeError::Random)?,
    };
    let (closing, closed) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let trainer_routes = trainer_server::router(agent.clone(), &path);
    let trainer = trainer.tap_io(|stream| drop(stream.set_nodelay(true)));
    let served = axum::serve(trainer, trainer_routes).with_graceful_shutdown(when(closed.clone()));
    tasks.spawn(async move { log(served.await) });
    let routes = cluster_server::router(agent.clone()).into_make_service_with_connect_info::<Peer>();
    let served = axum::serve(cluster, routes).with_graceful_shutdown(when(closed));
    tasks.spawn(async move { log(served.await) });
    let trainer_url = format!("http://{trainer_address}{path}");
    tracing::info!(%address, "listening");
    if let Some(file) = &place.announce {
        let announcement = Announcement { trainer_url, address: address.to_string() };
        announce(file, &announcement).map_err(|source| LifeError::Announce { path: file.clone(), source })?;
    }
    Ok(Servers { tasks, closing })
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), LifeError> {
    let failed = |source| LifeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

async fn when(mut closed: watch::Receiver<bool>) {
    let _ = closed.wait_for(|closed| *closed).await;
}

fn log(served: io::Result<()>) {
    if let Err(error) = served {
        tracing::error!(%error, "a server stopped");
    }
}

/// Whoever finds the file finds all of it.
fn announce(file: &Path, announcement: &Announcement) -> io::Result<()> {
    let mut partial = file.as_os_str().to_owned();
    partial.push(".partial");
    fs::write(&partial, format!("{}\n", serde_json::to_string(announcement)?))?;
    fs::rename(&partial, file)
}

/// The signals that tell a program to stop.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Gets what is not safe yet to safety: for a third of `grace` that is left to the gatherer.
async fn hand_over(agent: &Agent, grace: Duration) -> Result<(), LifeError> {
    let unsafe_steps = || agent.unacknowledged().map_or(0, |rest| rest.steps.len());
    tracing::info!(steps = unsafe_steps(), "told to stop");
    if timeout(grace / 3, agent.settled()).await.is_ok() {
        return Ok(());
    }
    // The last part of the grace belongs to closing.
    let deadline = (grace - grace / 3).saturating_sub(2 * LAST_ANSWERS);
    match timeout(deadline, deliver(agent)).await {
        Ok(()) => Ok(()),
        Err(_) => Err(LifeError::Undelivered(unsafe_steps())),
    }
}

/// Brings the rest to the learner itself, until it has all of it.
async fn deliver(agent: &Agent) {
    let pauses = ExponentialBuilder::new().with_jitter().with_min_delay(Duration::from_millis(50)).without_max_times();
    let mut pauses = pauses.with_max_delay(Duration::from_secs(1)).build();
    while let Some(rest) = agent.unacknowledged() {
        if let Err(error) = agent.deliver(&rest).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the rest was not taken");
        }
        if agent.unacknowledged().is_some() {
            tokio::time::sleep(pauses.next().unwrap_or_default()).await;
        }
    }
}
