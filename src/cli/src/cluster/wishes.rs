//! What people change about an experiment while it runs.

use api::TuningExperiment;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::access::Cluster;
use crate::output;

/// What a change is said to come from.
const MANAGER: &str = "kubectl-trainpilot";

/// A change of an experiment.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Wish {
    /// End all that runs of an experiment, and keep everything learned
    Suspend {
        /// Experiment
        name: String,
    },
    /// Let a suspended experiment go on where it was, and try again what had failed
    Resume {
        /// Experiment
        name: String,
    },
    /// Set how many trainings of an experiment run at once
    Scale {
        /// Experiment
        name: String,
        /// Trainings at once; 0 lets running ones end and starts none
        parallelism: u32,
    },
}

impl Wish {
    pub(super) async fn make(&self, cluster: &Cluster) -> anyhow::Result<()> {
        let (name, spec, sentence) = match self {
            Self::Suspend { name } => {
                (name, json!({"suspend": true}), "is suspended: its devices become free".to_owned())
            }
            Self::Resume { name } => (name, json!({"suspend": false}), "goes on".to_owned()),
            Self::Scale { name, parallelism } => {
                let sentence = format!("runs {parallelism} trainings at once");
                (name, json!({"parallelism": parallelism}), sentence)
            }
        };
        // A sentence of its own where there is none.
        cluster.experiment(name).await?;
        let change = Patch::Merge(json!({"spec": spec}));
        let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let changed = cluster.api::<TuningExperiment>().patch(name, &parameters, &change).await;
        changed.map_err(|error| cluster.refused("change TuningExperiments", error))?;
        output::print(&format!("{name} {sentence}\n"))
    }
}
