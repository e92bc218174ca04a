//! Spans as a collector receives them.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use api::TuningExperiment;
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use kube::client::Body;
use kube::{Api, Client, Resource};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use operator::caches::Cache;
use operator::context::{Caches, Context};
use operator::figures::Figures;
use operator::reconcile::reconcile;
use operator::telemetry::Spans;
use operator::writer::Writer;
use plan::render::Images;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tracing_subscriber::layer::SubscriberExt;

/// A collector, and what it is sent.
async fn collector() -> (String, mpsc::UnboundedReceiver<Bytes>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, received) = mpsc::unbounded_channel();
    let take = post(async move |body: Bytes| drop(sender.send(body)));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/v1/traces", take)).await });
    (address, received)
}

fn cache<K>(client: &Client) -> Arc<Cache<K>>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + Sync + 'static,
{
    Cache::follow(Api::all(client.clone()), "", |_| (), |_| ()).0
}

/// What rounds share where there is no cluster.
fn context() -> Context {
    let nobody = tower::service_fn(async |_: http::Request<Body>| Err::<http::Response<Body>, _>("no cluster"));
    let client = Client::new(nobody, "default");
    let caches = Caches {
        jobs: cache(&client),
        stateful_sets: cache(&client),
        pods: cache(&client),
        config_maps: cache(&client),
        services: cache(&client),
        network_policies: cache(&client),
    };
    let figures = Arc::new(Figures::new().unwrap());
    let images = Images { agent: String::new(), learner: String::new(), pull_policy: None };
    Context::new(Writer::new(client, watch::channel(true).1, Arc::clone(&figures)), images, caches, figures)
}

fn attribute<'a>(span: &'a Span, name: &str) -> Option<&'a str> {
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_is_a_span_with_the_experiments_name() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (address, mut received) = collector().await;
    let spans = Spans::to(&address).unwrap();
    // One that is being deleted: its round looks at nothing.
    let experiment: TuningExperiment = serde_saphyr::from_str(
        r#"
        apiVersion: trainpilot.dev/v1alpha1
        kind: TuningExperiment
        metadata: {name: small, namespace: team, uid: u, deletionTimestamp: "2026-01-01T00:00:00Z"}
        spec:
          objective: {metric: accuracy}
          metrics: [{name: accuracy, range: [0, 1]}]
          hyperparameters: [{name: rate, initial: 0.01, min: 1.0e-5, max: 1}]
          trajectory:
            envSteps: 10
            deadlineSeconds: 600
            template: {spec: {containers: [{name: trainer, image: training:1}]}}
          algorithm: {ppo: {epochs: 1, trajectoriesPerEpoch: 6}}
        "#,
    )
    .unwrap();
    let subscriber = tracing_subscriber::registry().with(spans.layer());
    let listening = tracing::subscriber::set_default(subscriber);
    reconcile(Arc::new(experiment), Arc::new(context())).await.unwrap();
    drop(listening);
    tokio::task::spawn_blocking(|| spans.end()).await.unwrap();
    let body = tokio::time::timeout(Duration::from_secs(20), received.recv()).await.unwrap().unwrap();
    let sent = ExportTraceServiceRequest::decode(body).unwrap();
    let spans: Vec<Span> = sent
        .resource_spans
        .into_iter()
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .collect();
    let round = spans.iter().find(|span| span.name == "round").unwrap();
    assert_eq!((attribute(round, "namespace"), attribute(round, "experiment")), (Some("team"), Some("small")));
}
