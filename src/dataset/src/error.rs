//! What can go wrong with a dataset.

use crate::{FORMAT, METADATA_KEY, RecordError, location::LocationError};
use tuning::TrajectoryKey;

/// Why a dataset could not be read or written. Every message names the place.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The place can't hold a dataset.
    #[error("{location:?} can't hold a dataset")]
    Location {
        /// What was given.
        location: String,
        /// Why.
        source: LocationError,
    },
    /// The store failed.
    #[error("can't {what} {file}")]
    Store {
        /// Verb: what was tried.
        what: &'static str,
        /// File or folder.
        file: String,
        /// What the store said.
        source: object_store::Error,
    },
    /// A segment is there but is not one of this dataset, or not a whole one.
    #[error("{file} is no segment of this dataset")]
    Segment {
        /// Its file.
        file: String,
        /// What is wrong with it.
        source: Fault,
    },
    /// There is nothing to begin with.
    #[error("{place} holds no trajectory to learn from: expected a dataset, or the folder of a run")]
    Empty {
        /// Folder or URL.
        place: String,
    },
    /// An epoch is committed already, with other content.
    #[error("{file} is committed with other content (SHA-256 {theirs}) than was to be committed now ({ours})")]
    Conflict {
        /// Its file.
        file: String,
        /// Hash of what was to be committed.
        ours: String,
        /// Hash of what is there.
        theirs: String,
    },
    /// What was to be committed is not an epoch.
    #[error("can't commit {file}: trajectory {key:?} {what}")]
    Content {
        /// Its file.
        file: String,
        /// The trajectory at fault.
        key: TrajectoryKey,
        /// What is wrong with it, to be read after it.
        what: &'static str,
    },
    /// A step of what was to be committed does not fit the problem.
    #[error("can't commit {file}")]
    Step {
        /// Its file.
        file: String,
        /// What does not fit.
        source: RecordError,
    },
    /// The Parquet library refused to write.
    #[error("can't encode {file}")]
    Encode {
        /// Its file.
        file: String,
        /// What it said.
        source: parquet::errors::ParquetError,
    },
}

/// What is wrong with a file that should be a segment.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It is no whole Parquet file.
    #[error("it is not a whole Parquet file")]
    Parquet(#[source] parquet::errors::ParquetError),
    /// Its bytes are not those that were written.
    #[error("it is damaged: its {0}")]
    Damaged(&'static str),
    /// The columns of a decision contradict each other.
    #[error("its {0} do not fit the decisions")]
    Decision(&'static str),
    /// It is somebody else's Parquet file.
    #[error("its metadata has no key {METADATA_KEY:?}")]
    Unmarked,
    /// It was written by another version of this program.
    #[error("it has format {found}; this program reads format {FORMAT}")]
    Format {
        /// Version found.
        found: u32,
    },
    /// Its header can't be understood.
    #[error("its header can't be understood: {0}")]
    Header(String),
    /// It belongs elsewhere.
    #[error("its {what} is {found:?}, not {wanted:?}")]
    Foreign {
        /// What differs.
        what: &'static str,
        /// What it says.
        found: String,
        /// What this dataset is.
        wanted: String,
    },
    /// A column is missing or has another type.
    #[error("column {place} should be {wanted}")]
    Column {
        /// Place, from 0.
        place: usize,
        /// Name and type.
        wanted: String,
    },
    /// Its rows contradict its header.
    #[error("row {row} is not where its header says: {what}")]
    Row {
        /// Row, from 0.
        row: usize,
        /// What does not fit.
        what: String,
    },
}
