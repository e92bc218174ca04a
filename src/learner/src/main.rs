//! `trainpilot-learner`: the learners of one repetition, each a process.

use std::any::Any;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use clap::{Parser, Subcommand};
use learner::archive::{self, ArchiveArgs};
use learner::forecast::{self, DataArgs, RecordedArgs};
use learner::{Learner, LearnerError, Storage, Strategy, WorldModelLearner};
use learner::{policy_learner, world_model_learner};
use tch::Device;
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use wire::settings::LearnerConfig;
use wire::tls::Identity;

/// The learners of one repetition.
#[derive(Parser)]
#[command(version)]
struct Program {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Stores the trajectories of one repetition, learns a policy from them and pushes it to agents
    Policy(Args),
    /// Trains the world model of one repetition that the policy is learned in (SimPLe)
    WorldModel {
        #[command(flatten)]
        args: Args,
        /// Where the policy learner of the repetition listens, HOST:PORT
        #[arg(long, env = "TRAINPILOT_POLICY_LEARNER")]
        policy_learner: String,
    },
    /// Forecasts one training of a run, as JSON
    Forecast(RecordedArgs),
    /// Trains on a part of recorded curves and forecasts the rest, as JSON
    ForecastCurves(DataArgs),
    /// Writes dataset, policies and world models of a repetition to the standard output, as a tar archive
    Archive(ArchiveArgs),
    /// Does nothing for a while: for a pod whose storage is read from outside
    Idle {
        /// How long
        #[arg(long, value_name = "SECONDS")]
        seconds: u64,
    },
}

#[derive(clap::Args)]
struct Args {
    /// What to learn, as JSON
    #[arg(long, env = "TRAINPILOT_CONFIG")]
    config: PathBuf,
    /// Where the learner keeps what it knows: a folder, or a URL such as s3://BUCKET/PREFIX
    #[arg(long, env = "TRAINPILOT_STORAGE")]
    storage: String,
    /// Folder with ca.pem, cert.pem and key.pem of this role
    #[arg(long, env = "TRAINPILOT_TLS")]
    tls: PathBuf,
    /// Address to listen on
    #[arg(long, env = "TRAINPILOT_LISTEN", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// File to write the bound address to, once it listens
    #[arg(long, env = "TRAINPILOT_ANNOUNCE")]
    announce: Option<PathBuf>,
    /// Where to learn: `cpu` or `cuda`; without it, CUDA where there is any
    #[arg(long, env = "TRAINPILOT_DEVICE")]
    device: Option<String>,
    /// Threads for learning on a CPU. More than one only where the process owns the machine: they spin while they wait
    #[arg(long, env = "TRAINPILOT_THREADS", default_value_t = 1)]
    threads: i32,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::INFO).init();
    // One thread for short work too: more of them would wait for one another in every small product.
    tch::set_num_threads(1);
    let program = Program::parse();
    let run = catch_unwind(|| match &program.role {
        Role::Policy(args) => policy(args),
        Role::WorldModel { args, policy_learner } => world_model(args, policy_learner),
        Role::Forecast(args) => print(forecast::recorded(args)),
        Role::Archive(args) => Ok(archive::write(args, std::io::stdout().lock(), runtime()?.handle())?),
        Role::Idle { seconds } => runtime()?.block_on(idle(Duration::from_secs(*seconds))),
        Role::ForecastCurves(args) => print(forecast::of_curves(args, &mut |text| eprintln!("{text}"))),
    });
    match run.unwrap_or_else(|panic| Err(LearnerError::Panic(said(&*panic)).into())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // On one line, which is what a cluster keeps of it; stores answer with several.
            let words = format!("{error:#}");
            eprintln!("error: {}", words.split_whitespace().collect::<Vec<_>>().join(" "));
            ExitCode::FAILURE
        }
    }
}

/// One line of JSON on the standard output.
fn print(result: Result<impl serde::Serialize, LearnerError>) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(&result?)?);
    Ok(())
}

fn policy(args: &Args) -> anyhow::Result<()> {
    let (config, device, identity) = prepare(args)?;
    let (runtime, stores) = (runtime()?, runtime()?);
    let strategy = Strategy::new(&config, device, stores.handle())?;
    let storage = Storage::open(&args.storage, stores.handle())?;
    let (learner, strategy) = Learner::open(config, storage, strategy)?;
    let app = policy_learner::service::router(Arc::clone(&learner));
    let (working, handle) = (Arc::clone(&learner), stores.handle().clone());
    let work = move || working.learn_all(strategy, &handle);
    runtime.block_on(serve(args, &identity, app, work, move |error| learner.fail(error)))
}

fn world_model(args: &Args, policy_learner: &str) -> anyhow::Result<()> {
    let (config, device, identity) = prepare(args)?;
    let (runtime, stores) = (runtime()?, runtime()?);
    let handle: Handle = stores.handle().clone();
    let learner = WorldModelLearner::open(config, &args.storage, &identity, policy_learner, &handle)?;
    let app = world_model_learner::service::router(Arc::clone(&learner));
    let working = Arc::clone(&learner);
    let work = move || working.train_all(device, &handle);
    runtime.block_on(serve(args, &identity, app, work, move |error| learner.fail(error)))
}

async fn idle(time: Duration) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// What both begin with: what to learn, where, and as whom.
fn prepare(args: &Args) -> anyhow::Result<(LearnerConfig, Device, Identity)> {
    let text = std::fs::read(&args.config).with_context(|| format!("can't read {}", args.config.display()))?;
    let config: LearnerConfig = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not a learner's config", args.config.display()))?;
    config.problem.check().context("the config's problem can't be worked on")?;
    tch::set_num_threads(args.threads);
    Ok((config, device(args.device.as_deref())?, Identity::load(&args.tls)?))
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

/// One serves, another reaches stores: whoever waits for a store while others wait for it must not depend on them.
fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// Answers on the network until it is told to end, while `work` goes on in a thread of its own; `fail` hears why that ended
/// early, if it did.
async fn serve(
    args: &Args,
    identity: &Identity,
    app: Router,
    work: impl FnOnce() -> Result<(), LearnerError> + Send + 'static,
    fail: impl FnOnce(&dyn std::error::Error) + Send + 'static,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("can't listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    if let Some(path) = &args.announce {
        announce(path, &address.to_string()).with_context(|| format!("can't write {}", path.display()))?;
    }
    tracing::info!(%address, "listening");
    std::thread::Builder::new().name("learning".to_owned()).spawn(move || {
        // libtorch runs out of memory by a panic.
        let worked =
            catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(LearnerError::Panic(said(&*panic))));
        if let Err(error) = worked {
            fail(&error);
        }
    })?;
    let listener = wire::http::Listener::new(listener, identity)?;
    let app = app.into_make_service_with_connect_info::<wire::http::Peer>();
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

/// The beginning of what a panic said: libtorch adds where it happened, at length.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    let line = text.and_then(|text| text.lines().next()).unwrap_or("nothing was said");
    line.split("\\n").next().unwrap_or(line).chars().take(300).collect()
}

/// Writes the address whole or not at all: whoever waits for the file reads it at once.
fn announce(path: &Path, address: &str) -> std::io::Result<()> {
    let beside = path.with_extension("tmp");
    std::fs::write(&beside, address)?;
    std::fs::rename(&beside, path)
}
