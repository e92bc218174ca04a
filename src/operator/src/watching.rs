//! What is looked at now and then, for people alone: where the running trainings stand, the devices that pods hold, how often
//! learners were started again, and what learners show of themselves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use api::labels;
use gather::{Gatherer, Newest};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use plan::render::LEARNER_PORT;
use tokio::time::{MissedTickBehavior, interval};
use tuning::{Problem, Step, quantiles};
use wire::client::metrics_page;
use wire::tls::Identity;

use crate::caches::Cache;
use crate::figures::{
    CERTIFICATE, DEVICES, Figure, HYPERPARAMETER, METRIC, RESTARTS, Running, STEP_AGE, STEP_SECONDS, Sample,
};
use crate::pods;

/// Between two looks: as often as Prometheus commonly asks.
const EVERY: Duration = Duration::from_secs(15);
/// Bytes of a learner's page that are read.
const MAX_PAGE: usize = 1 << 20;
/// Quantiles over running trajectories.
const QUANTILES: [f64; 3] = [0.1, 0.5, 0.9];

/// Looks at one experiment.
pub struct Watch {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub experiment: String,
    /// What is tuned.
    pub problem: Problem,
    /// Who we are in it.
    pub identity: Identity,
    /// Knows where running trajectories stand.
    pub gatherer: Arc<Gatherer>,
    /// Asks learners.
    pub to_learners: reqwest::Client,
    /// Where its pods are found.
    pub pods: Arc<Cache<Pod>>,
    /// Told what is seen.
    pub figures: Running,
}

impl Watch {
    /// Looks for as long as somebody waits for it.
    pub async fn go_on(self) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look().await;
        }
    }

    async fn look(&self) {
        let own = self.pods.of(&self.namespace, &self.experiment);
        let mut samples = courses(&self.problem, &self.gatherer.newest());
        samples.extend(devices(&own));
        if let Ok(not_after) = self.identity.not_after() {
            let seconds = not_after.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
            samples.push(Sample(CERTIFICATE, Vec::new(), seconds));
        }
        for pod in own.iter().filter(|pod| !pods::has_role(pod, labels::TRAJECTORY)) {
            let [repetition, role] = [labels::REPETITION, labels::ROLE].map(|label| pod.labels().get(label).cloned());
            let (Some(repetition), Some(role)) = (repetition, role) else { continue };
            let page = match pods::address(pod, LEARNER_PORT) {
                Some(address) => metrics_page(&self.to_learners, &address, MAX_PAGE).await.ok(),
                None => None,
            };
            let page = page.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
            self.figures.learner(&repetition, &role, page);
            samples.push(Sample(RESTARTS, vec![repetition, role], f64::from(pods::restarts(pod).0)));
        }
        self.figures.watched(samples);
    }
}

/// Where running trajectories stand, in quantiles, and how fast they go.
fn courses(problem: &Problem, newest: &[Newest]) -> Vec<Sample> {
    let mut of_repetition: BTreeMap<u32, Vec<&Newest>> = BTreeMap::new();
    for one in newest {
        of_repetition.entry(one.key.repetition).or_default().push(one);
    }
    let mut samples = Vec::new();
    for (repetition, running) in of_repetition {
        let mut add = |figure: fn() -> Figure, name: &str, of: &dyn Fn(&Step) -> f64| {
            let values = quantiles(running.iter().map(|newest| of(&newest.step)), QUANTILES);
            for (q, value) in QUANTILES.into_iter().zip(values) {
                let labels = vec![repetition.to_string(), name.to_owned(), q.to_string()];
                samples.push(Sample(figure(), labels, value));
            }
        };
        for (place, metric) in problem.metrics.iter().enumerate() {
            add(|| METRIC, &metric.name, &|step| step.metrics[place]);
        }
        for (place, h) in problem.hyperparameters.iter().enumerate() {
            add(|| HYPERPARAMETER, &h.name, &|step| step.hyperparameters[place]);
        }
    }
    let mut seconds = newest.iter().filter_map(|newest| newest.seconds).peekable();
    if seconds.peek().is_some() {
        let [median] = quantiles(seconds, [0.5]);
        samples.push(Sample(STEP_SECONDS, Vec::new(), median));
    }
    let age = newest.iter().map(|newest| newest.age).max().unwrap_or_default();
    samples.push(Sample(STEP_AGE, Vec::new(), age.as_secs_f64()));
    samples
}

/// The devices that pods hold, by role and by whether their containers run.
fn devices(pods: &[Arc<Pod>]) -> Vec<Sample> {
    let mut held: BTreeMap<[&str; 3], u64> = BTreeMap::new();
    for pod in pods {
        let role = pod.labels().get(labels::ROLE).map_or("", String::as_str);
        let state = if pods::is_running(pod) { "running" } else { "waiting" };
        for (resource, count) in pods::devices(pod) {
            *held.entry([role, resource, state]).or_default() += count;
        }
    }
    held.into_iter().map(|(labels, count)| Sample(DEVICES, labels.map(str::to_owned).to_vec(), count as f64)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn pod(role: &str, phase: &str, node: Option<&str>, limits: &Value) -> Arc<Pod> {
        let containers = json!([{"name": "trainer", "resources": {"limits": limits}}, {"name": "other"}]);
        let mut pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "labels": {labels::ROLE: role}},
            "spec": {"nodeName": node, "containers": containers}, "status": {"phase": phase},
        }))
        .unwrap();
        pods::slim(&mut pod);
        Arc::new(pod)
    }

    #[test]
    fn devices_are_held_from_the_node_to_the_end_and_nothing_else_is_one() {
        let limits = json!({"nvidia.com/gpu": "2", "memory": "1Gi", "cpu": "1", "hugepages-2Mi": "4Mi"});
        let trainer = |phase, node| pod(labels::TRAJECTORY, phase, node, &limits);
        let pods = [
            trainer("Running", Some("a")),
            trainer("Running", Some("b")),
            trainer("Pending", Some("b")),
            trainer("Pending", None),
            trainer("Succeeded", Some("a")),
            pod(labels::POLICY_LEARNER, "Running", Some("a"), &json!({"nvidia.com/gpu": 1})),
        ];
        let held: Vec<(String, f64)> = devices(&pods).into_iter().map(|s| (s.1.join(" "), s.2)).collect();
        let expected = [
            ("policy-learner nvidia.com/gpu running", 1.0),
            ("trajectory nvidia.com/gpu running", 4.0),
            ("trajectory nvidia.com/gpu waiting", 2.0),
        ];
        assert_eq!(held, expected.map(|(labels, count)| (labels.to_owned(), count)));
    }
}
