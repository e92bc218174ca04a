//! The identities of experiments: made once, kept in a Secret that goes away with the experiment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use api::TuningExperiment;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use plan::render::{identity_in, secret, secret_name};
use wire::tls::{Authority, Identity, Role};

use crate::error::OperatorError;
use crate::writer::{Writer, failed};

/// Our own identity in each experiment, by the experiment's unique id.
#[derive(Default)]
pub struct Identities {
    known: Mutex<HashMap<String, Arc<Identity>>>,
}

impl Identities {
    /// Our identity in an experiment, whose Secret is made if there is none.
    ///
    /// # Errors
    /// If the Secret can't be read or made, or is not this experiment's.
    pub async fn of(&self, writer: &Writer, experiment: &TuningExperiment) -> Result<Arc<Identity>, OperatorError> {
        let uid = experiment.uid().unwrap_or_default();
        if let Some(identity) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&uid) {
            return Ok(Arc::clone(identity));
        }
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
        let identity = Arc::new(identity_in(&found, Role::Operator)?);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(uid, Arc::clone(&identity));
        Ok(identity)
    }

    /// Forgets an experiment.
    pub fn forget(&self, uid: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}
