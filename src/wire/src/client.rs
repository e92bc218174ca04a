//! What our programs ask of one another, over clients made by [`crate::http::client`]; every answer is bounded.

use std::error::Error;
use std::io;

use bytes::Bytes;
use reqwest::{Client, RequestBuilder};
use serde::de::DeserializeOwned;
use tuning::Step;

use crate::agent::{ACKNOWLEDGE_PATH, Acknowledgement, METRICS_PATH, TRAJECTORY_PATH};
use crate::http::{BodyError, read_bounded, url};
use crate::learner::{
    Checkpoints, EPOCHS_PATH, EpochOrder, HISTORY_PATH, History, LearnerState, STATE_PATH, STEPS_PATH, Steps, Stored,
};
use crate::world_model::{Held, MAX_SEGMENT_BYTES, SEGMENTS_PATH, WORLD_MODELS_PATH, WorldModelState};

/// Bytes of the longest JSON answer: a [`LearnerState`] with all its epochs.
const MAX_ANSWER: usize = 4 << 20;

/// Steps in one request: with hundreds of metrics they still are few megabytes.
const STEPS_PER_REQUEST: usize = 256;

/// Bytes of an error's text that are read, and believed to be of use.
const MAX_EXPLANATION: usize = 4096;

/// Why an exchange failed. All of them may be tried again: whatever is asked here can be asked twice.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection, no answer, or not all of it, within the time allowed.
    #[error("no complete answer in time")]
    Timeout(#[source] reqwest::Error),
    /// Nobody listens there, or the connection broke.
    #[error("no connection, or it broke")]
    Connection(#[source] reqwest::Error),
    /// One side does not believe the other's certificate.
    #[error("no trusted connection")]
    Tls(#[source] reqwest::Error),
    /// The answer is a refusal, or a redirect, which nobody here follows.
    #[error("answered with status {status}: {text}")]
    Status {
        /// Of HTTP.
        status: u16,
        /// Start of the answer.
        text: String,
    },
    /// The answer is longer than any.
    #[error("the answer has more than {limit} bytes")]
    TooLong {
        /// Bytes allowed.
        limit: usize,
    },
    /// The answer is not the JSON that was expected.
    #[error("the answer does not parse")]
    Json(#[source] serde_json::Error),
}

impl ClientError {
    /// A word for labels of metrics.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Timeout(_) => "timeout",
            Self::Connection(_) => "connection",
            Self::Tls(_) => "tls",
            Self::Status { .. } => "status",
            Self::TooLong { .. } => "size",
            Self::Json(_) => "parse",
        }
    }
}

impl From<reqwest::Error> for ClientError {
    fn from(error: reqwest::Error) -> Self {
        if is_tls(&error) {
            Self::Tls(error)
        } else if error.is_timeout() {
            Self::Timeout(error)
        } else {
            Self::Connection(error)
        }
    }
}

impl From<BodyError> for ClientError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLong { limit } => Self::TooLong { limit },
            BodyError::Transport(error) => error.into(),
        }
    }
}

/// Whether rustls stands anywhere behind `error`.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        // An I/O error's `source` passes over the error that it wraps.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|wrapped| wrapped as _).or_else(|| error.source());
    }
    false
}

/// Reads an agent's trajectory page from step `from` on, of at most `limit` bytes.
pub async fn trajectory_page(client: &Client, agent: &str, from: u32, limit: usize) -> Result<Bytes, ClientError> {
    answer(client.get(url(agent, TRAJECTORY_PATH)).query(&[("from", from)]), limit).await
}

/// Reads the figures that an agent shows to people, of at most `limit` bytes.
pub async fn metrics_page(client: &Client, agent: &str, limit: usize) -> Result<Bytes, ClientError> {
    answer(client.get(url(agent, METRICS_PATH)), limit).await
}

/// Tells an agent how far its trajectory is stored.
pub async fn acknowledge(client: &Client, agent: &str, how_far: &Acknowledgement) -> Result<(), ClientError> {
    answer(client.post(url(agent, ACKNOWLEDGE_PATH)).json(how_far), MAX_EXPLANATION).await?;
    Ok(())
}

/// Hands `steps` to a policy learner, which answers once they are stored durably. Long ones go in several requests, the
/// outcome with the last.
pub async fn deliver(client: &Client, learner: &str, steps: &Steps) -> Result<Stored, ClientError> {
    let Steps { key, seed, task, steps, outcome } = steps;
    let request = async |steps: &[Step], outcome| {
        let body = Steps { key: *key, seed: *seed, task: task.clone(), steps: steps.to_vec(), outcome };
        json(client.post(url(learner, STEPS_PATH)).json(&body)).await
    };
    let mut left = steps.as_slice();
    while left.len() > STEPS_PER_REQUEST {
        let (first, rest) = left.split_at(STEPS_PER_REQUEST);
        let _: Stored = request(first, None).await?;
        left = rest;
    }
    request(left, *outcome).await
}

/// Tells a policy learner which epoch is being gathered.
pub async fn order_epoch(client: &Client, learner: &str, order: &EpochOrder) -> Result<LearnerState, ClientError> {
    json(client.put(url(learner, &format!("{EPOCHS_PATH}/{}", order.epoch))).json(order)).await
}

/// Asks a policy learner where a trajectory can be taken up again.
pub async fn history(client: &Client, learner: &str, wanted: &Checkpoints) -> Result<History, ClientError> {
    json(client.get(url(learner, HISTORY_PATH)).query(wanted)).await
}

/// Asks a policy learner where it stands.
pub async fn learner_state(client: &Client, learner: &str) -> Result<LearnerState, ClientError> {
    json(client.get(url(learner, STATE_PATH))).await
}

/// Asks a policy learner for the segment of `epoch`; none if that is not committed yet.
pub async fn segment(client: &Client, learner: &str, epoch: u32) -> Result<Option<Bytes>, ClientError> {
    let request = client.get(url(learner, &format!("{SEGMENTS_PATH}/{epoch}")));
    let bytes = answer(request, MAX_SEGMENT_BYTES).await?;
    Ok((!bytes.is_empty()).then_some(bytes))
}

/// Hands the world model trained up to `epoch` to a policy learner, which answers once it is stored durably.
pub async fn offer_world_model(client: &Client, learner: &str, epoch: u32, model: Bytes) -> Result<Held, ClientError> {
    json(client.put(url(learner, &format!("{WORLD_MODELS_PATH}/{epoch}"))).body(model)).await
}

/// Asks a world-model learner where it stands.
pub async fn world_model_state(client: &Client, learner: &str) -> Result<WorldModelState, ClientError> {
    json(client.get(url(learner, STATE_PATH))).await
}

async fn json<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, ClientError> {
    serde_json::from_slice(&answer(request, MAX_ANSWER).await?).map_err(ClientError::Json)
}

/// The body of an answer, if that is a success.
/// Reads a page of a program on loopback, of at most `limit` bytes, over a [`loopback_client`](crate::http::loopback_client).
pub async fn loopback_page(client: &Client, url: &str, limit: usize) -> Result<Bytes, ClientError> {
    answer(client.get(url), limit).await
}

async fn answer(request: RequestBuilder, limit: usize) -> Result<Bytes, ClientError> {
    let response = request.send().await?;
    let status = response.status();
    if status.is_success() {
        return Ok(read_bounded(response, limit).await?);
    }
    let text = match read_bounded(response, MAX_EXPLANATION).await {
        Ok(body) => String::from_utf8_lossy(&body).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    Err(ClientError::Status { status: status.as_u16(), text })
}
