//! Where a learner keeps what must outlive its process: a folder on a disk, or a place on an object store.

mod folder;

use std::path::Path;

use bytes::Bytes;
use dataset::{Journal, Location};
use tokio::runtime::Handle;

use crate::LearnerError;
use folder::Folder;
pub(crate) use folder::Space;

/// Files by name, each written whole or not at all. Calls block, and must not be made by tasks of the runtime.
#[derive(Debug)]
pub(crate) enum Keep {
    /// A folder that nobody else works in.
    Folder(Folder),
    /// A place on a store. Nothing locks it: of two learners that think it theirs each writes what the other would, since all
    /// that they write follows from the journal, where [one overtakes the other](dataset::JournalError::Overtaken).
    Store(Location, Handle),
}

impl Keep {
    /// Opens `place`, a URL if it has a scheme, else a folder, which is made with the folders `within`.
    ///
    /// # Errors
    /// If a folder can't be made or written, or another learner has it open; if a URL can't be understood.
    pub fn open(place: &str, within: &[&str], runtime: &Handle) -> Result<Self, LearnerError> {
        if !place.contains("://") {
            return Ok(Self::Folder(Folder::open(Path::new(place), within)?));
        }
        Ok(Self::Store(locate(place)?, runtime.clone()))
    }

    /// Folder or URL of the whole.
    pub fn place(&self) -> String {
        match self {
            Self::Folder(folder) => folder.root().display().to_string(),
            Self::Store(location, _) => location.name().to_owned(),
        }
    }

    /// Path or URL of a file.
    pub fn place_of(&self, name: &str) -> String {
        format!("{}/{name}", self.place())
    }

    /// Room there, if it is a disk.
    pub fn space(&self) -> Option<Space> {
        match self {
            Self::Folder(folder) => folder.space(),
            Self::Store(..) => None,
        }
    }

    /// Writes a file.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<(), LearnerError> {
        match self {
            Self::Folder(folder) => folder.put(name, bytes),
            Self::Store(location, runtime) => Ok(runtime.block_on(location.put(name, Bytes::copy_from_slice(bytes)))?),
        }
    }

    /// A file's bytes, if there is one.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, LearnerError> {
        match self {
            Self::Folder(folder) => folder.read(name),
            Self::Store(location, runtime) => Ok(runtime.block_on(location.get(name))?.map(Vec::from)),
        }
    }

    /// Takes a file away, if there is one.
    pub fn remove(&self, name: &str) -> Result<(), LearnerError> {
        match self {
            Self::Folder(folder) => folder.remove(name),
            Self::Store(location, runtime) => Ok(runtime.block_on(location.remove(name))?),
        }
    }

    /// Names of the files in one of its folders.
    pub fn names(&self, within: &str) -> Result<Vec<String>, LearnerError> {
        match self {
            Self::Folder(folder) => folder.names(within),
            Self::Store(location, runtime) => Ok(runtime.block_on(location.below(within).names())?),
        }
    }

    /// The journal of an epoch.
    pub fn journal(&self, epoch: u32) -> Result<Journal, LearnerError> {
        match self {
            Self::Folder(folder) => Ok(Journal::open(folder.root(), epoch).map_err(dataset::SpoolError::from)?),
            Self::Store(location, runtime) => Ok(Journal::on_store(location, epoch, runtime)),
        }
    }
}

/// Understands a folder or URL.
pub(crate) fn locate(place: &str) -> Result<Location, LearnerError> {
    Location::parse(place).map_err(|source| LearnerError::Place { place: place.to_owned(), source })
}
