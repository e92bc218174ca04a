//! Figures of experiments. Each part of what is known of one is replaced as a whole, and all of it goes with the experiment.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus::{GaugeVec, Opts, Registry};

use super::Described;

/// A figure: the end of its name, what tells its values apart besides namespace and experiment, and what it says.
pub struct Figure {
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
}

macro_rules! figures {
    ($($constant:ident = $name:literal, [$($label:literal),*], $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Figure = Figure { name: $name, labels: &[$($label),*], help: $help };
        )*
        /// All of them.
        const ALL: &[Figure] = &[$($constant),*];
    };
}

figures! {
    PHASE = "phase", ["repetition", "phase"], "1 for the phase that a repetition is in, 0 for the others.";
    TRAJECTORIES = "trajectories", ["repetition", "outcome"], "Trajectories by what became of them.";
    PLANNED = "trajectories_planned", ["repetition"], "Trajectories that a repetition is to have, the final evaluation included.";
    OBJECTIVE = "objective", ["repetition", "figure"], "Objective at the end of trajectories: mean of the last epoch, best of all.";
    EPOCHS = "epochs_over", ["repetition"], "Epochs that are over, the final evaluation included.";
    POLICY_VERSION = "policy_version", ["repetition"], "Version of the newest policy.";
    FTE = "fte", ["repetition"], "Full training equivalents that were really trained.";
    GATHER_LAG = "gather_lag_seconds", [], "Seconds since the running trajectory that was read longest ago was read.";
    METRIC = "metric", ["repetition", "metric", "quantile"], "Quantiles of a metric over the running trajectories, each at its newest env step.";
    HYPERPARAMETER = "hyperparameter", ["repetition", "hyperparameter", "quantile"], "The same of a hyperparameter, as it was asked for.";
    STEP_SECONDS = "env_step_seconds", [], "Seconds of an env step: the median over the running trajectories.";
    STEP_AGE = "env_step_age_seconds", [], "Seconds since the env step was gathered of the running trajectory that has waited longest for its next.";
    DEVICES = "devices", ["role", "resource", "state"], "Devices that pods hold: of those that run, and of those that wait, for an image say.";
    RESTARTS = "learner_restarts", ["repetition", "role"], "How often a learner's container was started again.";
    CERTIFICATE = "certificate_expiry_timestamp_seconds", [], "When the certificates run out that its pods know one another by, in seconds since 1970.";
}

/// Who says something of an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What was planned.
    Plan,
    /// What is gathered.
    Gathering,
    /// What is looked at now and then.
    Watch,
}

/// One value of a figure; the labels in the figure's order.
pub struct Sample(pub Figure, pub Vec<String>, pub f64);

type Known = BTreeMap<(String, String), BTreeMap<Part, Vec<Sample>>>;

/// What is known of all experiments.
#[derive(Default)]
pub(super) struct Experiments(Mutex<Known>);

impl Experiments {
    /// Replaces a part.
    pub fn put(&self, namespace: &str, experiment: &str, part: Part, samples: Vec<Sample>) {
        self.known().entry((namespace.to_owned(), experiment.to_owned())).or_default().insert(part, samples);
    }

    /// Forgets parts of an experiment.
    pub fn forget(&self, namespace: &str, experiment: &str, is_over: impl Fn(Part) -> bool) {
        let mut known = self.known();
        let key = (namespace.to_owned(), experiment.to_owned());
        let Some(parts) = known.get_mut(&key) else { return };
        parts.retain(|part, _| !is_over(*part));
        if parts.is_empty() {
            known.remove(&key);
        }
    }

    /// All of it, as gauges.
    ///
    /// # Errors
    /// If two figures have the same name.
    pub fn registry(&self) -> Result<Registry, prometheus::Error> {
        let registry = Registry::new();
        let gauges = ALL.iter().map(|figure| {
            let described = figure.described();
            let labels: Vec<&str> = described.labels.iter().map(String::as_str).collect();
            Ok((figure.name, GaugeVec::new(Opts::new(described.name, figure.help), &labels)?))
        });
        let gauges: BTreeMap<&str, GaugeVec> = gauges.collect::<Result<_, prometheus::Error>>()?;
        for ((namespace, experiment), parts) in self.known().iter() {
            for Sample(figure, labels, value) in parts.values().flatten() {
                let values: Vec<&String> = [namespace, experiment].into_iter().chain(labels).collect();
                gauges[figure.name].get_metric_with_label_values(&values)?.set(*value);
            }
        }
        gauges.into_values().try_for_each(|gauge| registry.register(Box::new(gauge)))?;
        Ok(registry)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Figure {
    fn described(&self) -> Described {
        let labels = ["namespace", "experiment"].iter().chain(self.labels).map(|label| (*label).to_owned());
        let name = format!("trainpilot_experiment_{}", self.name);
        Described { name, labels: labels.collect(), help: self.help.to_owned() }
    }
}

/// All of them, described.
pub(super) fn described() -> impl Iterator<Item = Described> {
    ALL.iter().map(Figure::described)
}
