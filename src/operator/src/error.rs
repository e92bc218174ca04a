//! Why a round could not be finished. The next one begins anew, so nothing is remembered of it.

use plan::render::RenderError;
use wire::tls::TlsError;

/// Why a round could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The apiserver refused or did not answer.
    #[error("could not {verb} {kind} {name}")]
    Api {
        /// What was tried.
        verb: &'static str,
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// What was read is older than what we wrote.
    #[error("{kind} {name} is not seen yet as it was written")]
    Stale {
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The lease is somebody else's.
    #[error("another replica leads")]
    NotLeading,
    /// The experiment's identities are no such, or could not be made.
    #[error("the experiment's identities can't be used")]
    Identities(#[from] TlsError),
    /// No object can be made of what the experiment says.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// An object of this name belongs to somebody else.
    #[error("{kind} {name} exists and does not belong to the experiment")]
    Foreign {
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
    },
}

impl OperatorError {
    /// A word for labels of metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Api { .. } => "api",
            Self::Stale { .. } => "stale",
            Self::NotLeading => "not_leading",
            Self::Identities(_) => "identities",
            Self::Render(_) => "render",
            Self::Foreign { .. } => "foreign",
        }
    }
}
