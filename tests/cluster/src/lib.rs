//! A real Kubernetes for tests: what `cargo xtask e2e` starts, with the operator in it. Each test has a namespace of its own,
//! which enforces the restricted Pod Security Standard, and volumes that it can look into.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod charts;
pub mod dataset;
pub mod experiments;
pub mod nodes;
pub mod operators;
pub mod plugin;
pub mod prometheus;
pub mod queues;
pub mod stores;
pub mod volumes;

use std::fmt::Debug;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use api::{Phase, TuningExperiment};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(300);

/// A namespace of one test.
pub struct Space {
    /// Its name.
    pub name: String,
    client: Client,
}

impl Space {
    /// A new namespace, after what an earlier one of its name left is gone.
    pub async fn new(name: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::try_default().await.expect("KUBECONFIG names a cluster; `cargo xtask e2e` starts one");
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let _ = namespaces.delete(name, &DeleteParams::default()).await;
        let space = Self { name: name.to_owned(), client };
        space.until("the namespace is free", 90, async || namespaces.get_opt(name).await.unwrap().is_none()).await;
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.to_owned());
        let enforced = [("enforce", "restricted"), ("warn", "restricted")];
        let label = |(mode, level): (&str, &str)| (format!("pod-security.kubernetes.io/{mode}"), level.to_owned());
        namespace.metadata.labels = Some(enforced.map(label).into_iter().collect());
        namespaces.create(&PostParams::default(), &namespace).await.unwrap();
        space
    }

    /// A new namespace in a cluster that has no other experiment: whatever other tests left is removed.
    pub async fn alone(name: &str) -> Self {
        let space = Self::new(name).await;
        let experiments: Api<TuningExperiment> = Api::all(space.client.clone());
        for experiment in experiments.list(&ListParams::default()).await.unwrap() {
            let own: Api<TuningExperiment> = Api::namespaced(space.client.clone(), &experiment.namespace().unwrap());
            let _ = own.delete(&experiment.name_any(), &DeleteParams::default()).await;
        }
        let pods: Api<Pod> = Api::all(space.client.clone());
        let of_experiments = ListParams::default().labels("trainpilot.dev/experiment");
        let gone = async || pods.list(&of_experiments).await.unwrap().items.is_empty();
        space.until("nothing is left of other experiments", 120, gone).await;
        space
    }

    /// Objects of a kind.
    pub fn api<K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// All objects of a kind.
    pub async fn list<K>(&self) -> Vec<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        self.api().list(&ListParams::default()).await.unwrap().items
    }

    /// Pods of trajectories that have not ended.
    pub async fn trainings(&self) -> Vec<Pod> {
        let trajectories = ListParams::default().labels("trainpilot.dev/role=trajectory");
        let pods = self.api::<Pod>().list(&trajectories).await.unwrap().items;
        let ended =
            |pod: &Pod| matches!(phase(pod), "Succeeded" | "Failed") || pod.metadata.deletion_timestamp.is_some();
        pods.into_iter().filter(|pod| !ended(pod)).collect()
    }

    /// Waits until that many of them are there.
    pub async fn has_trainings(&self, count: usize) {
        let what = format!("there are {count} trainings");
        self.until(&what, 60, async || self.trainings().await.len() == count).await;
    }

    /// Makes an experiment, with volumes for all of its learners.
    pub async fn start(&self, yaml: &str) -> TuningExperiment {
        let experiment: TuningExperiment = serde_saphyr::from_str(yaml).unwrap();
        self.provide(&experiment).await;
        self.api().create(&PostParams::default(), &experiment).await.unwrap()
    }

    /// Makes an empty volume and a claim to it, both of this name; gives the folder that it is.
    pub async fn claim(&self, name: &str) -> std::path::PathBuf {
        volumes::make_with_claim(&self.client, &self.name, name).await
    }

    /// Makes volumes for all learners of an experiment.
    pub async fn provide(&self, experiment: &TuningExperiment) {
        volumes::make(&self.client, &self.name, experiment).await;
    }

    /// An experiment as it is now.
    pub async fn experiment(&self, name: &str) -> TuningExperiment {
        self.api().get(name).await.unwrap()
    }

    /// Changes fields of an experiment's spec.
    pub async fn edit(&self, name: &str, spec: Value) -> Result<TuningExperiment, kube::Error> {
        let change = Patch::Merge(json!({"spec": spec}));
        self.api().patch(name, &PatchParams::default(), &change).await
    }

    /// Waits until an experiment is in a phase, and no pod of it is left if that is its end.
    pub async fn reaches(&self, name: &str, phase: Phase, seconds: u64) -> TuningExperiment {
        self.reaches_beside(name, phase, seconds).await;
        if matches!(phase, Phase::Complete | Phase::Failed | Phase::Suspended) {
            let none = async || self.list::<Pod>().await.is_empty();
            self.until("no pod is left", 90, none).await;
        }
        self.experiment(name).await
    }

    /// The same where other experiments have pods.
    pub async fn reaches_beside(&self, name: &str, phase: Phase, seconds: u64) -> TuningExperiment {
        let what = format!("{name} is {phase:?}");
        self.until(&what, seconds, async || phase_of(&self.experiment(name).await) == phase).await;
        self.experiment(name).await
    }

    /// Deletes all experiments, and waits until no pod is left, while `meanwhile` is done again and again.
    pub async fn clear(&self, meanwhile: impl AsyncFn()) {
        for experiment in self.list::<TuningExperiment>().await {
            let _ = self.api::<TuningExperiment>().delete(&experiment.name_any(), &DeleteParams::default()).await;
        }
        let none = async || {
            meanwhile().await;
            self.list::<Pod>().await.is_empty()
        };
        self.until("no pod is left", 90, none).await;
    }

    /// Deletes the namespace, and waits until it is gone.
    pub async fn delete(&self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.delete(&self.name, &DeleteParams::default()).await.unwrap();
        self.until("the namespace is gone", 90, async || namespaces.get_opt(&self.name).await.unwrap().is_none()).await;
    }

    /// Waits until something is so.
    pub async fn until(&self, what: &str, seconds: u64, is_so: impl AsyncFn() -> bool) {
        let begin = Instant::now();
        while !is_so().await {
            if begin.elapsed() > Duration::from_secs(seconds) {
                panic!("{}: waited {seconds} s: {what}\n{}", self.name, self.picture().await);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What the apiserver warns about when an object at a path is sent to it again.
    pub async fn warnings(&self, path: &str) -> Vec<String> {
        let change = json!({"metadata": {"annotations": {"example.com/again": "true"}}});
        let request =
            http::Request::patch(format!("{path}?dryRun=All")).header("Content-Type", "application/merge-patch+json");
        let request = request.body(serde_json::to_vec(&change).unwrap().into()).unwrap();
        let answer = self.client.send(request).await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.headers().get_all("Warning").iter().map(|warning| format!("{warning:?}")).collect()
    }

    /// Deletes a pod at once, as if its node had gone.
    pub async fn kill(&self, pod: &Pod) {
        let at_once = DeleteParams::default().grace_period(0);
        let _ = self.api::<Pod>().delete(&pod.name_any(), &at_once).await;
    }

    /// The pod of a learner: `NAME-rR-learner` or `NAME-rR-world-model`.
    pub async fn learner(&self, name: &str) -> Pod {
        self.api().get(&format!("{name}-0")).await.unwrap()
    }

    /// What there is, for whoever has to find out why a test failed.
    async fn picture(&self) -> String {
        let experiments = self.list::<TuningExperiment>().await;
        let statuses = experiments.iter().map(|tx| format!("{}: {:#?}\n", tx.name_any(), tx.status));
        let pods = self.list::<Pod>().await;
        let pods = pods.iter().map(|pod| format!("pod {}: {}\n", pod.name_any(), phase(pod)));
        statuses.chain(pods).collect()
    }
}

/// Where our programs lie: beside the folder of the tests.
pub fn programs() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
}

/// Where an experiment stands.
pub fn phase_of(experiment: &TuningExperiment) -> Phase {
    experiment.status.as_ref().map(|status| status.phase).unwrap_or_default()
}

/// The phase of a pod.
pub fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// Reason and message of a condition that is true.
pub fn condition(experiment: &TuningExperiment, kind: &str) -> Option<(String, String)> {
    let conditions = &experiment.status.as_ref()?.conditions;
    let condition = conditions.iter().find(|condition| condition.type_ == kind && condition.status == "True")?;
    Some((condition.reason.clone(), condition.message.clone()))
}
