//! The trainer's endpoint: plain HTTP on loopback, below a path that only the trainer is told.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::StreamExt;
use rustls::crypto::SecureRandom;
use serde::Deserialize;
use wire::learner::Checkpoints;
use wire::sentence;
use wire::trainer::{STEPS_PATH, TRAJECTORY_PATH};

use crate::agent::Agent;
use crate::report::{REPORT_LIMIT, Refusal, parse};

/// Bytes of a report that are read and thrown away so that the sender, who is still writing, comes to read why.
const DRAIN_LIMIT: usize = 64 << 20;

/// The routes below `path`, which is empty or begins with a slash.
pub fn router(agent: Arc<Agent>, path: &str) -> Router {
    let routes = Router::new()
        .route(&format!("{path}{TRAJECTORY_PATH}"), get(trajectory))
        .route(&format!("{path}{STEPS_PATH}"), post(steps));
    routes.fallback(elsewhere).with_state(agent)
}

/// A path of 128 random bits, which keeps the other users of a machine away from the endpoint.
pub fn random_path(random: &dyn SecureRandom) -> Result<String, rustls::crypto::GetRandomFailed> {
    let mut bytes = [0; 16];
    random.fill(&mut bytes)?;
    Ok(format!("/{:032x}", u128::from_be_bytes(bytes)))
}

/// What a trainer may say when it asks for its trajectory.
#[derive(Debug, Deserialize)]
struct Asked {
    checkpoints: Option<String>,
}

async fn trajectory(State(agent): State<Arc<Agent>>, Query(asked): Query<Asked>) -> Response {
    let Some(checkpoints) = asked.checkpoints else {
        return Json(agent.info()).into_response();
    };
    let checkpoints = match Checkpoints::steps(&checkpoints) {
        Ok(checkpoints) => checkpoints,
        Err(found) => return refused(&Refusal::Checkpoints(found)),
    };
    match agent.take_up(&checkpoints).await {
        Ok(info) => Json(info).into_response(),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the learner can't be asked what was reported");
            let text = format!("the learner can't be asked what earlier attempts reported: {}\n", sentence(&error));
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

async fn steps(State(agent): State<Arc<Agent>>, body: Body) -> Response {
    let answer = match read(body).await.and_then(|body| parse(&body)) {
        Ok(report) => agent.report(report).await,
        Err(refusal) => Err(refusal),
    };
    match answer {
        Ok(answer) => Json(answer).into_response(),
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Response {
    tracing::warn!(%refusal, "refused");
    (status(refusal), format!("{refusal}\n")).into_response()
}

async fn elsewhere() -> (StatusCode, String) {
    let text = format!("expected $TRAINPILOT_URL{TRAJECTORY_PATH} or $TRAINPILOT_URL{STEPS_PATH}\n");
    (StatusCode::NOT_FOUND, text)
}

async fn read(body: Body) -> Result<Vec<u8>, Refusal> {
    let (mut report, mut length) = (Vec::new(), 0);
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Refusal::NotJson(error.to_string()))?;
        length += chunk.len();
        if length <= REPORT_LIMIT {
            report.extend_from_slice(&chunk);
        } else if length > DRAIN_LIMIT {
            break;
        }
    }
    if length > REPORT_LIMIT { Err(Refusal::TooLong) } else { Ok(report) }
}

fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::NotJson(_) => StatusCode::BAD_REQUEST,
        Refusal::OutOfOrder { .. } | Refusal::Changed(_) | Refusal::Ended(_) => StatusCode::CONFLICT,
        Refusal::Checkpoints(_) | Refusal::Shape { .. } | Refusal::Unknown { .. } | Refusal::Missing { .. } => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        // What serves it may only be starting: trainers ask again where a server is at fault.
        Refusal::Page { .. } => StatusCode::SERVICE_UNAVAILABLE,
    }
}
