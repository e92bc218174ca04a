//! A policy that another experiment learned, applied as it is.

use bytes::Bytes;
use wire::artifact;
use wire::settings::{FrozenPolicy, LearnerConfig};

use super::Strategy;
use crate::LearnerError;
use crate::keep::locate;

/// The strategy that applies `policy`.
///
/// # Errors
/// If there is none, or another one than was meant, or it was learned for something else.
pub(super) async fn frozen(policy: &FrozenPolicy, config: &LearnerConfig) -> Result<Strategy, LearnerError> {
    let place = policy.place.replace("{repetition}", &config.repetition.to_string());
    let bytes = read(&place).await?;
    if let Some(wanted) = policy.sha256.as_ref().filter(|wanted| artifact::sha256(&bytes) != **wanted) {
        let sentence =
            format!("the policy in {place} has another SHA-256 than the {wanted} that its TuningPolicy says");
        return Err(LearnerError::Refused(sentence));
    }
    let (header, tensors) = artifact::read(&bytes)?;
    artifact::fits(&header.problem, &config.problem)
        .map_err(|misfit| LearnerError::Misfit { place, misfit: misfit.to_string() })?;
    Ok(Strategy::Still(header.policy, tensors))
}

async fn read(place: &str) -> Result<Bytes, LearnerError> {
    let (folder, name) = place.rsplit_once('/').unwrap_or((".", place));
    let found = locate(if folder.is_empty() { "/" } else { folder })?.get(name).await?;
    found.ok_or_else(|| LearnerError::Missing { place: place.to_owned() })
}
