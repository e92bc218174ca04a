//! Publishing: from the state of learning to an artifact that is kept and can be pushed to agents, and to a copy of the last
//! one that others find.

use bytes::Bytes;
use wire::artifact::{self, FORMAT, Header, Training};
use wire::learner::Publication;
use wire::settings::{Algorithm, LearnerConfig};

use super::{LearnedEpoch, Storage, Strategy};
use crate::LearnerError;
use crate::keep::locate;

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

/// Leaves a copy where it is to be found, if anywhere. Repeating it changes nothing.
pub(crate) async fn hand_out(config: &LearnerConfig, published: &Published) -> Result<(), LearnerError> {
    let Some((folder, name)) = config.publish.as_ref().and_then(|place| place.rsplit_once('/')) else { return Ok(()) };
    Ok(locate(folder)?.put(name, published.bytes.clone()).await?)
}

/// What is told of that copy.
pub(crate) fn publication(config: &LearnerConfig, published: &Published) -> Option<Publication> {
    let place = config.publish.clone()?;
    Some(Publication { place, sha256: artifact::sha256(&published.bytes), version: published.version })
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
