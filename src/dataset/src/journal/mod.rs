//! The journal: keeps the epoch being gathered until it is committed. A file on a disk, or many small objects on a store.

mod file;
mod parts;

use std::io;
use std::path::{Path, PathBuf};

use tokio::runtime::Handle;

use crate::store::StoreError;
use crate::{Location, Record};
use file::FileJournal;
use parts::PartJournal;

/// The journal of one epoch: each append is durable, whole, or not there at all. Calls block.
#[derive(Debug)]
pub enum Journal {
    /// A file.
    File(FileJournal),
    /// Objects on a store.
    Parts(PartJournal),
}

/// Why a journal could not be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused.
    #[error("can't {what} {path}", path = path.display())]
    Io {
        /// Verb: what was tried.
        what: &'static str,
        /// The file or its folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no journal, or one of another version.
    #[error("{path} is no journal of this version", path = path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged before its end, which no crash explains.
    #[error("{path} is damaged at byte {offset}: {what}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What was found.
        what: String,
    },
    /// More was to be appended at once than a journal takes.
    #[error("can't append {bytes} bytes to {path} at once", path = path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Bytes of the records.
        bytes: usize,
    },
    /// An object store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody else has appended since this journal was last read.
    #[error("{journal} was appended to by somebody else; it is read again")]
    Overtaken {
        /// Where it is.
        journal: String,
    },
}

impl Journal {
    /// Opens `dir/journal/epoch-NNNNNN.log`, or makes it. An append that a crash cut short is dropped.
    pub fn open(dir: &Path, epoch: u32) -> Result<Self, JournalError> {
        Ok(Self::File(FileJournal::open(dir, epoch)?))
    }

    /// The one at `location/journal/epoch-NNNNNN/`, an object for each append, which [`Journal::records`] is to read before
    /// anything is appended. Its calls wait within `runtime`, so they must not be made by its own tasks.
    pub fn on_store(location: &Location, epoch: u32, runtime: &Handle) -> Self {
        Self::Parts(PartJournal::new(location, epoch, runtime))
    }

    /// Appends `records` and waits until they are durable. After an error a later append may succeed, and nothing of them is
    /// there, except that on a store they may turn up late: that is then [`JournalError::Overtaken`].
    pub fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        match self {
            _ if records.is_empty() => Ok(()),
            Self::File(file) => file.append(records),
            Self::Parts(parts) => parts.append(records),
        }
    }

    /// Everything appended, in order.
    pub fn records(&mut self) -> Result<Vec<Record>, JournalError> {
        match self {
            Self::File(file) => file.records(),
            Self::Parts(parts) => parts.records(),
        }
    }

    /// Deletes it, once the epoch is committed.
    pub fn remove(self) -> Result<(), JournalError> {
        match self {
            Self::File(file) => file.remove(),
            Self::Parts(parts) => parts.remove(),
        }
    }

    /// Where it is: a path, or a URL.
    pub fn place(&self) -> String {
        match self {
            Self::File(file) => file.path().display().to_string(),
            Self::Parts(parts) => parts.place().to_owned(),
        }
    }
}
