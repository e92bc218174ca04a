//! `trainpilot-learner`: the policy learner of one repetition, as a process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use learner::{Learner, Storage, Strategy, service};
use tch::Device;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use wire::settings::LearnerConfig;
use wire::tls::Identity;

/// Stores the trajectories of one repetition, learns a policy from them and pushes it to agents.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// What to learn, as JSON.
    #[arg(long, env = "TRAINPILOT_CONFIG")]
    config: PathBuf,
    /// Folder for dataset, checkpoints and policies.
    #[arg(long, env = "TRAINPILOT_STORAGE")]
    storage: PathBuf,
    /// Folder with ca.pem, cert.pem and key.pem of this role.
    #[arg(long, env = "TRAINPILOT_TLS")]
    tls: PathBuf,
    /// Address to listen on.
    #[arg(long, env = "TRAINPILOT_LISTEN", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// File to write the bound address to, once it listens.
    #[arg(long, env = "TRAINPILOT_ANNOUNCE")]
    announce: Option<PathBuf>,
    /// Where to learn: `cpu` or `cuda`; without it, CUDA where there is any.
    #[arg(long, env = "TRAINPILOT_DEVICE")]
    device: Option<String>,
    /// Threads for learning on a CPU. More than one only where the process owns the machine: they spin while they wait.
    #[arg(long, env = "TRAINPILOT_THREADS", default_value_t = 1)]
    threads: i32,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::INFO).init();
    let args = Args::parse();
    let text = std::fs::read(&args.config).with_context(|| format!("can't read {}", args.config.display()))?;
    let config: LearnerConfig = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not a learner's config", args.config.display()))?;
    config.problem.check().context("the config's problem can't be worked on")?;
    let device = device(args.device.as_deref())?;
    tch::set_num_threads(args.threads);
    let strategy = Strategy::new(&config, device)?;
    let storage = Storage::open(&args.storage)?;
    let (learner, strategy) = Learner::open(config, storage, strategy)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(args, learner, strategy))
}

/// The device asked for, or the best there is.
fn device(name: Option<&str>) -> anyhow::Result<Device> {
    match name {
        None => Ok(Device::cuda_if_available()),
        Some("cpu") => Ok(Device::Cpu),
        Some("cuda") if tch::Cuda::is_available() => Ok(Device::Cuda(0)),
        Some("cuda") => anyhow::bail!("--device cuda: libtorch sees no CUDA device here"),
        Some(other) => anyhow::bail!("--device is `cpu` or `cuda`, not {other:?}"),
    }
}

async fn serve(args: Args, learner: Arc<Learner>, strategy: Strategy) -> anyhow::Result<()> {
    let identity = Identity::load(&args.tls)?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("can't listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    if let Some(path) = &args.announce {
        announce(path, &address.to_string()).with_context(|| format!("can't write {}", path.display()))?;
    }
    tracing::info!(%address, "policy learner listens");
    let runtime = Handle::current();
    let learning = Arc::clone(&learner);
    std::thread::Builder::new().name("learning".to_owned()).spawn(move || {
        if let Err(error) = learning.learn_all(strategy, &runtime) {
            learning.fail(&error);
        }
    })?;
    let listener = wire::http::Listener::new(listener, &identity)?;
    let app = service::router(learner).into_make_service_with_connect_info::<wire::http::Peer>();
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        served = axum::serve(listener, app) => served?,
        // Everything that was answered for is on disk: there is nothing to finish.
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    // The learning thread may be inside libtorch: don't wait for it.
    std::process::exit(0)
}

/// Writes the address whole or not at all: whoever waits for the file reads it at once.
fn announce(path: &std::path::Path, address: &str) -> std::io::Result<()> {
    let beside = path.with_extension("tmp");
    std::fs::write(&beside, address)?;
    std::fs::rename(&beside, path)
}
