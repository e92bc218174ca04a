//! The journal on a disk: an append-only file, each append one frame.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::JournalError;
use crate::Record;
use crate::frame::{Frames, HEAD, frame, frames};

/// What a journal begins with; the number is the version of its format.
const MARK: &[u8] = b"trainpilot journal 1\n";

/// The journal of one epoch as a file. Calls block on the disk.
#[derive(Debug)]
pub struct FileJournal {
    path: PathBuf,
    file: File,
    /// Bytes that are good; what stands behind them was not appended whole.
    length: u64,
}

impl FileJournal {
    /// Opens `dir/journal/epoch-NNNNNN.log`, or makes it. An append that a crash cut short is dropped.
    pub fn open(dir: &Path, epoch: u32) -> Result<Self, JournalError> {
        let folder = dir.join("journal");
        fs::create_dir_all(&folder).map_err(io_error("create", &folder))?;
        let path = folder.join(format!("epoch-{epoch:06}.log"));
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(io_error("open", &path))?;
        let mut journal = Self { path, file, length: 0 };
        let bytes = journal.read()?;
        if bytes.len() < MARK.len() && MARK.starts_with(&bytes) {
            journal.write(MARK)?;
            sync_folders(&folder, dir)?;
        } else {
            let whole = journal.split(&bytes)?.length;
            journal.length = (MARK.len() + whole) as u64;
            journal.cut()?;
        }
        Ok(journal)
    }

    /// Appends `records` and waits until they are on disk. After an error nothing of them is there, and a later append
    /// may succeed.
    pub fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let content = serde_json::to_vec(records).expect("plain data always serialises");
        let too_long = || JournalError::TooLong { path: self.path.clone(), bytes: content.len() };
        let frame = frame(&content).ok_or_else(too_long)?;
        self.write(&frame)
    }

    /// Everything appended, in order.
    pub fn records(&mut self) -> Result<Vec<Record>, JournalError> {
        let bytes = self.read()?;
        let (mut records, mut offset) = (Vec::new(), MARK.len());
        for content in self.split(&bytes)?.whole {
            let parsed = serde_json::from_slice::<Vec<Record>>(content);
            records.extend(parsed.map_err(|error| self.damaged(offset, error.to_string()))?);
            offset += HEAD + content.len();
        }
        Ok(records)
    }

    /// Deletes the file, once the epoch is committed.
    pub fn remove(self) -> Result<(), JournalError> {
        fs::remove_file(&self.path).map_err(io_error("remove", &self.path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn read(&mut self) -> Result<Vec<u8>, JournalError> {
        let mut bytes = Vec::new();
        let read = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.read_to_end(&mut bytes));
        read.map_err(io_error("read", &self.path))?;
        Ok(bytes)
    }

    fn split<'a>(&self, bytes: &'a [u8]) -> Result<Frames<'a>, JournalError> {
        let content = bytes.strip_prefix(MARK).ok_or_else(|| JournalError::Unknown { path: self.path.clone() })?;
        let frames = frames(content);
        if frames.damaged {
            let what = "what was appended later is whole".to_owned();
            return Err(self.damaged(MARK.len() + frames.length, what));
        }
        Ok(frames)
    }

    fn damaged(&self, offset: usize, what: String) -> JournalError {
        JournalError::Damaged { path: self.path.clone(), offset: offset as u64, what }
    }

    /// Writes `bytes` after the good ones. A part of them, where the disk took no more, is cut off again: at once if
    /// that succeeds, else before the next write, else when the journal is opened.
    fn write(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        self.cut()?;
        let written = self.file.seek(SeekFrom::Start(self.length)).and_then(|_| self.file.write_all(bytes));
        if let Err(error) = written.and_then(|()| self.file.sync_data()) {
            self.cut().ok();
            return Err(io_error("append to", &self.path)(error));
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn cut(&mut self) -> Result<(), JournalError> {
        self.file.set_len(self.length).map_err(io_error("cut", &self.path))
    }
}

/// Makes the names of a new journal and of its folder durable.
fn sync_folders(folder: &Path, above: &Path) -> Result<(), JournalError> {
    for folder in [folder, above] {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(io_error("sync", folder))?;
    }
    Ok(())
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::Io { what, path, source }
}
