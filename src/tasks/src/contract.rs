//! The trainer's side of the contract: a small blocking client of the agent beside it.
//!
//! ```text
//! GET  $TRAINPILOT_URL/v1/trajectory  what to train: seed, env steps, hyperparameters to start or go on with
//! POST $TRAINPILOT_URL/v1/steps       metrics after an env step; the answer holds the next hyperparameters
//! ```

use std::collections::BTreeMap;
use std::env;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Names the agent's endpoint; a trainer that does not find it trains alone.
pub const URL_VARIABLE: &str = "TRAINPILOT_URL";

/// Metrics or hyperparameters by name.
pub type Values = BTreeMap<String, f64>;

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long an agent that cannot be reached is asked again, before the training gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The same where it is asked what earlier attempts reported, which a learner that moves to another machine may not say for
/// minutes: to start over would cost more.
const PATIENCE_TO_GO_ON: Duration = Duration::from_secs(600);

/// First pause between two attempts; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What the agent asks to be trained.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trajectory {
    /// Names it: the same for all attempts at it, and for no other one; fit for a folder.
    pub id: String,
    /// T: how many env steps the training has.
    pub env_steps: u32,
    /// Fixes everything random in the training.
    pub seed: u64,
    /// Values to start with; exactly those that are steered.
    pub hyperparameters: Values,
    /// The step whose report the agent waits for: 0, or that after the checkpoint to go on from.
    pub next_step: u32,
}

/// What the agent answers to a report.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Answer {
    /// Values for the next env step.
    pub hyperparameters: Values,
    /// Whether the training is over.
    pub done: bool,
}

/// Why the agent could not be asked, or did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// Nothing answered, or only with faults of its own, for as long as the client is patient.
    #[error("no answer from the agent at {url} within {seconds} s: {problem}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// How long it was asked.
        seconds: u64,
        /// What the last attempt ended with.
        problem: String,
    },
    /// The agent found a mistake in the request; asking again would not help.
    #[error("the agent refused {url} with status {status}: {sentence}")]
    Refused {
        /// What was asked.
        url: String,
        /// HTTP status, 3xx or 4xx.
        status: u16,
        /// What the agent said that it expected.
        sentence: String,
    },
    /// The answer is not what the contract promises.
    #[error("the agent's answer to {url} does not keep to the contract: {text:?}")]
    Malformed {
        /// What was asked.
        url: String,
        /// The answer.
        text: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// Asks the agent, and asks again with the same body when the connection breaks: the agent answers a repeated step
/// as it did the first time, so that a lost answer costs nothing.
pub struct Client {
    http: ureq::Agent,
    url: String,
}

impl Client {
    /// A client of the agent that `TRAINPILOT_URL` names; none where it is unset or empty.
    pub fn from_env() -> Option<Self> {
        env::var(URL_VARIABLE).ok().filter(|url| !url.is_empty()).map(|url| Self::new(&url))
    }

    /// A client of the agent at `url`, e.g. `http://127.0.0.1:4810/x1y2`.
    pub fn new(url: &str) -> Self {
        // The agent is on loopback, where a proxy from the environment has no business.
        let config = ureq::Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(TIMEOUT))
            .build();
        Self { http: config.into(), url: url.trim_end_matches('/').to_owned() }
    }

    /// What is to be trained.
    pub fn trajectory(&self) -> Result<Trajectory, ContractError> {
        self.ask("/v1/trajectory", None, PATIENCE)
    }

    /// What is to be trained by somebody who has checkpoints of these env steps, each made when its report was answered.
    pub fn take_up(&self, checkpoints: &[u32]) -> Result<Trajectory, ContractError> {
        let steps = checkpoints.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        self.ask(&format!("/v1/trajectory?checkpoints={steps}"), None, PATIENCE_TO_GO_ON)
    }

    /// Reports the metrics after `step` env steps and the hyperparameters that were in force; all must be finite.
    pub fn report(&self, step: u32, metrics: &Values, in_force: &Values) -> Result<Answer, ContractError> {
        let body = json!({ "step": step, "metrics": metrics, "hyperparameters": in_force });
        self.ask("/v1/steps", Some(&body.to_string()), PATIENCE)
    }

    /// Reports that the training has come to nothing in env step `step`, which ends the trajectory.
    pub fn diverged(&self, step: u32, reason: &str) -> Result<(), ContractError> {
        let body = json!({ "step": step, "diverged": reason });
        self.ask::<Value>("/v1/steps", Some(&body.to_string()), PATIENCE).map(|_| ())
    }

    fn ask<T: DeserializeOwned>(&self, path: &str, body: Option<&str>, patience: Duration) -> Result<T, ContractError> {
        let url = format!("{}{path}", self.url);
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let problem = match self.attempt(&url, body) {
                Ok((200..=299, text)) => {
                    return serde_json::from_str(&text).map_err(|source| ContractError::Malformed {
                        url,
                        text: text.clone(),
                        source,
                    });
                }
                Ok((status @ 300..=499, text)) => {
                    return Err(ContractError::Refused { url, status, sentence: text.trim().to_owned() });
                }
                Ok((status, text)) => format!("status {status}: {}", text.trim()),
                Err(error) => error.to_string(),
            };
            if started.elapsed() + pause > patience {
                return Err(ContractError::Unreachable { url, seconds: started.elapsed().as_secs(), problem });
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn attempt(&self, url: &str, body: Option<&str>) -> Result<(u16, String), ureq::Error> {
        let mut response = match body {
            Some(body) => self.http.post(url).content_type("application/json").send(body)?,
            None => self.http.get(url).call()?,
        };
        Ok((response.status().as_u16(), response.body_mut().read_to_string()?))
    }
}
