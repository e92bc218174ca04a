//! Makes the rounds: one experiment at a time each, many side by side, whenever something of it changes.

use std::fmt::Debug;
use std::sync::Arc;

use api::{TuningExperiment, labels};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::NamespaceResourceScope;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, WatchStreamExt, controller, reflector, watcher};
use kube::{Api, Client, ResourceExt};
use plan::render::Images;
use serde::de::DeserializeOwned;
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
    let namespace = settings.namespace.as_deref();
    let (touched, touches) = mpsc::unbounded_channel();
    let touched = Touched { figures: Arc::clone(&figures), sender: touched };
    let mut follows = Follows { client: &client, namespace, touched, tasks: JoinSet::new() };
    let caches = Caches {
        jobs: follows.cache(|_| ()),
        stateful_sets: follows.cache(|_| ()),
        pods: follows.cache(pods::slim),
        config_maps: follows.cache(without_managers),
        services: follows.cache(without_managers),
        network_policies: follows.cache(without_managers),
    };
    // Ends them when it ends.
    let _tasks = follows.tasks;
    caches.ready().await;
    let (jobs, learners, pods) = (caches.jobs.len(), caches.stateful_sets.len(), caches.pods.len());
    tracing::info!(jobs, learners, pods, "everything is known");
    let experiments: Api<TuningExperiment> = within(&client, namespace);
    let (reader, writer) = reflector::store();
    let seen = Arc::clone(&figures);
    let changes = reflector(writer, watcher(experiments, watcher::Config::default())).applied_objects();
    let changes = changes.inspect_ok(move |experiment| {
        seen.touched(&experiment.namespace().unwrap_or_default(), &experiment.name_any());
    });
    let context = Context::new(Writer::new(client, leading, Arc::clone(&figures)), settings.images, caches, figures);
    let context = Arc::new(context);
    let known = Arc::clone(&context);
    let rounds = Controller::for_stream(changes, reader)
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

/// What is begun to be followed.
struct Follows<'a> {
    client: &'a Client,
    namespace: Option<&'a str>,
    touched: Touched,
    tasks: JoinSet<()>,
}

impl Follows<'_> {
    /// Objects of ours of one kind, without what `slim` drops.
    fn cache<K>(&mut self, slim: impl Fn(&mut K) + Send + Sync + 'static) -> Arc<Cache<K>>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        let api = within(self.client, self.namespace);
        let (cache, follow) = Cache::follow(api, OURS, slim, owner(self.touched.clone()));
        self.tasks.spawn(follow);
        cache
    }
}

/// Drops the list of who wrote which field.
fn without_managers<K: ResourceExt>(object: &mut K) {
    object.meta_mut().managed_fields = None;
}

/// Objects of one namespace, or of all.
fn within<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Hears which experiment something has changed of.
#[derive(Clone)]
struct Touched {
    figures: Arc<Figures>,
    sender: mpsc::UnboundedSender<ObjectRef<TuningExperiment>>,
}

/// Says which experiment an object belongs to.
fn owner<K: ResourceExt>(touched: Touched) -> impl Fn(&K) + Send + Sync {
    move |object| {
        let experiment = object.labels().get(labels::EXPERIMENT);
        if let (Some(experiment), Some(namespace)) = (experiment, object.namespace()) {
            touched.figures.touched(&namespace, experiment);
            // Nobody listens any more: then everything is about to end.
            let _ = touched.sender.send(ObjectRef::new(experiment).within(&namespace));
        }
    }
}
