//! Nodes that are only pretended: real for everything of Kubernetes but a kubelet. Nobody's pods land on them but those that
//! ask for their pool.

use std::collections::BTreeMap;

use api::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::experiments::GRACE;
use crate::{Space, phase};

/// What tells pools apart: label and taint of their nodes.
const POOL: &str = "example.com/pool";

/// The nodes of one test.
pub struct Pool<'a> {
    space: &'a Space,
    nodes: Api<Node>,
}

impl<'a> Pool<'a> {
    /// The pool of a namespace.
    pub fn of(space: &'a Space) -> Self {
        Self { space, nodes: Api::all(space.client.clone()) }
    }

    /// An experiment whose trainers run in this pool and nowhere else.
    pub fn only(&self, experiment: &str) -> String {
        let name = &self.space.name;
        experiment.replace(GRACE, &format!("{GRACE}        nodeSelector: {{{POOL}: {name}}}\n{}", self.tolerations()))
    }

    /// An experiment whose trainers rather run in this pool than elsewhere, and leave a node soon after nothing is heard of it.
    pub fn rather(&self, experiment: &str) -> String {
        let expression = format!("{{key: {POOL}, operator: In, values: [{}]}}", self.space.name);
        let term = format!("{{weight: 100, preference: {{matchExpressions: [{expression}]}}}}");
        let affinity = format!("{{nodeAffinity: {{preferredDuringSchedulingIgnoredDuringExecution: [{term}]}}}}");
        let soon = "        - {key: node.kubernetes.io/unreachable, effect: NoExecute, tolerationSeconds: 2}\n";
        experiment.replace(GRACE, &format!("{GRACE}        affinity: {affinity}\n{}{soon}", self.tolerations()))
    }

    fn tolerations(&self) -> String {
        format!("        tolerations:\n        - {{key: {POOL}, value: {}}}\n", self.space.name)
    }

    /// Adds a node whose kubelet is this test: [`Pool::beat`] is its heart, and without it the node is dead soon.
    pub async fn add(&self, number: u32, gpus: u32) {
        self.make(number, json!({})).await;
        let room = json!({"cpu": "64", "memory": "256Gi", "pods": "110", "nvidia.com/gpu": gpus.to_string()});
        self.tell(&self.node(number), room).await;
    }

    /// Adds a node whose kubelet is KWOK, with room for some pods.
    pub async fn add_pretended(&self, number: u32, pods: u32) {
        self.make(number, json!({"kwok.x-k8s.io/node": "fake"})).await;
        self.tell(&self.node(number), json!({"cpu": "1000", "memory": "4Ti", "pods": pods.to_string()})).await;
    }

    async fn make(&self, number: u32, annotations: Value) {
        let name = self.node(number);
        let _ = self.nodes.delete(&name, &DeleteParams::default()).await;
        let node = json!({
            "metadata": {"name": name, "annotations": annotations, "labels": {POOL: self.space.name}},
            "spec": {"taints": [{"key": POOL, "value": self.space.name, "effect": "NoSchedule"}]},
        });
        self.nodes.create(&PostParams::default(), &serde_json::from_value(node).unwrap()).await.unwrap();
    }

    fn node(&self, number: u32) -> String {
        format!("{}-{number}", self.space.name)
    }

    /// Says that a node is ready, and what it has room for.
    async fn tell(&self, name: &str, room: Value) {
        let now = Timestamp::now().to_string();
        let ready = json!({
            "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "pretended",
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        });
        let status = Patch::Merge(json!({"status": {"conditions": [ready], "capacity": room, "allocatable": room}}));
        self.nodes.patch_status(name, &PatchParams::default(), &status).await.unwrap();
    }

    /// Does what kubelets do: says that the nodes live, starts pods, and ends those that are to go.
    pub async fn beat(&self) {
        for node in self.nodes().await {
            let room = serde_json::to_value(node.status.as_ref().unwrap().capacity.as_ref().unwrap()).unwrap();
            self.tell(&node.name_any(), room).await;
        }
        for pod in self.space.list::<Pod>().await.iter().filter(|pod| self.is_here(pod)) {
            if pod.metadata.deletion_timestamp.is_some() {
                self.say(pod, "Failed").await;
                self.space.kill(pod).await;
            } else if phase(pod) == "Pending" {
                self.say(pod, "Running").await;
            }
        }
    }

    async fn say(&self, pod: &Pod, phase: &str) {
        let status = Patch::Merge(json!({"status": {"phase": phase}}));
        let said = self.space.api::<Pod>().patch_status(&pod.name_any(), &PatchParams::default(), &status).await;
        // It may be gone by now.
        drop(said);
    }

    /// How many trainings run on each node, as far as Kubernetes knows.
    pub async fn trainings(&self) -> BTreeMap<String, usize> {
        let mut count = BTreeMap::new();
        let trainings = self.space.trainings().await;
        for pod in trainings.iter().filter(|pod| self.is_here(pod) && phase(pod) == "Running") {
            *count.entry(pod.spec.as_ref().unwrap().node_name.clone().unwrap()).or_default() += 1;
        }
        count
    }

    /// Whether a pod was given to one of its nodes.
    fn is_here(&self, pod: &Pod) -> bool {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
        node.is_some_and(|node| node.starts_with(&format!("{}-", self.space.name)))
    }

    /// Takes the nodes away, as whoever provides them does with those that are dead.
    pub async fn remove(&self) {
        for node in self.nodes().await {
            self.nodes.delete(&node.name_any(), &DeleteParams::default()).await.unwrap();
        }
    }

    async fn nodes(&self) -> Vec<Node> {
        let own = ListParams::default().labels(&format!("{POOL}={}", self.space.name));
        self.nodes.list(&own).await.unwrap().items
    }
}
