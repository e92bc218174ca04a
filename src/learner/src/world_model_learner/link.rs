//! The connection to the policy learner, which may be away for a while: whatever is asked is asked again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use dataset::Dataset;
use reqwest::Client;
use tokio::runtime::Handle;
use tuning::Trajectory;
use wire::client::{ClientError, offer_world_model, segment};
use wire::http::{Timeouts, client};
use wire::sentence;
use wire::tls::{Identity, Role};

use super::{Standing, lock};
use crate::LearnerError;

/// Pause before a policy learner that did not answer, or refused, is asked again.
const RETRY: Duration = Duration::from_millis(500);
/// Failures in a row that are nobody's business: it may just be started anew.
const BORNE: u32 = 10;

/// A policy learner, and where troubles with it are told.
pub(super) struct Link {
    client: Client,
    address: String,
    identity: dataset::Identity,
    standing: Arc<Mutex<Standing>>,
}

impl Link {
    pub fn new(
        identity: &Identity,
        address: &str,
        dataset: dataset::Identity,
        standing: Arc<Mutex<Standing>>,
    ) -> Result<Self, LearnerError> {
        let client = client(identity, Role::Learner, Timeouts::TRANSFER)?;
        Ok(Self { client, address: address.to_owned(), identity: dataset, standing })
    }

    /// Trajectories of `epoch`, as soon as it is committed.
    ///
    /// # Errors
    /// If what comes is not a segment of this experiment.
    pub fn segment(&self, epoch: u32, runtime: &Handle) -> Result<Vec<Trajectory>, LearnerError> {
        loop {
            let segment = self.insist(runtime, || segment(&self.client, &self.address, epoch));
            if let Some(bytes) = segment {
                return Ok(Dataset::read_segment(&self.identity, epoch, bytes)?.trajectories);
            }
        }
    }

    /// Hands over a version, until it is taken.
    pub fn offer(&self, epoch: u32, version: Bytes, runtime: &Handle) {
        self.insist(runtime, || offer_world_model(&self.client, &self.address, epoch, version.clone()));
    }

    /// Asks until there is an answer. A refusal is no answer: a policy learner that was started anew may have to commit the
    /// epoch once more before it takes what was learned from it.
    fn insist<T, F: Future<Output = Result<T, ClientError>>>(&self, runtime: &Handle, ask: impl Fn() -> F) -> T {
        let before = lock(&self.standing).state.fault.clone();
        let mut failures = 0;
        loop {
            match runtime.block_on(ask()) {
                Ok(answer) => {
                    lock(&self.standing).state.fault = before;
                    return answer;
                }
                Err(error) => {
                    failures += 1;
                    let sentence = format!("the policy learner does not go along: {}", sentence(&error));
                    tracing::warn!(error = sentence, "trying again");
                    if failures > BORNE {
                        lock(&self.standing).state.fault = Some(sentence);
                    }
                    std::thread::sleep(RETRY);
                }
            }
        }
    }
}
