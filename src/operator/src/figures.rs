//! The operator's figures: one closed list of names, which `cargo xtask generate` writes down in `deploy/metrics.md`.

mod experiments;
mod pages;
mod running;
mod waiting;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api::{RepetitionPhase, TuningExperiment, meaning};
use gather::Counters;
use kube::ResourceExt;
use plan::Plan;
use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

use self::experiments::Experiments;
pub use self::experiments::{
    CERTIFICATE, DEVICES, Figure, HYPERPARAMETER, METRIC, RESTARTS, STEP_AGE, STEP_SECONDS, Sample,
};
use self::experiments::{EPOCHS, FTE, OBJECTIVE, PHASE, PLANNED, POLICY_VERSION, Part, TRAJECTORIES};
use self::pages::Pages;
pub use self::running::Running;
use self::waiting::Waiting;

/// Upper bounds of a round's duration, in seconds.
const ROUND: [f64; 9] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];

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
    experiments: Experiments,
    learners: Pages,
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
        let rounds = HistogramOpts::new("trainpilot_operator_reconcile_seconds", "What rounds took.");
        let queue = "Experiments that something has changed of since their last round began.";
        let queue = Opts::new("trainpilot_operator_queue_depth", queue);
        let leading =
            Opts::new("trainpilot_operator_leading", "1 while this replica holds the lease, 0 while it waits for it.");
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
            experiments: Experiments::default(),
            learners: Pages::default(),
            ready: AtomicBool::new(false),
            registry: Registry::new(),
        };
        figures.collectors().into_iter().try_for_each(|collector| figures.registry.register(collector))?;
        Ok(figures)
    }

    fn collectors(&self) -> [Box<dyn Collector>; 8] {
        [
            Box::new(self.rounds.clone()),
            Box::new(self.errors.clone()),
            Box::new(self.queue.clone()),
            Box::new(self.leading.clone()),
            Box::new(self.requests.clone()),
            Box::new(self.writes.clone()),
            Box::new(self.gathered.clone()),
            Box::new(self.failures.clone()),
        ]
    }

    /// All of them, described; learners' own come besides.
    pub fn described(&self) -> Vec<Described> {
        let collectors = self.collectors();
        let descriptions = collectors.iter().flat_map(|collector| collector.desc());
        let described = |description: &prometheus::core::Desc| Described {
            name: description.fq_name.clone(),
            labels: description.variable_labels.clone(),
            help: description.help.clone(),
        };
        descriptions.map(described).chain(experiments::described()).collect()
    }

    /// As Prometheus text.
    ///
    /// # Errors
    /// If they contradict one another.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let mut families = self.registry.gather();
        families.extend(self.experiments.registry()?.gather());
        Ok(TextEncoder::new().encode_to_string(&families)? + &self.learners.text())
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
        let sizes = meaning::epoch_sizes(&meaning::algorithm(&experiment.spec));
        let evaluated = experiment.spec.final_evaluation.trajectories;
        let planned = f64::from(sizes.iter().sum::<u32>() + evaluated);
        let mut samples = Vec::new();
        for status in &plan.status.repetitions {
            let repetition = status.repetition.to_string();
            let mut add = |figure, more: Option<&str>, value| {
                samples.push(Sample(
                    figure,
                    [Some(repetition.as_str()), more].into_iter().flatten().map(str::to_owned).collect(),
                    value,
                ));
            };
            let t = status.trajectories;
            let outcomes =
                [("running", t.running), ("completed", t.completed), ("diverged", t.diverged), ("lost", t.lost)];
            outcomes.into_iter().for_each(|(word, number)| add(TRAJECTORIES, Some(word), f64::from(number)));
            for (word, number) in [("mean", status.objective.mean), ("best", status.objective.best)] {
                add(OBJECTIVE, Some(word), number.unwrap_or(f64::NAN));
            }
            PHASES.iter().for_each(|(phase, word)| add(PHASE, Some(word), f64::from(u8::from(*phase == status.phase))));
            add(PLANNED, None, planned);
            add(EPOCHS, None, f64::from(status.epochs_over));
            add(POLICY_VERSION, None, status.policy_version as f64);
            add(FTE, None, status.fte);
        }
        self.experiments.put(&namespace, &name, Part::Plan, samples);
    }

    /// Forgets an experiment that is gone.
    pub fn forget(&self, namespace: &str, experiment: &str) {
        self.experiments.forget(namespace, experiment, |_| true);
        self.learners.forget(namespace, experiment);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_experiment_that_is_gone_is_not_shown_any_more() {
        let figures = Figures::new().unwrap();
        for experiment in ["one", "two"] {
            let phase = Sample(PHASE, vec!["0".to_owned(), "Learning".to_owned()], 1.0);
            figures.experiments.put("space", experiment, Part::Plan, vec![phase]);
        }
        figures.forget("space", "one");
        let text = figures.text().unwrap();
        assert!(text.contains("experiment=\"two\"") && !text.contains("experiment=\"one\""), "{text}");
    }
}
