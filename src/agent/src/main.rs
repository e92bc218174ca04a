//! `trainpilot-agent`: the sidecar of one training.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use agent::life::{Place, run};
use anyhow::{Context, ensure};
use clap::{Args, Parser};
use tracing_subscriber::EnvFilter;
use wire::agent::{AgentConfig, attempt_of};
use wire::exposition::Limits;
use wire::http::Timeouts;
use wire::tls::{Identity, Role};
use wire::trainer::METRICS_PORT_VARIABLE;

/// The sidecar of one training.
#[derive(Parser)]
#[command(version)]
enum Program {
    Run(Run),
    Metrics(Metrics),
}

/// Steers one training: takes its reports, answers with hyperparameters, and keeps the record until it is stored.
///
/// Ends by itself once the trajectory has ended and its end is stored, unless it is a sidecar. Logs to standard error; RUST_LOG
/// chooses how much.
#[derive(Args)]
struct Run {
    /// JSON file with what all agents of a batch are started with.
    #[arg(long, env = "TRAINPILOT_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// Index of the trajectory within its epoch, from 0.
    #[arg(long, env = "TRAINPILOT_INDEX", value_name = "N")]
    index: u32,
    /// Try at this index, from 0.
    #[arg(long, env = "TRAINPILOT_ATTEMPT", value_name = "N", default_value_t = 0)]
    attempt: u32,
    /// Unique id of the pod, from which the number of the try is made in a cluster, where nobody counts them.
    #[arg(long, env = "TRAINPILOT_POD_UID", value_name = "UID", conflicts_with = "attempt")]
    pod_uid: Option<String>,
    /// Folder with the agent's identity: ca.pem, cert.pem, key.pem.
    #[arg(long, env = "TRAINPILOT_TLS", value_name = "DIR")]
    tls: PathBuf,
    /// Where the trainer is listened to, in plain HTTP: should be on loopback.
    #[arg(long, env = "TRAINPILOT_TRAINER_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    trainer_listen: SocketAddr,
    /// Path below which the trainer's endpoint lives, such as /agent, or "" for none. Random if not given.
    #[arg(long, env = "TRAINPILOT_TRAINER_PATH", value_name = "PATH")]
    trainer_path: Option<String>,
    /// Where the operator and Prometheus are listened to, under mutual TLS.
    #[arg(long, env = "TRAINPILOT_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// File to write both addresses to, as a line of JSON, once everything is ready.
    #[arg(long, env = "TRAINPILOT_ANNOUNCE", value_name = "FILE")]
    announce: Option<PathBuf>,
    /// Port on loopback at which the trainer shows metrics, where the configuration reads some from there.
    #[arg(long, env = METRICS_PORT_VARIABLE, value_name = "PORT")]
    metrics_port: Option<u16>,
    /// Seconds between SIGTERM and being killed, in which the rest of the record is brought to safety.
    #[arg(long, env = "TRAINPILOT_GRACE_SECONDS", value_name = "SECONDS", default_value_t = 10)]
    grace_seconds: u64,
    /// Stay until told to stop, even if the trajectory has ended and its end is stored: for a container that would be started
    /// again.
    #[arg(long)]
    sidecar: bool,
}

/// Prints the figures of the agent of this pod, as Prometheus sees them: for `kubectl exec`, and `kubectl trainpilot top`.
#[derive(Args)]
struct Metrics {
    /// Folder with the agent's identity: ca.pem, cert.pem, key.pem.
    #[arg(long, env = "TRAINPILOT_TLS", value_name = "DIR")]
    tls: PathBuf,
    /// Where it listens.
    #[arg(long, env = "TRAINPILOT_LISTEN", value_name = "ADDRESS")]
    listen: SocketAddr,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Program::parse() {
        Program::Run(arguments) => accompany(arguments).await,
        Program::Metrics(arguments) => metrics(&arguments).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn accompany(arguments: Run) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).init();
    // There is one configuration for the life of the process, which everything may point into.
    let config: &'static AgentConfig = Box::leak(Box::new(read(&arguments.config)?));
    let identity = Identity::load(&arguments.tls)?;
    let place = place(arguments)?;
    run(config, &identity, &place).await?;
    Ok(())
}

async fn metrics(arguments: &Metrics) -> anyhow::Result<()> {
    let identity = Identity::load(&arguments.tls)?;
    let client = wire::http::client(&identity, Role::Agent, Timeouts::REQUEST)?;
    // It listens everywhere, which is no address to connect to.
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.listen.port()));
    let page = wire::client::metrics_page(&client, &address.to_string(), Limits::default().bytes).await?;
    std::io::stdout().write_all(&page).context("could not write")
}

fn read(file: &Path) -> anyhow::Result<AgentConfig> {
    let text = std::fs::read(file).with_context(|| format!("could not read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not an agent's configuration", file.display()))
}

fn place(arguments: Run) -> anyhow::Result<Place> {
    let Run {
        index,
        pod_uid,
        trainer_listen,
        trainer_path,
        listen,
        announce,
        metrics_port,
        grace_seconds,
        sidecar,
        ..
    } = arguments;
    let attempt = match pod_uid {
        None => arguments.attempt,
        Some(uid) => attempt_of(&uid).with_context(|| format!("--pod-uid is {uid:?}, expected the id of a pod"))?,
    };
    let sound = |path: &String| path.is_empty() || (path.starts_with('/') && !path.ends_with('/'));
    ensure!(
        trainer_path.as_ref().is_none_or(sound),
        "--trainer-path is {trainer_path:?}, expected \"\" or a path that begins, but does not end, with a slash"
    );
    let grace = Duration::from_secs(grace_seconds);
    Ok(Place { index, attempt, trainer_listen, trainer_path, listen, announce, metrics_port, grace, sidecar })
}
