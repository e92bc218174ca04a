//! `trainpilot-operator`: runs TuningExperiments on Kubernetes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser};
use kube::client::ClientBuilder;
use kube::{Client, Config};
use kube_lease_manager::LeaseManagerBuilder;
use operator::completion::Wait;
use operator::controller::{self, Settings};
use operator::figures::Figures;
use operator::requests::Counting;
use operator::server::{self, Certificate, Guard};
use operator::telemetry::{self, LogFormat};
use plan::render::Images;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Name of the lease that the leader holds.
const LEASE: &str = "trainpilot-operator";

/// How long rounds may take that go on when it is told to stop.
const LAST_ROUND: Duration = Duration::from_secs(10);

/// Runs TuningExperiments on Kubernetes.
///
/// Logs to standard error; RUST_LOG chooses how much, of spans as well.
#[derive(Args)]
struct Run {
    /// Image of the agents.
    #[arg(long, env = "TRAINPILOT_AGENT_IMAGE", value_name = "IMAGE")]
    agent_image: String,
    /// Image of the learners.
    #[arg(long, env = "TRAINPILOT_LEARNER_IMAGE", value_name = "IMAGE")]
    learner_image: String,
    /// When these are pulled: Always, IfNotPresent or Never.
    #[arg(long, env = "TRAINPILOT_IMAGE_PULL_POLICY", value_name = "POLICY")]
    image_pull_policy: Option<String>,
    /// The only namespace to look at; all if not given.
    #[arg(long, env = "TRAINPILOT_NAMESPACE", value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Namespace of the lease; that of the operator's own pod if not given.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE", default_value = "default")]
    lease_namespace: String,
    /// Where health and metrics are asked for.
    #[arg(long, env = "TRAINPILOT_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Where metrics are asked for over TLS, by those alone whom the apiserver lets get /metrics; then they are nowhere else.
    #[arg(long, env = "TRAINPILOT_SECURE_METRICS", value_name = "ADDRESS")]
    secure_metrics: Option<SocketAddr>,
    /// Folder with the certificate for that, tls.crt and tls.key; one signed by itself is made if not given.
    #[arg(long, env = "TRAINPILOT_METRICS_CERTIFICATE", value_name = "FOLDER", requires = "secure_metrics")]
    metrics_certificate: Option<PathBuf>,
    /// How logs are written.
    #[arg(long, env = "TRAINPILOT_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    log_format: LogFormat,
    /// Collector of OpenTelemetry to which spans are sent, by OTLP in HTTP; none if not given.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    spans_to: Option<String>,
}

/// trainpilot on Kubernetes.
#[derive(Parser)]
#[command(version)]
enum Command {
    Run(Run),
    Wait(Wait),
}

#[tokio::main]
async fn main() -> ExitCode {
    // The clients of learners and of the apiserver bring their own providers otherwise.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let command = Command::parse();
    let (spans_to, format) = match &command {
        Command::Run(run) => (run.spans_to.as_deref(), run.log_format),
        Command::Wait(_) => (None, LogFormat::Json),
    };
    let spans = match telemetry::begin(spans_to, format) {
        Ok(spans) => spans,
        Err(error) => {
            eprintln!("error: {:#}", anyhow::Error::new(error));
            return ExitCode::FAILURE;
        }
    };
    let done = match command {
        Command::Run(run) => operate(run).await,
        Command::Wait(wait) => await_end(&wait).await,
    };
    if let Err(error) = &done {
        tracing::error!("{error:#}");
    }
    if let Some(spans) = spans {
        spans.end();
    }
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn await_end(wait: &Wait) -> anyhow::Result<()> {
    let client = client(Arc::new(Figures::new()?)).await.context("no cluster is configured")?;
    wait.run(client).await
}

async fn operate(arguments: Run) -> anyhow::Result<()> {
    let figures = Arc::new(Figures::new()?);
    let client = client(Arc::clone(&figures)).await.context("no cluster is configured")?;
    let listener = TcpListener::bind(arguments.listen).await;
    let listener = listener.with_context(|| format!("can't listen on {}", arguments.listen))?;
    let own = || Certificate::OwnFor(vec!["trainpilot-operator".to_owned()]);
    let certificate = arguments.metrics_certificate.map_or_else(own, Certificate::Folder);
    let secure = arguments.secure_metrics.map(|address| (address, certificate));
    let served = serve(listener, secure, client.clone(), Arc::clone(&figures));
    let lease = LeaseManagerBuilder::new(client.clone(), LEASE).with_namespace(&arguments.lease_namespace);
    let lease = lease.build().await.context("the lease can't be used")?;
    let (mut leading, lease) = lease.watch().await;
    figures.set_ready();
    let (stop, stopped) = watch::channel(false);
    let images = Images {
        agent: arguments.agent_image,
        learner: arguments.learner_image,
        pull_policy: arguments.image_pull_policy,
    };
    let (leader, mut lost, follows) = (Arc::clone(&figures), leading.clone(), leading.clone());
    let work = async {
        leading.wait_for(|leads| *leads).await.context("the lease is not followed any more")?;
        tracing::info!("leading");
        leader.leads();
        let settings = Settings { images, namespace: arguments.namespace };
        controller::run(client, settings, figures, follows, told(stopped)).await;
        anyhow::Ok(())
    };
    let lost = async move {
        let _ = lost.wait_for(|leads| *leads).await;
        let _ = lost.wait_for(|leads| !*leads).await;
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let signalled = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.send_replace(true);
        // Rounds that go on are finished first.
        tokio::time::sleep(LAST_ROUND).await;
    };
    tokio::select! {
        worked = work => worked?,
        served = served => served.context("health and metrics are not served any more")?,
        // Whoever leads now has begun: there is nothing to be said any more.
        () = lost => anyhow::bail!("the lease was lost"),
        () = signalled => {}
    }
    // Given back, so that the next one need not wait for it to run out: it is followed as long as somebody listens.
    drop(leading);
    let _ = lease.await;
    Ok(())
}

/// Serves health, and metrics beside it or, if they are to be secure, at an address of their own.
async fn serve(
    listener: TcpListener,
    secure: Option<(SocketAddr, Certificate)>,
    client: Client,
    figures: Arc<Figures>,
) -> anyhow::Result<()> {
    let (health, metrics) = (server::health(Arc::clone(&figures)), server::metrics(figures));
    let Some((address, certificate)) = secure else {
        return Ok(axum::serve(listener, health.merge(metrics)).await?);
    };
    tokio::select! {
        served = axum::serve(listener, health) => Ok(served?),
        served = server::serve(address, certificate, Guard::new(client).protect(metrics)) => served,
    }
}

/// A client for the cluster that we run in, or that a file names.
async fn client(figures: Arc<Figures>) -> kube::Result<Client> {
    let config = Config::infer().await.map_err(kube::Error::InferConfig)?;
    Ok(ClientBuilder::try_from(config)?.with_layer(&Counting(figures)).build())
}

async fn told(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
