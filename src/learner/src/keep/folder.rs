//! A folder on a disk: held by one process at a time, every file in it written whole or not at all.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::LearnerError;

/// A folder that nobody else works in.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

/// Room on a disk, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    /// All that it has.
    pub total: u64,
    /// What is left of it.
    pub free: u64,
}

impl Folder {
    /// Opens the folder and those within it, making them if needed.
    ///
    /// # Errors
    /// If one can't be made or written, or another learner has it open.
    pub fn open(root: &Path, within: &[&str]) -> Result<Self, LearnerError> {
        fs::create_dir_all(root).map_err(|source| LearnerError::Storage { path: root.to_owned(), source })?;
        for folder in within {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(|source| LearnerError::Storage { path, source })?;
        }
        let path = root.join("lock");
        let lock = File::create(&path).map_err(|source| LearnerError::Storage { path: path.clone(), source })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root: root.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(LearnerError::InUse(root.to_owned())),
            Err(fs::TryLockError::Error(source)) => Err(LearnerError::Storage { path, source }),
        }
    }

    /// Room on the disk that it lies on; none if that can't be asked.
    pub fn space(&self) -> Option<Space> {
        let disk = rustix::fs::statvfs(&self.root).ok()?;
        Some(Space { total: disk.f_blocks * disk.f_frsize, free: disk.f_bavail * disk.f_frsize })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes a file whole or not at all: beside it first, to the disk, then into its place.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<(), LearnerError> {
        let path = self.path(name);
        let beside = path.with_extension("tmp");
        let write = || {
            let mut file = File::create(&beside)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            // The rename itself is durable only once the folder is.
            File::open(path.parent().unwrap_or(&self.root))?.sync_all()
        };
        write().map_err(|source| LearnerError::Storage { path: path.clone(), source })
    }

    /// The file's bytes, if there is one.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, LearnerError> {
        let path = self.path(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(source) if source.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LearnerError::Storage { path, source }),
        }
    }

    /// Takes the file away, if there is one.
    pub fn remove(&self, name: &str) -> Result<(), LearnerError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(LearnerError::Storage { path, source }),
            _ => Ok(()),
        }
    }

    /// Names of the files in a folder within.
    pub fn names(&self, within: &str) -> Result<Vec<String>, LearnerError> {
        let path = self.path(within);
        let read = || {
            let entries = fs::read_dir(&path)?.collect::<std::io::Result<Vec<_>>>()?;
            Ok(entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
        };
        read().map_err(|source| LearnerError::Storage { path: path.clone(), source })
    }
}
