//! An agent's figures, read off its page for Prometheus.

use std::collections::BTreeMap;

use wire::exposition::{Limits, samples};

/// What one agent shows.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Page {
    /// Observations recorded.
    pub(super) steps: Option<f64>,
    /// Version of the policy that decided last.
    pub(super) policy_version: Option<f64>,
    metrics: BTreeMap<String, f64>,
    hyperparameters: BTreeMap<String, f64>,
}

impl Page {
    /// Reads a page; what is not known is passed over.
    ///
    /// # Errors
    /// If it is none of Prometheus'.
    pub(super) fn read(page: &[u8]) -> anyhow::Result<Self> {
        let mut read = Self::default();
        for sample in samples(page, &Limits::default())? {
            let sample = sample?;
            let value: f64 = sample.value.parse()?;
            let label = |name: &str| {
                let found = sample.labels.iter().find(|(label, _)| *label == name);
                found.map(|(_, value)| value.clone().into_owned()).unwrap_or_default()
            };
            match sample.name {
                "trainpilot_agent_steps" => read.steps = Some(value),
                "trainpilot_agent_policy_version" => read.policy_version = Some(value),
                "trainpilot_agent_metric" => drop(read.metrics.insert(label("metric"), value)),
                "trainpilot_agent_hyperparameter" => drop(read.hyperparameters.insert(label("hyperparameter"), value)),
                _ => {}
            }
        }
        Ok(read)
    }

    /// What was measured last.
    pub(super) fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.get(name).copied()
    }

    /// What the trainer was told last.
    pub(super) fn hyperparameter(&self, name: &str) -> Option<f64> {
        self.hyperparameters.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn figures_are_read_off_an_agents_page() {
        let page = Page::read(
            b"# HELP trainpilot_agent_steps Steps recorded.\n# TYPE trainpilot_agent_steps gauge\n\
              trainpilot_agent_steps{epoch=\"1\",index=\"3\"} 4\ntrainpilot_agent_policy_version{epoch=\"1\"} 2\n\
              trainpilot_agent_metric{epoch=\"1\",metric=\"validation_loss\"} 0.25\n\
              trainpilot_agent_hyperparameter{hyperparameter=\"learning_rate\"} 1e-3\nother{x=\"y\"} 1\n",
        );
        let page = page.unwrap();
        assert_eq!((page.steps, page.policy_version), (Some(4.0), Some(2.0)));
        assert_eq!(page.metric("validation_loss"), Some(0.25));
        assert_eq!(page.hyperparameter("learning_rate"), Some(1e-3));
        assert_eq!(page.metric("learning_rate"), None);
        assert!(Page::read(b"<html>\n").is_err());
    }
}
