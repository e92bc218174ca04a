//! The policy learner of a repetition: what runs, what it said, and what it is told.

use std::fs;
use std::path::{Path, PathBuf};

use wire::client::{learner_state, order_epoch};
use wire::learner::{EpochOrder, LearnerState};
use wire::settings::LearnerConfig;

use super::learner_process::{Launch, LearnerProcess};

/// A policy learner.
pub(super) struct PolicyLearner {
    process: LearnerProcess,
    client: reqwest::Client,
    epochs: u32,
    /// What it said last; it may be away since.
    last: Option<LearnerState>,
}

/// Where the learners of a repetition find what they are started with.
pub(super) fn config_of(storage: &Path) -> PathBuf {
    storage.join("config.json")
}

impl PolicyLearner {
    /// Prepares a learner; nothing is started yet.
    pub(super) fn new(
        program: PathBuf,
        storage: PathBuf,
        tls: PathBuf,
        client: reqwest::Client,
        config: &LearnerConfig,
    ) -> std::io::Result<Self> {
        let path = config_of(&storage);
        let launch = Launch { role: "policy", program, config: path.clone(), storage, tls, more: Vec::new() };
        let process = LearnerProcess::new(launch)?;
        fs::write(path, serde_json::to_vec_pretty(config)?)?;
        Ok(Self { process, client, epochs: config.epochs, last: None })
    }

    /// Where it listens, once it does.
    pub(super) fn address(&self) -> Option<&str> {
        self.process.address()
    }

    /// Starts it if it does not run.
    pub(super) async fn ensure(&mut self) -> Result<(), String> {
        self.process.ensure().await
    }

    /// Epochs that it was told to learn from.
    pub(super) fn epochs(&self) -> u32 {
        self.epochs
    }

    /// Where learning stands; none while it does not answer.
    pub(super) async fn state(&mut self) -> Option<LearnerState> {
        let state = learner_state(&self.client, self.process.address()?).await.ok()?;
        if self.last.as_ref().is_some_and(|last| last.epochs_learned < state.epochs_learned) {
            self.process.got_further();
        }
        self.last = Some(state.clone());
        Some(state)
    }

    /// Where learning stood when it last answered.
    pub(super) fn last_state(&self) -> Option<&LearnerState> {
        self.last.as_ref()
    }

    /// Gives it an epoch's order.
    pub(super) async fn order(&mut self, order: &EpochOrder) -> Result<(), String> {
        let Some(address) = self.process.address() else { return Ok(()) };
        let state = order_epoch(&self.client, address, order).await.map_err(|error| error.to_string())?;
        self.last = Some(state);
        Ok(())
    }

    /// Ends it.
    pub(super) async fn stop(&mut self) {
        self.process.stop().await;
    }
}
