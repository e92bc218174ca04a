//! The operator's figures: one closed list of names, which `cargo xtask generate` writes down in `deploy/metrics.md`.

mod waiting;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api::{RepetitionPhase, TuningExperiment};
use gather::Counters;
use kube::ResourceExt;
use plan::Plan;
use prometheus::core::Collector;
use prometheus::proto::LabelPair;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use self::waiting::Waiting;

/// Upper bounds of a round's duration, in seconds.
const ROUND: [f64; 9] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];
/// What tells experiments apart.
const EACH: [&str; 3] = ["namespace", "experiment", "repetition"];

/// The operator's figures.
pub struct Figures {
    registry: Registry,
    ready: AtomicBool,
    rounds: Histogram,
    errors: IntCounterVec,
    /// Experiments whose round has not begun yet, and how many they are.
    waiting: Waiting,
    queue: IntGauge,
    leading: IntGauge,
    requests: IntCounterVec,
    writes: IntCounterVec,
    gathered: IntCounterVec,
    failures: IntCounterVec,
    lag: GaugeVec,
    trajectories: IntGaugeVec,
    objective: GaugeVec,
    epochs: IntGaugeVec,
    versions: IntGaugeVec,
    phases: IntGaugeVec,
}

/// A figure as it is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: String,
    /// What tells its values apart.
    pub labels: Vec<String>,
    /// What it says.
    pub help: String,
}

impl Figures {
    /// All figures at zero.
    ///
    /// # Errors
    /// If two of them had the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(format!("trainpilot_operator_{name}_total"), help), labels)
        };
        let gauge = |name: &str, help: &str, more: &[&str]| {
            IntGaugeVec::new(Opts::new(format!("trainpilot_experiment_{name}"), help), &[&EACH[..], more].concat())
        };
        let rounds = HistogramOpts::new("trainpilot_operator_reconcile_seconds", "What rounds took.");
        let queue = "Experiments that something has changed of since their last round began.";
        let queue = Opts::new("trainpilot_operator_queue_depth", queue);
        let leading =
            Opts::new("trainpilot_operator_leading", "1 while this replica holds the lease, 0 while it waits for it.");
        let lag = "Seconds since the running trajectory that was read longest ago was read.";
        let lag = Opts::new("trainpilot_experiment_gather_lag_seconds", lag);
        let objective = "Objective at the end of trajectories: mean of the last epoch, best of all.";
        let objective = Opts::new("trainpilot_experiment_objective", objective);
        let figures = Self {
            rounds: Histogram::with_opts(rounds.buckets(ROUND.to_vec()))?,
            errors: counter("reconcile_errors", "Rounds that failed, by kind of error.", &["error"])?,
            waiting: Waiting::default(),
            queue: IntGauge::with_opts(queue)?,
            leading: IntGauge::with_opts(leading)?,
            requests: counter(
                "requests",
                "Requests to the apiserver, watches included; `none` where there was no answer.",
                &["verb", "code"],
            )?,
            writes: counter(
                "writes",
                "Requests to change something, by what came of them.",
                &["verb", "kind", "outcome"],
            )?,
            gathered: counter("gathered", "Pages, bytes and steps that came from agents.", &["unit"])?,
            failures: counter(
                "gather_failures",
                "Attempts that could not be gathered for the time being.",
                &["cause"],
            )?,
            lag: GaugeVec::new(lag, &EACH[..2])?,
            trajectories: gauge("trajectories", "Trajectories by what became of them.", &["outcome"])?,
            objective: GaugeVec::new(objective, &[&EACH[..], &["figure"]].concat())?,
            epochs: gauge("epochs_over", "Epochs that are over, the final evaluation included.", &[])?,
            versions: gauge("policy_version", "Version of the newest policy.", &[])?,
            phases: gauge("phase", "1 for the phase that a repetition is in, 0 for the others.", &["phase"])?,
            ready: AtomicBool::new(false),
            registry: Registry::new(),
        };
        figures.collectors().into_iter().try_for_each(|collector| figures.registry.register(collector))?;
        Ok(figures)
    }

    fn collectors(&self) -> [Box<dyn Collector>; 14] {
        [
            Box::new(self.rounds.clone()),
            Box::new(self.errors.clone()),
            Box::new(self.queue.clone()),
            Box::new(self.leading.clone()),
            Box::new(self.requests.clone()),
            Box::new(self.writes.clone()),
            Box::new(self.gathered.clone()),
            Box::new(self.failures.clone()),
            Box::new(self.lag.clone()),
            Box::new(self.trajectories.clone()),
            Box::new(self.objective.clone()),
            Box::new(self.epochs.clone()),
            Box::new(self.versions.clone()),
            Box::new(self.phases.clone()),
        ]
    }

    /// All of them, described.
    pub fn described(&self) -> Vec<Described> {
        let collectors = self.collectors();
        let descriptions = collectors.iter().flat_map(|collector| collector.desc());
        let described = |description: &prometheus::core::Desc| Described {
            name: description.fq_name.clone(),
            labels: description.variable_labels.clone(),
            help: description.help.clone(),
        };
        descriptions.map(described).collect()
    }

    /// As Prometheus text.
    ///
    /// # Errors
    /// If they contradict one another.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// Takes note that this replica leads: one that does no more ends.
    pub fn leads(&self) {
        self.leading.set(1);
    }

    /// Takes note that an experiment waits for a round, since something of it has changed.
    pub fn touched(&self, namespace: &str, experiment: &str) {
        self.queue.set(self.waiting.enter(namespace, experiment));
    }

    /// Takes note that it waits no more.
    pub fn begun(&self, namespace: &str, experiment: &str) {
        self.queue.set(self.waiting.leave(namespace, experiment));
    }

    /// Takes note of a round.
    pub fn reconciled(&self, took: Duration, error: Option<&str>) {
        self.rounds.observe(took.as_secs_f64());
        if let Some(error) = error {
            self.errors.with_label_values(&[error]).inc();
        }
    }

    /// Takes note of a request to the apiserver, and of the status of its answer.
    pub fn requested(&self, verb: &str, code: Option<u16>) {
        let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        self.requests.with_label_values(&[verb, code.as_str()]).inc();
    }

    /// Takes note of a request to change something.
    pub fn wrote(&self, verb: &str, kind: &str, outcome: &str) {
        self.writes.with_label_values(&[verb, kind, outcome]).inc();
    }

    /// Takes note of where an experiment stands.
    pub fn planned(&self, experiment: &TuningExperiment, plan: &Plan) {
        let (namespace, name) = (experiment.namespace().unwrap_or_default(), experiment.name_any());
        for status in &plan.status.repetitions {
            let repetition = status.repetition.to_string();
            let each = [namespace.as_str(), name.as_str(), repetition.as_str()];
            let with = |word| [each[0], each[1], each[2], word];
            let t = status.trajectories;
            let outcomes =
                [("running", t.running), ("completed", t.completed), ("diverged", t.diverged), ("lost", t.lost)];
            for (word, number) in outcomes {
                self.trajectories.with_label_values(&with(word)).set(number.into());
            }
            for (word, number) in [("mean", status.objective.mean), ("best", status.objective.best)] {
                self.objective.with_label_values(&with(word)).set(number.unwrap_or(f64::NAN));
            }
            for (phase, word) in PHASES {
                self.phases.with_label_values(&with(word)).set((phase == status.phase).into());
            }
            self.epochs.with_label_values(&each).set(status.epochs_over.into());
            self.versions.with_label_values(&each).set(status.policy_version as i64);
        }
    }

    /// Forgets an experiment that is gone.
    pub fn forget(&self, namespace: &str, experiment: &str) {
        for family in self.registry.gather() {
            let own = family
                .get_metric()
                .iter()
                .map(|metric| metric.get_label())
                .filter(|labels| is(labels, "namespace", namespace) && is(labels, "experiment", experiment));
            for labels in own {
                let values: HashMap<&str, &str> = labels.iter().map(|label| (label.name(), label.value())).collect();
                // It was gathered just now; that somebody else was faster is all that could go wrong.
                let _ = match family.name() {
                    "trainpilot_experiment_trajectories" => self.trajectories.remove(&values),
                    "trainpilot_experiment_objective" => self.objective.remove(&values),
                    "trainpilot_experiment_epochs_over" => self.epochs.remove(&values),
                    "trainpilot_experiment_phase" => self.phases.remove(&values),
                    "trainpilot_experiment_gather_lag_seconds" => self.lag.remove(&values),
                    _ => self.versions.remove(&values),
                };
            }
        }
    }

    /// Takes note of how long ago the running trajectory that was read longest ago was read.
    pub fn lags(&self, namespace: &str, experiment: &str, lag: Duration) {
        self.lag.with_label_values(&[namespace, experiment]).set(lag.as_secs_f64());
    }

    /// Takes note of what a sweep moved.
    pub fn gathered(&self, before: &Counters, after: &Counters) {
        let units = [
            ("pages", after.scrapes - before.scrapes),
            ("bytes", after.bytes - before.bytes),
            ("steps", after.steps - before.steps),
        ];
        units.iter().for_each(|(unit, moved)| self.gathered.with_label_values(&[unit]).inc_by(*moved));
        for (cause, count) in &after.failures {
            let known = before.failures.get(cause).copied().unwrap_or(0);
            self.failures.with_label_values(&[cause]).inc_by(count - known);
        }
    }

    /// Says that it has begun to work, or stands by.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// Whether it has.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

/// Every phase of a repetition.
const PHASES: [(RepetitionPhase, &str); 6] = [
    (RepetitionPhase::Pending, "Pending"),
    (RepetitionPhase::Gathering, "Gathering"),
    (RepetitionPhase::Learning, "Learning"),
    (RepetitionPhase::Evaluating, "Evaluating"),
    (RepetitionPhase::Complete, "Complete"),
    (RepetitionPhase::Failed, "Failed"),
];

fn is(labels: &[LabelPair], name: &str, value: &str) -> bool {
    labels.iter().any(|label| label.name() == name && label.value() == value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_experiment_that_is_gone_is_not_shown_any_more() {
        let figures = Figures::new().unwrap();
        for experiment in ["one", "two"] {
            figures.epochs.with_label_values(&["space", experiment, "0"]).set(3);
            figures.phases.with_label_values(&["space", experiment, "0", "Learning"]).set(1);
            figures.lags("space", experiment, Duration::from_millis(1500));
        }
        figures.forget("space", "one");
        let text = figures.text().unwrap();
        assert!(text.contains("experiment=\"two\"") && !text.contains("experiment=\"one\""), "{text}");
    }
}
