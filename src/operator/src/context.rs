//! What all rounds share.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::runtime::events::Reporter;
use plan::render::Images;

use crate::caches::Cache;
use crate::figures::Figures;
use crate::gathering::Gatherings;
use crate::writer::{FIELD_MANAGER, Writer};

/// What is known of the cluster.
pub struct Caches {
    /// Batches.
    pub jobs: Arc<Cache<Job>>,
    /// Learners.
    pub stateful_sets: Arc<Cache<StatefulSet>>,
    /// Pods of both.
    pub pods: Arc<Cache<Pod>>,
    /// What both are started with.
    pub config_maps: Arc<Cache<ConfigMap>>,
    /// Where learners are found.
    pub services: Arc<Cache<Service>>,
    /// Who may reach the pods.
    pub network_policies: Arc<Cache<NetworkPolicy>>,
}

impl Caches {
    /// Waits until all that exists has been seen once.
    pub async fn ready(&self) {
        tokio::join!(
            self.jobs.ready(),
            self.stateful_sets.ready(),
            self.pods.ready(),
            self.config_maps.ready(),
            self.services.ready(),
            self.network_policies.ready(),
        );
    }
}

/// What all rounds share.
pub struct Context {
    /// Writes.
    pub writer: Writer,
    /// Whom people hear of things from.
    pub reporter: Reporter,
    /// Where our own programs are found.
    pub images: Images,
    /// What is known of the cluster.
    pub caches: Caches,
    /// Metrics on their way to learners.
    pub gatherings: Gatherings,
    /// What is shown at `/metrics`.
    pub figures: Arc<Figures>,
    /// Version of each experiment as we last wrote it, by its unique id.
    written: RwLock<HashMap<String, u64>>,
    /// Unique id of each experiment, by namespace and name.
    met: RwLock<HashMap<(String, String), String>>,
}

impl Context {
    /// A context with nothing known of any experiment.
    pub fn new(writer: Writer, images: Images, caches: Caches, figures: Arc<Figures>) -> Self {
        let reporter = Reporter { controller: FIELD_MANAGER.to_owned(), instance: std::env::var("POD_NAME").ok() };
        let gatherings = Gatherings::new(Arc::clone(&caches.pods), Arc::clone(&figures));
        let (written, met) = Default::default();
        Self { writer, reporter, images, caches, gatherings, figures, written, met }
    }

    /// Takes note of an experiment as we wrote it.
    pub fn wrote(&self, uid: &str, version: Option<u64>) {
        if let Some(version) = version {
            self.written.write().unwrap_or_else(PoisonError::into_inner).insert(uid.to_owned(), version);
        }
    }

    /// The version of an experiment that must have been seen before anything is decided.
    pub fn written(&self, uid: &str) -> u64 {
        self.written.read().unwrap_or_else(PoisonError::into_inner).get(uid).copied().unwrap_or(0)
    }

    /// Takes note of an experiment, and forgets one of its name that it stands in the place of.
    pub fn meet(&self, namespace: &str, name: &str, uid: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        let before = self.met.write().unwrap_or_else(PoisonError::into_inner).insert(key, uid.to_owned());
        if let Some(before) = before.filter(|before| before != uid) {
            self.forget(&before);
        }
    }

    /// Forgets an experiment that is gone.
    pub fn part(&self, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        if let Some(uid) = self.met.write().unwrap_or_else(PoisonError::into_inner).remove(&key) {
            self.forget(&uid);
        }
        self.figures.begun(namespace, name);
        self.figures.forget(namespace, name);
    }

    fn forget(&self, uid: &str) {
        self.written.write().unwrap_or_else(PoisonError::into_inner).remove(uid);
        self.gatherings.forget(uid);
    }
}
