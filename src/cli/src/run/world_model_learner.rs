//! The world-model learner of a repetition: what runs and what it said.

use std::path::{Path, PathBuf};

use wire::client::world_model_state;
use wire::world_model::WorldModelState;

use super::learner_process::{Launch, LearnerProcess};
use super::policy_learner::config_of;

/// A world-model learner.
pub(super) struct WorldModelLearner {
    process: LearnerProcess,
    client: reqwest::Client,
    /// Where its policy learner listens.
    policy_learner: String,
    /// What it said last; it may be away since.
    last: Option<WorldModelState>,
}

impl WorldModelLearner {
    /// Prepares the one beside the policy learner of `storage`, which listens at `policy_learner`; nothing is started yet.
    pub(super) fn new(
        program: PathBuf,
        storage: &Path,
        tls: PathBuf,
        client: reqwest::Client,
        policy_learner: &str,
    ) -> std::io::Result<Self> {
        let launch = Launch {
            role: "world-model",
            program,
            config: config_of(storage),
            storage: storage.join("world-model"),
            tls,
            more: vec!["--policy-learner".into(), policy_learner.into()],
        };
        let process = LearnerProcess::new(launch)?;
        Ok(Self { process, client, policy_learner: policy_learner.to_owned(), last: None })
    }

    /// Where its policy learner listens.
    pub(super) fn policy_learner(&self) -> &str {
        &self.policy_learner
    }

    /// Starts it if it does not run.
    pub(super) async fn ensure(&mut self) -> Result<(), String> {
        self.process.ensure().await
    }

    /// Where training stands; none while it does not answer.
    pub(super) async fn state(&mut self) -> Option<WorldModelState> {
        let state = world_model_state(&self.client, self.process.address()?).await.ok()?;
        if self.last.as_ref().is_some_and(|last| last.epochs_trained < state.epochs_trained) {
            self.process.got_further();
        }
        self.last = Some(state.clone());
        Some(state)
    }

    /// Where training stood when it last answered.
    pub(super) fn last_state(&self) -> Option<&WorldModelState> {
        self.last.as_ref()
    }

    /// Ends it.
    pub(super) async fn stop(&mut self) {
        self.process.stop().await;
    }
}
