//! `trainpilot-operator wait`: the end of one experiment, for `helm test` and for pipelines.

use std::time::Duration;

use anyhow::{Context, bail};
use api::TuningExperiment;
use clap::Args;
use kube::runtime::wait::await_condition;
use kube::{Api, Client};

/// Waits until an experiment is complete; fails when it failed, or was not there in time.
#[derive(Args)]
pub struct Wait {
    /// Name of the experiment.
    name: String,
    /// Its namespace.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    namespace: String,
    /// How long to wait.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout_seconds: u64,
}

impl Wait {
    /// Waits, and prints what came out.
    ///
    /// # Errors
    /// If the experiment failed, was removed, is not over in time, or can't be read.
    pub async fn run(&self, client: Client) -> anyhow::Result<()> {
        let Self { name, namespace, timeout_seconds } = self;
        let experiments: Api<TuningExperiment> = Api::namespaced(client, namespace);
        // Read once first: watches go on for ever where nothing may be read.
        experiments.get(name).await.with_context(|| format!("can't read experiment {namespace}/{name}"))?;
        let ended = await_condition(experiments.clone(), name, |seen: Option<&TuningExperiment>| {
            seen.is_none_or(|seen| end(seen).is_some())
        });
        let ended = tokio::time::timeout(Duration::from_secs(*timeout_seconds), ended).await;
        let experiment = match ended {
            Ok(experiment) => experiment.context("the experiment can't be watched")?,
            Err(_) => Some(experiments.get(name).await?),
        };
        let experiment = experiment.with_context(|| format!("experiment {namespace}/{name} was removed"))?;
        let status = serde_json::to_string_pretty(&experiment.status)?;
        println!("{status}");
        match end(&experiment) {
            Some("Complete") => Ok(()),
            Some(_) => bail!("experiment {namespace}/{name} failed"),
            None => bail!("experiment {namespace}/{name} was not complete after {timeout_seconds} s"),
        }
    }
}

/// How an experiment ended: `Complete` or `Failed`.
fn end(experiment: &TuningExperiment) -> Option<&str> {
    let conditions = &experiment.status.as_ref()?.conditions;
    let ends = |type_: &str| matches!(type_, "Complete" | "Failed");
    let condition = conditions.iter().find(|condition| ends(&condition.type_) && condition.status == "True")?;
    Some(&condition.type_)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn with(conditions: &Value) -> TuningExperiment {
        let text = include_str!("../../../examples/curves-ppo.yaml");
        let mut experiment: Value = serde_saphyr::from_str(text).unwrap();
        experiment["status"] = json!({"phase": "Running", "conditions": conditions});
        serde_json::from_value(experiment).unwrap()
    }

    fn condition(type_: &str, status: &str) -> Value {
        json!({"type": type_, "status": status, "reason": "X", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"})
    }

    #[test]
    fn it_is_over_once_a_condition_says_so() {
        assert_eq!(end(&with(&json!([]))), None);
        assert_eq!(end(&with(&json!([condition("Progressing", "True"), condition("Complete", "False")]))), None);
        assert_eq!(end(&with(&json!([condition("Complete", "True")]))), Some("Complete"));
        assert_eq!(end(&with(&json!([condition("Complete", "False"), condition("Failed", "True")]))), Some("Failed"));
    }
}
