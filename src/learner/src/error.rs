//! What can go wrong in a learner.

use std::path::PathBuf;

/// Why a learner can't do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LearnerError {
    /// Its storage can't be read or written.
    #[error("storage: {path}")]
    Storage {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A place can't be understood.
    #[error("{place} can't be reached")]
    Place {
        /// Folder or URL.
        place: String,
        /// Why.
        source: dataset::LocationError,
    },
    /// An object store can't be read or written.
    #[error("object store")]
    Store(#[from] dataset::StoreError),
    /// Something that a restart needs is gone.
    #[error("{place} is missing")]
    Missing {
        /// Path or URL.
        place: String,
    },
    /// What was to be stored together with others could not be.
    #[error("{0}")]
    Unstored(String),
    /// A file of its storage is not what it should be.
    #[error("{place} is not readable as {expected}")]
    Corrupt {
        /// Path or URL.
        place: String,
        /// What it should have been.
        expected: &'static str,
        /// Why it is not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another process serves the same storage.
    #[error("{0} is in use by another learner")]
    InUse(PathBuf),
    /// Its storage is another's.
    #[error("{place} has what {held} learned, not {wanted}: expected an empty place, or the experiment's own")]
    Foreign {
        /// Folder or URL.
        place: String,
        /// Whose it is.
        held: String,
        /// Who wanted it.
        wanted: String,
    },
    /// The dataset can't be read or written.
    #[error("dataset")]
    Dataset(#[from] dataset::DatasetError),
    /// The epoch being gathered can't be read or written.
    #[error("journal")]
    Spool(#[from] dataset::SpoolError),
    /// What was sent contradicts what is stored, or does not fit the experiment.
    #[error("refused")]
    Contradiction(#[from] dataset::GatherError),
    /// The networks can't go on.
    #[error("learning")]
    Learn(#[from] learn::LearnError),
    /// A checkpoint or a world model can't be gone on from.
    #[error("checkpoint or world model")]
    Checkpoint(#[from] learn::CheckpointError),
    /// An artifact can't be used.
    #[error("policy artifact")]
    Artifact(#[from] wire::artifact::ArtifactError),
    /// A published policy was learned for something else.
    #[error("the policy in {place} does not fit this experiment: {misfit}")]
    Misfit {
        /// Path or URL of the artifact.
        place: String,
        /// What differs.
        misfit: String,
    },
    /// A table of curves can't be read.
    #[error("table")]
    Table(#[from] dataset::TableError),
    /// A table of curves can't be understood.
    #[error("curves")]
    Curves(#[from] crate::CurveError),
    /// A fault of ours, or libtorch ran out of memory.
    #[error("learning broke off: {0}")]
    Panic(String),
    /// The experiment has no world model.
    #[error("algorithm {0} has no world model: expected simple")]
    NoWorldModel(&'static str),
    /// A certificate can't be used.
    #[error("TLS")]
    Tls(#[from] wire::tls::TlsError),
    /// An order or steps that contradict what is known.
    #[error("{0}")]
    Refused(String),
}
