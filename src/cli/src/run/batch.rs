//! A batch of trajectories as local processes: what an indexed Job is in a cluster.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tuning::Outcome;

use super::attempt::Failure;

/// File in an attempt's folder that says why it failed; attempts without one were cut short by us and don't count.
const FAILED: &str = "failed";

/// Where each index of a batch stands. Starting and ending attempts is the caller's; this keeps the books, on disk where
/// a restart needs them.
#[derive(Debug)]
pub(super) struct Batch {
    folder: PathBuf,
    /// Attempts that an index may fail before it is lost.
    allowed: u32,
    waiting: VecDeque<u32>,
    running: BTreeMap<u32, u32>,
    ended: BTreeMap<u32, Outcome>,
    failed: BTreeSet<u32>,
}

impl Batch {
    /// Opens the batch's folder; `ended` are the indices that the learner has an outcome of already.
    pub(super) fn open(folder: &Path, trajectories: u32, retries: u32, ended: &[u32]) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut batch = Self {
            folder: folder.to_owned(),
            allowed: retries + 1,
            waiting: VecDeque::new(),
            running: BTreeMap::new(),
            ended: BTreeMap::new(),
            failed: BTreeSet::new(),
        };
        for index in (0..trajectories).filter(|index| !ended.contains(index)) {
            if batch.failures(index)? < batch.allowed {
                batch.waiting.push_back(index);
            } else {
                batch.failed.insert(index);
            }
        }
        Ok(batch)
    }

    /// The next index to be tried, its attempt number and a folder for it; none if all are taken.
    pub(super) fn start(&mut self) -> io::Result<Option<(u32, u32, PathBuf)>> {
        let Some(index) = self.waiting.pop_front() else { return Ok(None) };
        let attempt = self.attempts(index)?.into_iter().max().map_or(0, |last| last + 1);
        let folder = self.attempt_folder(index, attempt);
        fs::create_dir_all(&folder)?;
        self.running.insert(index, attempt);
        Ok(Some((index, attempt, folder)))
    }

    /// Books the end of a running attempt; gives its folder.
    pub(super) fn end(&mut self, index: u32, result: &Result<Outcome, Failure>) -> io::Result<PathBuf> {
        let attempt = self.running.remove(&index).unwrap_or_default();
        let folder = self.attempt_folder(index, attempt);
        match result {
            Ok(outcome) => {
                self.ended.insert(index, *outcome);
            }
            Err(Failure::Stopped) => self.waiting.push_front(index),
            Err(Failure::Failed(reason)) => {
                fs::write(folder.join(FAILED), reason)?;
                if self.failures(index)? < self.allowed {
                    self.waiting.push_back(index);
                } else {
                    self.failed.insert(index);
                }
            }
        }
        Ok(folder)
    }

    /// Attempts running now.
    pub(super) fn running(&self) -> u32 {
        self.running.len() as u32
    }

    /// Indices that came to an end in this process.
    pub(super) fn ended(&self) -> impl Iterator<Item = u32> {
        self.ended.keys().copied()
    }

    /// Indices whose attempts are used up.
    pub(super) fn failed(&self) -> impl Iterator<Item = u32> {
        self.failed.iter().copied()
    }

    fn attempt_folder(&self, index: u32, attempt: u32) -> PathBuf {
        self.folder.join(format!("{index}-a{attempt}"))
    }

    fn failures(&self, index: u32) -> io::Result<u32> {
        let attempts = self.attempts(index)?;
        Ok(attempts.iter().filter(|attempt| self.attempt_folder(index, **attempt).join(FAILED).exists()).count() as u32)
    }

    fn attempts(&self, index: u32) -> io::Result<Vec<u32>> {
        let prefix = format!("{index}-a");
        let mut attempts = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            attempts.extend(name.to_str().and_then(|name| name.strip_prefix(&prefix)?.parse::<u32>().ok()));
        }
        Ok(attempts)
    }
}
