//! The operator's pods.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, LogParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};

/// Where they are.
pub const NAMESPACE: &str = "trainpilot";
const OPERATOR: &str = "app.kubernetes.io/name=trainpilot-operator";

/// Names of their pods.
pub async fn names() -> Vec<String> {
    let pods: Api<Pod> = Api::namespaced(Client::try_default().await.unwrap(), NAMESPACE);
    let pods = pods.list(&ListParams::default().labels(OPERATOR)).await.unwrap();
    pods.iter().map(ResourceExt::name_any).collect()
}

/// Kills all of them at once.
pub async fn kill_all() {
    let pods: Api<Pod> = Api::namespaced(Client::try_default().await.unwrap(), NAMESPACE);
    for pod in pods.list(&ListParams::default().labels(OPERATOR)).await.unwrap() {
        let _ = pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await;
    }
}

/// Sets how many there are, and waits until that is so.
pub async fn scale(replicas: u32) {
    let client = Client::try_default().await.unwrap();
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let change = Patch::Merge(serde_json::json!({"spec": {"replicas": replicas}}));
    deployments.patch_scale("trainpilot-operator", &PatchParams::default(), &change).await.unwrap();
    let pods: Api<Pod> = Api::namespaced(client, NAMESPACE);
    while pods.list(&ListParams::default().labels(OPERATOR)).await.unwrap().items.len() != replicas as usize {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
}

/// Requests of anybody to change something of a kind that the operator writes, as the apiserver counts them.
pub async fn writes() -> u64 {
    let client = Client::try_default().await.unwrap();
    let text = client.request_text(http::Request::get("/metrics").body(Vec::new()).unwrap()).await.unwrap();
    let counted = |line: &&str| {
        line.starts_with("apiserver_request_total{")
            && ["PATCH", "POST", "PUT", "DELETE", "APPLY"].iter().any(|verb| line.contains(&format!("verb=\"{verb}\"")))
            && ["statefulsets", "secrets", "services", "networkpolicies", "jobs", "tuningexperiments"]
                .iter()
                .any(|kind| line.contains(&format!("resource=\"{kind}\"")))
    };
    // The status of a StatefulSet is its controller's.
    let own = |line: &&str| !line.contains("subresource=\"status\",version=\"v1\"");
    text.lines().filter(counted).filter(own).map(number).sum::<f64>() as u64
}

/// Requests to change something that operators made since they were started, as they count them.
pub async fn own_writes() -> u64 {
    let client = Client::try_default().await.unwrap();
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let mut writes = 0.0;
    for pod in pods.list(&ListParams::default().labels(OPERATOR)).await.unwrap() {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{}:8080/proxy/metrics", pod.name_any());
        let text = client.request_text(http::Request::get(path).body(Vec::new()).unwrap()).await.unwrap();
        let lines = text.lines().filter(|line| line.starts_with("trainpilot_operator_writes_total{"));
        writes += lines.map(number).sum::<f64>();
    }
    writes as u64
}

/// What the only operator said since it was started.
///
/// # Panics
/// If there is none.
pub async fn log() -> String {
    let pods: Api<Pod> = Api::namespaced(Client::try_default().await.unwrap(), NAMESPACE);
    let operators = pods.list(&ListParams::default().labels(OPERATOR)).await.unwrap();
    pods.logs(&operators.items[0].name_any(), &LogParams::default()).await.unwrap()
}

/// The value at the end of a line of Prometheus text.
fn number(line: &str) -> f64 {
    line.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
}
