//! The world-model learner's network face: its routes of [`wire::world_model`] over mutual TLS.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use wire::http::allow;
use wire::learner::STATE_PATH;
use wire::tls::Role;

use super::{WorldModelLearner, metrics};

/// All routes of a world-model learner.
pub fn router(learner: Arc<WorldModelLearner>) -> Router {
    let state = |State(learner): State<Arc<WorldModelLearner>>| async move { Json(learner.state()) };
    let metrics = |State(learner): State<Arc<WorldModelLearner>>| async move { metrics::render(&learner) };
    Router::new()
        .route(STATE_PATH, allow(&[Role::Operator], get(state)))
        .route("/metrics", get(metrics))
        .with_state(learner)
}
