//! Publishing: from the state of learning to an artifact that is kept and can be pushed to agents.

use bytes::Bytes;
use wire::artifact::{self, FORMAT, Header, Training};
use wire::settings::{Algorithm, LearnerConfig};

use super::{LearnedEpoch, Storage, Strategy};
use crate::LearnerError;

/// A policy as agents receive it.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its version.
    pub version: u64,
    /// The artifact.
    pub bytes: Bytes,
}

/// Keeps and gives the policy after `epoch` learned epochs. Its version is one more, or 1 where nothing is learned.
pub(crate) fn publish(
    config: &LearnerConfig,
    storage: &Storage,
    strategy: &Strategy,
    epoch: u32,
    learned: &[LearnedEpoch],
) -> Result<Published, LearnerError> {
    let version = if strategy.learns() { u64::from(epoch) + 1 } else { 1 };
    if let Some(bytes) = storage.load_policy(version)? {
        return Ok(Published { version, bytes: bytes.into() });
    }
    let (policy, tensors) = strategy.policy();
    let header = Header {
        format: FORMAT,
        experiment: config.experiment.clone(),
        uid: config.uid.clone(),
        repetition: config.repetition,
        version,
        policy,
        problem: config.problem.clone(),
        action_space: config.problem.action_space_hash(),
        training: training(config, learned),
    };
    let bytes = artifact::write(&header, &tensors)?;
    storage.save_policy(version, &bytes)?;
    Ok(Published { version, bytes: bytes.into() })
}

fn training(config: &LearnerConfig, learned: &[LearnedEpoch]) -> Training {
    let preset = match &config.algorithm {
        Algorithm::Ppo(settings) => settings.preset.as_str(),
        Algorithm::Simple(settings) => settings.preset.as_str(),
        _ => "",
    };
    let env_steps: u64 = learned.iter().map(|epoch| epoch.env_steps).sum();
    Training {
        algorithm: config.algorithm.name().to_owned(),
        preset: preset.to_owned(),
        epochs: learned.len() as u32,
        fte: env_steps as f64 / f64::from(config.problem.env_steps),
        objective: learned.last().and_then(|epoch| epoch.summary.mean),
    }
}
