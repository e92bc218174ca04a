//! Checkpoints of one training on a disk: the last two, each whole or not there.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Checkpoints that are kept: while one is written, or should it turn out to be unreadable, the one before still counts.
const KEPT: usize = 2;
const PREFIX: &str = "step-";
const PARTIAL: &str = ".partial";
/// File of [`write`].
const STATE: &str = "state.json";

/// The folder with the checkpoints of one training.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    /// Those of the training `id`, a name of letters, digits and hyphens, below `root`, which may be shared by many.
    pub fn new(root: &Path, id: &str) -> Self {
        Self { folder: root.join(id) }
    }

    /// Env steps of which there is one, ascending.
    pub fn steps(&self) -> Vec<u32> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let number = |entry: io::Result<fs::DirEntry>| {
            entry.ok()?.file_name().to_str()?.strip_prefix(PREFIX).and_then(|number| number.parse().ok())
        };
        let mut steps: Vec<u32> = entries.filter_map(number).collect();
        steps.sort_unstable();
        steps
    }

    /// Makes the checkpoint of env step `step`, of the files that `write` puts into the folder that it is given. Older ones
    /// than the last two go.
    ///
    /// # Errors
    /// If the disk takes it not, or `write` fails; what there was stays.
    pub fn save(&self, step: u32, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let partial = self.folder.join(format!("{step:08}{PARTIAL}"));
        let written = self.written(&partial, write).and_then(|()| self.install(&partial, step));
        if written.is_err() {
            // A part of a checkpoint only takes room.
            let _ = fs::remove_dir_all(&partial);
        }
        written.with_context(|| format!("no checkpoint of env step {step} in {}", self.folder.display()))?;
        let steps = self.steps();
        steps[..steps.len().saturating_sub(KEPT)].iter().for_each(|old| self.remove(*old));
        Ok(())
    }

    /// Lets `read` read the checkpoint of env step `step`. One that can't be read goes, so that the next attempt takes the one
    /// before.
    ///
    /// # Errors
    /// If `read` fails.
    pub fn restore(&self, step: u32, read: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let folder = self.place(step);
        let restored = read(&folder);
        if restored.is_err() {
            self.remove(step);
        }
        restored.with_context(|| format!("the checkpoint {} can't be used", folder.display()))
    }

    /// Removes all of them: the training has come to its end.
    pub fn clear(&self) {
        if let Err(error) = fs::remove_dir_all(&self.folder)
            && error.kind() != io::ErrorKind::NotFound
        {
            eprintln!("warning: {} could not be removed: {error}", self.folder.display());
        }
    }

    fn written(&self, partial: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let _ = fs::remove_dir_all(partial);
        fs::create_dir_all(partial)?;
        write(partial)?;
        for entry in fs::read_dir(partial)? {
            File::open(entry?.path())?.sync_all()?;
        }
        Ok(File::open(partial)?.sync_all()?)
    }

    fn install(&self, partial: &Path, step: u32) -> Result<()> {
        self.remove(step);
        fs::rename(partial, self.place(step))?;
        Ok(File::open(&self.folder)?.sync_all()?)
    }

    fn place(&self, step: u32) -> PathBuf {
        self.folder.join(format!("{PREFIX}{step:08}"))
    }

    fn remove(&self, step: u32) {
        let _ = fs::remove_dir_all(self.place(step));
    }
}

/// Writes the whole of a small training into `folder`.
///
/// # Errors
/// If the disk does not take it.
pub fn write(folder: &Path, state: &impl Serialize) -> Result<()> {
    Ok(fs::write(folder.join(STATE), serde_json::to_vec(state)?)?)
}

/// What [`write`] wrote.
///
/// # Errors
/// If it is not there, or something else.
pub fn read<T: DeserializeOwned>(folder: &Path) -> Result<T> {
    let file = folder.join(STATE);
    let bytes = fs::read(&file).with_context(|| format!("could not read {}", file.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged, or of another training", file.display()))
}

#[cfg(test)]
#[path = "checkpoints_tests.rs"]
mod tests;
