//! The identities of experiments, kept in Secrets that go away with the experiment: made once, and issued anew by the same
//! authority long before they expire.

use std::time::SystemTime;

use api::TuningExperiment;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use plan::render::{authority_in, authority_secret, authority_secret_name, identity_in, secret, secret_name};
use serde_json::json;
use wire::tls::{Authority, Identity, LIFE, Role, TlsError};

use crate::error::OperatorError;
use crate::writer::{Writer, failed};

/// Our identity in an experiment, whose Secrets are made if there are none.
///
/// # Errors
/// If a Secret can't be read or made, or is not this experiment's.
pub async fn identity(writer: &Writer, experiment: &TuningExperiment) -> Result<Identity, OperatorError> {
    let name = secret_name(experiment);
    let found = match read(writer, experiment, &name).await? {
        Some(found) => found,
        None => {
            let made = secret(experiment, &issued(&authority(writer, experiment).await?)?);
            // If somebody else was faster, theirs counts.
            let ours = writer.create(&made).await?;
            if ours { made } else { read(writer, experiment, &name).await?.unwrap_or(made) }
        }
    };
    Ok(identity_in(&found, Role::Operator)?)
}

/// Whether an identity that expires at `not_after` is to be issued anew: the last third of its life is for whatever keeps that
/// from happening.
pub fn is_due(now: SystemTime, not_after: SystemTime) -> bool {
    now + LIFE / 3 >= not_after
}

/// Sees to it that the experiment's identities are not about to expire, and that we show ours. Pods find theirs replaced a
/// minute or two later, and need not be started anew.
///
/// # Errors
/// If a Secret can't be read or written.
pub async fn renew(writer: &Writer, experiment: &TuningExperiment, shown: &Identity) -> Result<(), OperatorError> {
    let Some(kept) = read(writer, experiment, &secret_name(experiment)).await? else { return Ok(()) };
    let held = identity_in(&kept, Role::Operator)?;
    if !is_due(SystemTime::now(), held.not_after()?) {
        // Whoever led before us was faster.
        return Ok(shown.renew(&held)?);
    }
    let fresh = issued(&kept_authority(writer, experiment).await?)?;
    let own = fresh.iter().find(|identity| identity.role() == Role::Operator).ok_or(TlsError::Name)?;
    // Before anything is written: under another authority nobody would understand anybody.
    shown.renew(own)?;
    writer.merge(&kept, &json!({"data": secret(experiment, &fresh).data})).await?;
    tracing::info!("identities were issued anew");
    Ok(())
}

/// The experiment's authority, which is made if there is none.
async fn authority(writer: &Writer, experiment: &TuningExperiment) -> Result<Authority, OperatorError> {
    let authority = Authority::new(&experiment.uid().unwrap_or_default())?;
    let ours = writer.create(&authority_secret(experiment, &authority)).await?;
    if ours { Ok(authority) } else { kept_authority(writer, experiment).await }
}

/// The experiment's authority as it was made.
async fn kept_authority(writer: &Writer, experiment: &TuningExperiment) -> Result<Authority, OperatorError> {
    let kept = read(writer, experiment, &authority_secret_name(experiment)).await?;
    let kept = kept.ok_or(TlsError::Pem("file of an authority"))?;
    Ok(authority_in(&kept, &experiment.uid().unwrap_or_default())?)
}

fn issued(authority: &Authority) -> Result<Vec<Identity>, TlsError> {
    Role::ALL.into_iter().map(|role| authority.issue(role)).collect()
}

/// A Secret of the experiment, if there is one of this name.
async fn read(writer: &Writer, experiment: &TuningExperiment, name: &str) -> Result<Option<Secret>, OperatorError> {
    let api = writer.api::<Secret>(&experiment.namespace().unwrap_or_default());
    let found = api.get_opt(name).await.map_err(|error| failed::<Secret>("read", name, error))?;
    let uid = experiment.uid().unwrap_or_default();
    let is_foreign = |secret: &Secret| secret.owner_references().iter().all(|owner| owner.uid != uid);
    if found.as_ref().is_some_and(is_foreign) {
        return Err(OperatorError::Foreign { kind: "Secret".to_owned(), name: name.to_owned() });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn identities_are_issued_anew_when_two_thirds_of_their_life_are_over() {
        let issued = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        let day = Duration::from_secs(24 * 3600);
        let due_after = |days: u32| is_due(issued + day * days, issued + LIFE);
        assert_eq!([0, 1, 59, 60, 61, 90, 200].map(due_after), [false, false, false, true, true, true, true]);
    }
}
