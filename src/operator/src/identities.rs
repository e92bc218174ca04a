//! The identities of experiments: made once, kept in a Secret that goes away with the experiment.

use api::TuningExperiment;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use plan::render::{identity_in, secret, secret_name};
use wire::tls::{Authority, Identity, Role};

use crate::error::OperatorError;
use crate::writer::{Writer, failed};

/// Our identity in an experiment, whose Secret is made if there is none.
///
/// # Errors
/// If the Secret can't be read or made, or is not this experiment's.
pub async fn identity(writer: &Writer, experiment: &TuningExperiment) -> Result<Identity, OperatorError> {
    let uid = experiment.uid().unwrap_or_default();
    let name = secret_name(experiment);
    let api = writer.api::<Secret>(&experiment.namespace().unwrap_or_default());
    let read = async || api.get_opt(&name).await.map_err(|error| failed::<Secret>("read", &name, error));
    let found = match read().await? {
        Some(found) => found,
        None => {
            let authority = Authority::new(&uid)?;
            let issued = Role::ALL.into_iter().map(|role| authority.issue(role)).collect::<Result<Vec<_>, _>>()?;
            let made = secret(experiment, &issued);
            // If somebody else was faster, theirs counts.
            if writer.create(&made).await? { made } else { read().await?.unwrap_or(made) }
        }
    };
    let owned = found.owner_references().iter().any(|owner| owner.uid == uid);
    if !owned {
        return Err(OperatorError::Foreign { kind: "Secret".to_owned(), name });
    }
    Ok(identity_in(&found, Role::Operator)?)
}
