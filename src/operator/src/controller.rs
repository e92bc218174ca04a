//! Makes the rounds: one experiment at a time each, many side by side, whenever something of it changes.

use std::sync::Arc;

use api::{TuningExperiment, labels};
use futures::StreamExt;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, controller, watcher};
use kube::{Api, Client, ResourceExt};
use plan::render::Images;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::caches::Cache;
use crate::context::{Caches, Context};
use crate::figures::Figures;
use crate::pods;
use crate::reconcile::{after_error, reconcile};
use crate::writer::Writer;

/// Rounds at once, of different experiments.
const CONCURRENCY: u16 = 16;
/// What all our objects carry.
const OURS: &str = "app.kubernetes.io/part-of=trainpilot";

/// What the controller is told.
pub struct Settings {
    /// Where our own programs are found.
    pub images: Images,
    /// The only namespace that it looks at; all if there is none.
    pub namespace: Option<String>,
}

/// Works on all experiments until `stop` comes back. Once `leading` is false nothing is written any more.
pub async fn run(
    client: Client,
    settings: Settings,
    figures: Arc<Figures>,
    leading: watch::Receiver<bool>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let (touched, touches) = mpsc::unbounded_channel();
    let namespace = settings.namespace.as_deref();
    let mut tasks = JoinSet::new();
    let (jobs, follow) = Cache::<Job>::follow(within(&client, namespace), OURS, |_| (), owner(touched.clone()));
    tasks.spawn(follow);
    let (sets, follow) = Cache::<StatefulSet>::follow(within(&client, namespace), OURS, |_| (), owner(touched.clone()));
    tasks.spawn(follow);
    let (pods, follow) = Cache::<Pod>::follow(within(&client, namespace), OURS, pods::slim, owner(touched));
    tasks.spawn(follow);
    tokio::join!(jobs.ready(), sets.ready(), pods.ready());
    tracing::info!(jobs = jobs.len(), learners = sets.len(), pods = pods.len(), "everything is known");
    let experiments: Api<TuningExperiment> = within(&client, namespace);
    let caches = Caches { jobs, stateful_sets: sets, pods };
    let context = Context::new(Writer::new(client, leading, Arc::clone(&figures)), settings.images, caches, figures);
    let context = Arc::new(context);
    let known = Arc::clone(&context);
    let rounds = Controller::new(experiments, watcher::Config::default())
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .reconcile_on(UnboundedReceiverStream::new(touches))
        .graceful_shutdown_on(stop)
        .run(reconcile, after_error, context);
    rounds
        .for_each(|round| {
            if let Err(controller::Error::ObjectNotFound(gone)) = round {
                known.part(gone.namespace.as_deref().unwrap_or_default(), &gone.name);
            }
            futures::future::ready(())
        })
        .await;
}

/// Objects of one namespace, or of all.
fn within<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Says which experiment an object belongs to.
fn owner<K: ResourceExt>(touched: mpsc::UnboundedSender<ObjectRef<TuningExperiment>>) -> impl Fn(&K) + Send + Sync {
    move |object| {
        let experiment = object.labels().get(labels::EXPERIMENT);
        if let (Some(experiment), Some(namespace)) = (experiment, object.namespace()) {
            // Nobody listens any more: then everything is about to end.
            let _ = touched.send(ObjectRef::new(experiment).within(&namespace));
        }
    }
}
