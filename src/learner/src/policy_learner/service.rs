//! The policy learner's network face: the routes of [`wire::learner`], and its own of [`wire::world_model`], over mutual TLS.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use bytes::Bytes;
use futures::StreamExt;
use tokio_stream::wrappers::WatchStream;
use wire::http::allow;
use wire::learner::{
    Checkpoints, EPOCHS_PATH, EpochOrder, Frame, HISTORY_PATH, History, LearnerState, MAX_STEPS_BYTES, POLICY_PATH,
    STATE_PATH, STEPS_PATH, Steps, Stored,
};
use wire::sentence;
use wire::tls::Role;
use wire::world_model::{Held, MAX_WORLD_MODEL_BYTES, SEGMENT_WAIT, SEGMENTS_PATH, WORLD_MODELS_PATH};

use super::{Learner, Published, metrics};
use crate::LearnerError;

/// All routes of a learner.
pub fn router(learner: Arc<Learner>) -> Router {
    Router::new()
        .route(&format!("{EPOCHS_PATH}/{{epoch}}"), allow(&[Role::Operator], put(order)))
        .route(STEPS_PATH, allow(&[Role::Operator, Role::Agent], post(store)))
        .route(HISTORY_PATH, allow(&[Role::Agent], get(history)))
        .route(STATE_PATH, allow(&[Role::Operator], get(state)))
        .route(POLICY_PATH, allow(&[Role::Operator, Role::Agent], get(policies)))
        .route(&format!("{SEGMENTS_PATH}/{{epoch}}"), allow(&[Role::Learner], get(segment)))
        .route(&format!("{WORLD_MODELS_PATH}/{{epoch}}"), allow(&[Role::Learner], put(world_model)))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(MAX_STEPS_BYTES.max(MAX_WORLD_MODEL_BYTES)))
        .with_state(learner)
}

async fn order(
    State(learner): State<Arc<Learner>>,
    Path(epoch): Path<u32>,
    Json(order): Json<EpochOrder>,
) -> Result<Json<LearnerState>, Refusal> {
    if order.epoch != epoch {
        let sentence = format!("the path says epoch {epoch}, the order epoch {}", order.epoch);
        return Err(LearnerError::Refused(sentence).into());
    }
    blocking(move || learner.order(&order)).await.map(Json)
}

async fn store(State(learner): State<Arc<Learner>>, Json(steps): Json<Steps>) -> Result<Json<Stored>, Refusal> {
    blocking(move || learner.store(steps)).await.map(Json)
}

async fn history(
    State(learner): State<Arc<Learner>>,
    Query(wanted): Query<Checkpoints>,
) -> Result<Json<History>, Refusal> {
    blocking(move || learner.history(&wanted)).await.map(Json)
}

async fn state(State(learner): State<Arc<Learner>>) -> Result<Json<LearnerState>, Refusal> {
    blocking(move || Ok(learner.state())).await.map(Json)
}

async fn metrics(State(learner): State<Arc<Learner>>) -> Result<String, Refusal> {
    blocking(move || Ok(metrics::render(&learner))).await
}

/// The newest policy at once, then each later one for as long as the agent listens.
async fn policies(State(learner): State<Arc<Learner>>) -> Response {
    let frames = WatchStream::new(learner.policies()).flat_map(|Published { version, bytes }| {
        let head = Frame { version, length: bytes.len() as u64 }.encode();
        futures::stream::iter([Ok::<_, std::convert::Infallible>(Bytes::copy_from_slice(&head)), Ok(bytes)])
    });
    Body::from_stream(frames).into_response()
}

/// A segment once it is committed; nothing if that takes long.
async fn segment(State(learner): State<Arc<Learner>>, Path(epoch): Path<u32>) -> Result<Response, Refusal> {
    match tokio::time::timeout(SEGMENT_WAIT, learner.segment(epoch)).await {
        Ok(segment) => match segment? {
            Some(bytes) => Ok(bytes.into_response()),
            None => Ok(StatusCode::NO_CONTENT.into_response()),
        },
        Err(_) => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

async fn world_model(
    State(learner): State<Arc<Learner>>,
    Path(epoch): Path<u32>,
    model: Bytes,
) -> Result<Json<Held>, Refusal> {
    blocking(move || learner.take_world_model(epoch, &model)).await.map(Json)
}

/// Runs what waits for a disk or a store, or for somebody who does, where it stops nobody else.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LearnerError> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Refusal::from),
        Err(_) => Err(Refusal(StatusCode::INTERNAL_SERVER_ERROR, "the learner failed inside".to_owned())),
    }
}

/// An answer that is not what was asked for: a status and one sentence.
struct Refusal(StatusCode, String);

impl From<LearnerError> for Refusal {
    fn from(error: LearnerError) -> Self {
        let status = match error {
            LearnerError::Refused(_) | LearnerError::Contradiction(_) => StatusCode::CONFLICT,
            LearnerError::Checkpoint(_) => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::INSUFFICIENT_STORAGE,
        };
        Self(status, sentence(&error))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}
