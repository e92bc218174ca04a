//! What the agent offers our other programs, under mutual TLS.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use wire::agent::{ACKNOWLEDGE_PATH, Acknowledgement, METRICS_PATH, TRAJECTORY_PATH};
use wire::exposition;
use wire::http::allow;
use wire::tls::Role;

use crate::agent::Agent;

/// Largest body taken, in bytes: an acknowledgement has some forty.
const BODY_LIMIT: usize = 4096;

/// The routes; to be served by a [`wire::http::Listener`].
pub fn router(agent: Arc<Agent>) -> Router {
    const OPERATOR: &[Role] = &[Role::Operator];
    Router::new()
        .route(METRICS_PATH, allow(&Role::ALL, get(metrics)))
        .route(TRAJECTORY_PATH, allow(OPERATOR, get(trajectory)))
        .route(ACKNOWLEDGE_PATH, allow(OPERATOR, post(acknowledge)))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(agent)
}

#[derive(Deserialize)]
struct Range {
    #[serde(default)]
    from: u32,
}

async fn metrics(State(agent): State<Arc<Agent>>) -> Response {
    match agent.metrics() {
        Ok(text) => page(text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn trajectory(State(agent): State<Arc<Agent>>, Query(range): Query<Range>) -> Response {
    page(exposition::page(&agent.export(range.from), &agent.config().problem))
}

async fn acknowledge(State(agent): State<Arc<Agent>>, Json(news): Json<Acknowledgement>) -> StatusCode {
    agent.acknowledge(news);
    StatusCode::NO_CONTENT
}

fn page(text: String) -> Response {
    ([(CONTENT_TYPE, exposition::CONTENT_TYPE)], text).into_response()
}
