//! Where a world-model learner keeps what it goes on from.

use tokio::runtime::Handle;

use crate::LearnerError;
use crate::keep::{Keep, Space};

const NEWEST: &str = "newest.safetensors";
const TRAINING: &str = "training.safetensors";

/// All that one world-model learner keeps.
#[derive(Debug)]
pub(super) struct Storage(Keep);

impl Storage {
    /// Opens `place`, a folder or URL.
    pub fn open(place: &str, runtime: &Handle) -> Result<Self, LearnerError> {
        Ok(Self(Keep::open(place, &[], runtime)?))
    }

    /// Room there, if it is a disk.
    pub fn space(&self) -> Option<Space> {
        self.0.space()
    }

    /// Keeps a version in place of the one before, and forgets the training that it came of.
    pub fn save(&self, version: &[u8]) -> Result<(), LearnerError> {
        self.0.put(NEWEST, version)?;
        self.0.remove(TRAINING)
    }

    /// The newest version.
    pub fn newest(&self) -> Result<Option<Vec<u8>>, LearnerError> {
        self.0.read(NEWEST)
    }

    /// Keeps what a training can be gone on from.
    pub fn save_training(&self, bytes: &[u8]) -> Result<(), LearnerError> {
        self.0.put(TRAINING, bytes)
    }

    /// What was kept of a training that did not come to its end.
    pub fn training(&self) -> Result<Option<Vec<u8>>, LearnerError> {
        self.0.read(TRAINING)
    }
}
