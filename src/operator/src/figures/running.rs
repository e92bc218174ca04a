//! Figures of what runs of an experiment, shown for as long as somebody looks.

use std::sync::Arc;
use std::time::Duration;

use super::Figures;
use super::experiments::{GATHER_LAG, Part, Sample};

/// Somebody who looks at what runs of an experiment. What it told is not shown any more once it ends.
pub struct Running {
    figures: Arc<Figures>,
    namespace: String,
    experiment: String,
}

impl Running {
    /// Begins to look.
    pub fn new(figures: Arc<Figures>, namespace: &str, experiment: &str) -> Self {
        Self { figures, namespace: namespace.to_owned(), experiment: experiment.to_owned() }
    }

    /// Takes note of how long ago the running trajectory that was read longest ago was read.
    pub fn lags(&self, lag: Duration) {
        self.put(Part::Gathering, vec![Sample(GATHER_LAG, Vec::new(), lag.as_secs_f64())]);
    }

    /// Takes note of what was seen in looking at it now and then.
    pub fn watched(&self, samples: Vec<Sample>) {
        self.put(Part::Watch, samples);
    }

    /// Takes a learner's page of figures; none if it can't be asked.
    pub fn learner(&self, repetition: &str, role: &str, page: Option<&str>) {
        let key = [self.namespace.as_str(), self.experiment.as_str(), repetition, role].map(str::to_owned);
        self.figures.learners.put(key, page);
    }

    fn put(&self, part: Part, samples: Vec<Sample>) {
        self.figures.experiments.put(&self.namespace, &self.experiment, part, samples);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.figures.experiments.forget(&self.namespace, &self.experiment, |part| part != Part::Plan);
        self.figures.learners.forget(&self.namespace, &self.experiment);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_runs_is_shown_for_as_long_as_somebody_looks() {
        let figures = Arc::new(Figures::new().unwrap());
        let text = || figures.text().unwrap();
        let running = Running::new(Arc::clone(&figures), "space", "one");
        running.lags(Duration::from_millis(1500));
        running.learner("0", "policy-learner", Some("trainpilot_learner_fte 3\n"));
        let shown = r#"{experiment="one",namespace="space"} 1.5"#;
        assert!(text().contains(&format!("trainpilot_experiment_gather_lag_seconds{shown}")), "{}", text());
        assert!(text().contains("trainpilot_learner_fte{"), "{}", text());
        drop(running);
        assert!(!text().contains("one"), "{}", text());
    }
}
