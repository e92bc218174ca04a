//! What the operator shows of itself: `/healthz`, `/readyz` and `/metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api::TuningExperiment;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use gather::Counters;
use kube::ResourceExt;
use plan::Plan;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};

/// Upper bounds of a round's duration, in seconds.
const ROUND: [f64; 9] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];

/// The operator's figures. Every name begins with `trainpilot_operator_` or `trainpilot_experiment_`.
pub struct Figures {
    registry: Registry,
    ready: AtomicBool,
    rounds: Histogram,
    errors: IntCounterVec,
    gathered: [IntCounter; 3],
    failures: IntCounterVec,
    trajectories: IntGaugeVec,
    objective: GaugeVec,
    epochs: IntGaugeVec,
    versions: IntGaugeVec,
}

impl Figures {
    /// All figures at zero.
    ///
    /// # Errors
    /// If two of them had the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let rounds = HistogramOpts::new("trainpilot_operator_reconcile_seconds", "What rounds took.");
        let counter = |name: &str, help: &str| IntCounter::new(format!("trainpilot_operator_gathered_{name}"), help);
        let each = ["namespace", "experiment", "repetition"];
        let figures = Self {
            rounds: Histogram::with_opts(rounds.buckets(ROUND.to_vec()))?,
            errors: IntCounterVec::new(
                Opts::new("trainpilot_operator_reconcile_errors_total", "Rounds that failed."),
                &["error"],
            )?,
            gathered: [
                counter("pages_total", "Pages asked of agents.")?,
                counter("bytes_total", "Bytes of pages received whole.")?,
                counter("steps_total", "Steps handed to learners, repeated ones included.")?,
            ],
            failures: IntCounterVec::new(
                Opts::new("trainpilot_operator_gather_failures_total", "Attempts not gathered."),
                &["cause"],
            )?,
            trajectories: IntGaugeVec::new(
                Opts::new("trainpilot_experiment_trajectories", "Trajectories by what became of them."),
                &["namespace", "experiment", "repetition", "outcome"],
            )?,
            objective: GaugeVec::new(
                Opts::new(
                    "trainpilot_experiment_objective",
                    "Objective at the end of trajectories: mean of the last epoch, best of all.",
                ),
                &["namespace", "experiment", "repetition", "figure"],
            )?,
            epochs: IntGaugeVec::new(Opts::new("trainpilot_experiment_epochs_over", "Epochs that are over."), &each)?,
            versions: IntGaugeVec::new(
                Opts::new("trainpilot_experiment_policy_version", "Version of the newest policy."),
                &each,
            )?,
            ready: AtomicBool::new(false),
            registry,
        };
        figures.register()?;
        Ok(figures)
    }

    fn register(&self) -> Result<(), prometheus::Error> {
        let registry = &self.registry;
        registry.register(Box::new(self.rounds.clone()))?;
        registry.register(Box::new(self.errors.clone()))?;
        self.gathered.iter().try_for_each(|counter| registry.register(Box::new(counter.clone())))?;
        registry.register(Box::new(self.failures.clone()))?;
        registry.register(Box::new(self.trajectories.clone()))?;
        registry.register(Box::new(self.objective.clone()))?;
        registry.register(Box::new(self.epochs.clone()))?;
        registry.register(Box::new(self.versions.clone()))
    }

    /// Takes note of a round.
    pub fn reconciled(&self, took: Duration, error: Option<&str>) {
        self.rounds.observe(took.as_secs_f64());
        if let Some(error) = error {
            self.errors.with_label_values(&[error]).inc();
        }
    }

    /// Takes note of where an experiment stands.
    pub fn planned(&self, experiment: &TuningExperiment, plan: &Plan) {
        let (namespace, name) = (experiment.namespace().unwrap_or_default(), experiment.name_any());
        for status in &plan.status.repetitions {
            let repetition = status.repetition.to_string();
            let each = [namespace.as_str(), name.as_str(), repetition.as_str()];
            let with = |word| [each[0], each[1], each[2], word];
            let t = status.trajectories;
            for (word, number) in
                [("running", t.running), ("completed", t.completed), ("diverged", t.diverged), ("lost", t.lost)]
            {
                self.trajectories.with_label_values(&with(word)).set(number.into());
            }
            for (word, number) in [("mean", status.objective.mean), ("best", status.objective.best)] {
                self.objective.with_label_values(&with(word)).set(number.unwrap_or(f64::NAN));
            }
            self.epochs.with_label_values(&each).set(status.epochs_over.into());
            self.versions.with_label_values(&each).set(status.policy_version as i64);
        }
    }

    /// Forgets an experiment that is gone.
    pub fn forget(&self, namespace: &str, experiment: &str) {
        let own = |labels: &[prometheus::proto::LabelPair]| {
            let is =
                |name: &str, value: &str| labels.iter().any(|label| label.name() == name && label.value() == value);
            is("namespace", namespace) && is("experiment", experiment)
        };
        for family in self.registry.gather() {
            for labels in family.get_metric().iter().map(|metric| metric.get_label()).filter(|labels| own(labels)) {
                let values: std::collections::HashMap<&str, &str> =
                    labels.iter().map(|label| (label.name(), label.value())).collect();
                let _ = match family.name() {
                    "trainpilot_experiment_trajectories" => self.trajectories.remove(&values),
                    "trainpilot_experiment_objective" => self.objective.remove(&values),
                    "trainpilot_experiment_epochs_over" => self.epochs.remove(&values),
                    _ => self.versions.remove(&values),
                };
            }
        }
    }

    /// Takes note of what a sweep moved.
    pub fn gathered(&self, before: &Counters, after: &Counters) {
        let moved = [after.scrapes - before.scrapes, after.bytes - before.bytes, after.steps - before.steps];
        self.gathered.iter().zip(moved).for_each(|(counter, moved)| counter.inc_by(moved));
        for (cause, count) in &after.failures {
            let known = before.failures.get(cause).copied().unwrap_or(0);
            self.failures.with_label_values(&[cause]).inc_by(count - known);
        }
    }

    /// Says that it has begun to work, or stands by.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }
}

/// The routes.
pub fn router(figures: Arc<Figures>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(figures)
}

async fn ready(State(figures): State<Arc<Figures>>) -> (StatusCode, &'static str) {
    match figures.ready.load(Ordering::Relaxed) {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
    }
}

async fn metrics(State(figures): State<Arc<Figures>>) -> Result<String, (StatusCode, String)> {
    TextEncoder::new()
        .encode_to_string(&figures.registry.gather())
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}
