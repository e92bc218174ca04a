//! What the operator says of itself: logs on standard error, and spans for whoever asks for them.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};
use wire::http::read_bounded;

/// Our name in traces.
const SERVICE: &str = "trainpilot-operator";
/// Where a collector takes spans, by OTLP.
const PATH: &str = "/v1/traces";
/// Bytes of the longest answer of a collector.
const MAX_ANSWER: usize = 64 << 10;
/// What one export may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why spans can't be sent.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// No client could be made.
    #[error("could not make an HTTP client")]
    Client(#[from] reqwest::Error),
    /// The collector's address is none.
    #[error("spans can't be sent there")]
    Exporter(#[from] ExporterBuildError),
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// An object a line, for programs.
    Json,
    /// A line each, for people.
    Text,
}

/// Begins to log, and to send spans to the collector at `endpoint`, such as `http://collector:4318`, if there is one.
///
/// # Errors
/// If the endpoint is no address.
pub fn begin(endpoint: Option<&str>, format: LogFormat) -> Result<Option<Spans>, TelemetryError> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let spans = endpoint.map(Spans::to).transpose()?;
    let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let logs = match format {
        LogFormat::Json => logs.json().boxed(),
        LogFormat::Text => logs.boxed(),
    };
    tracing_subscriber::registry().with(filter).with(logs).with(spans.as_ref().map(Spans::layer)).init();
    Ok(spans)
}

/// Spans on their way to a collector, by OTLP in HTTP.
pub struct Spans(SdkTracerProvider);

impl Spans {
    /// To the collector at `endpoint`. To be called on the runtime on which they will be sent.
    ///
    /// # Errors
    /// If the endpoint is no address.
    pub fn to(endpoint: &str) -> Result<Self, TelemetryError> {
        let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender { client, runtime: Handle::current() })
            .with_endpoint(format!("{}{PATH}", endpoint.trim_end_matches('/')))
            .build()?;
        let resource = Resource::builder().with_service_name(SERVICE).build();
        Ok(Self(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build()))
    }

    /// What sends the spans of a subscriber.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        tracing_opentelemetry::layer().with_tracer(self.0.tracer(SERVICE))
    }

    /// Sends what has not been sent yet; blocks for some seconds at most.
    pub fn end(self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// Sends on our runtime: exports are begun by a thread that has none.
#[derive(Debug)]
struct Sender {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, request) = (self.client.clone(), request.try_into()?);
        let taken = self.runtime.spawn(async move {
            let answer = client.execute(request).await?;
            let status = answer.status();
            Ok::<_, HttpError>(Response::builder().status(status).body(read_bounded(answer, MAX_ANSWER).await?)?)
        });
        taken.await?
    }
}
