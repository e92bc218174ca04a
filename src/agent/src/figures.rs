//! Prometheus figures for people; the control loop never depends on them.

use std::collections::HashMap;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{GaugeVec, Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};
use tuning::{Keep, Outcome, Problem, TrajectoryKey};
use wire::agent::AgentConfig;

use crate::session::Session;

/// Upper bounds of the decision histogram, in seconds.
const BUCKETS: [f64; 12] = [25e-6, 50e-6, 1e-4, 2e-4, 4e-4, 8e-4, 16e-4, 32e-4, 64e-4, 0.0256, 0.1024, 0.4096];

/// What an agent shows at `/metrics`. All but the histogram is read off the session when somebody asks.
#[derive(Debug)]
pub struct Figures {
    problem: &'static Problem,
    registry: Registry,
    steps: IntGauge,
    policy_version: IntGauge,
    newest_policy_version: IntGauge,
    metrics: GaugeVec,
    in_force: GaugeVec,
    applied: GaugeVec,
    outcome: GaugeVec,
    keeps: IntCounterVec,
    mismatches: IntCounterVec,
    decision_seconds: Histogram,
}

impl Figures {
    /// Figures of the attempt `key`, whose labels stand on each of them.
    pub fn new(config: &'static AgentConfig, key: TrajectoryKey) -> Result<Self, prometheus::Error> {
        let labels = [
            ("experiment", config.experiment.clone()),
            ("repetition", key.repetition.to_string()),
            ("epoch", key.epoch.to_string()),
            ("index", key.index.to_string()),
            ("attempt", key.attempt.to_string()),
        ];
        let labels: HashMap<_, _> = labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let registry = Registry::new_custom(Some("trainpilot_agent".to_owned()), Some(labels))?;
        let gauges = |name: &str, help: &str, label: &str| GaugeVec::new(Opts::new(name, help), &[label]);
        let counters = |name: &str, help: &str, label: &str| IntCounterVec::new(Opts::new(name, help), &[label]);
        let latency = HistogramOpts::new("decision_seconds", "What decisions took, waiting for a policy excluded.");
        let figures = Self {
            problem: &config.problem,
            steps: IntGauge::new("steps", "Steps recorded.")?,
            policy_version: IntGauge::new("policy_version", "Version of the policy that decided last.")?,
            newest_policy_version: IntGauge::new("newest_policy_version", "Version of the newest policy received.")?,
            metrics: gauges("metric", "What the trainer measured last.", "metric")?,
            in_force: gauges("hyperparameter", "What the trainer was told last.", "hyperparameter")?,
            applied: gauges("applied_hyperparameter", "What the trainer said was in force.", "hyperparameter")?,
            outcome: gauges("outcome", "1 for how the trajectory ended.", "outcome")?,
            keeps: counters("keeps_total", "Decisions in which the policy had no say.", "reason")?,
            mismatches: counters("mismatches_total", "Values that were not applied as told.", "hyperparameter")?,
            decision_seconds: Histogram::with_opts(latency.buckets(BUCKETS.to_vec()))?,
            registry,
        };
        figures.register()?;
        Ok(figures)
    }

    fn register(&self) -> Result<(), prometheus::Error> {
        let Self { steps, policy_version, metrics, in_force, applied, outcome, keeps, mismatches, .. } = self;
        let all: [Box<dyn Collector>; 10] = [
            Box::new(steps.clone()),
            Box::new(policy_version.clone()),
            Box::new(self.newest_policy_version.clone()),
            Box::new(metrics.clone()),
            Box::new(in_force.clone()),
            Box::new(applied.clone()),
            Box::new(outcome.clone()),
            Box::new(keeps.clone()),
            Box::new(mismatches.clone()),
            Box::new(self.decision_seconds.clone()),
        ];
        all.into_iter().try_for_each(|figure| self.registry.register(figure))
    }

    /// Counts a decision that took this long.
    pub fn decided(&self, took: Duration) {
        self.decision_seconds.observe(took.as_secs_f64());
    }

    /// The text for the present state of `session`, given the version of the newest policy received.
    pub fn text(&self, session: &Session, newest_policy: u64) -> Result<String, prometheus::Error> {
        self.newest_policy_version.set(newest_policy as i64);
        self.read(session);
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    fn read(&self, session: &Session) {
        let steps = session.steps();
        self.steps.set(steps.len() as i64);
        self.policy_version.set(session.policy_version() as i64);
        for (name, value) in session.in_force() {
            self.in_force.with_label_values(&[&name]).set(value);
        }
        if let Some(last) = steps.last() {
            for (metric, value) in self.problem.metrics.iter().zip(&last.metrics) {
                self.metrics.with_label_values(&[&metric.name]).set(*value);
            }
            for (h, value) in self.problem.hyperparameters.iter().zip(&last.applied) {
                self.applied.with_label_values(&[&h.name]).set(*value);
            }
        }
        for outcome in [Outcome::Completed, Outcome::Diverged] {
            let ended_so = session.outcome() == Some(outcome);
            self.outcome.with_label_values(&[outcome.as_str()]).set(f64::from(u8::from(ended_so)));
        }
        for keep in Keep::ALL {
            let kept = steps.iter().filter(|step| step.decision.as_ref().is_some_and(|d| d.keep == Some(keep))).count();
            raise(&self.keeps, keep.as_str(), kept as u64);
        }
        for (h, count) in self.problem.hyperparameters.iter().zip(session.mismatches()) {
            raise(&self.mismatches, &h.name, *count);
        }
    }
}

/// Brings a counter up to `count`, which never falls.
fn raise(counters: &IntCounterVec, label: &str, count: u64) {
    let counter = counters.with_label_values(&[label]);
    counter.inc_by(count.saturating_sub(counter.get()));
}
