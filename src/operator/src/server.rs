//! What the operator answers to: `/healthz`, `/readyz` and `/metrics`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use crate::figures::Figures;

/// The routes.
pub fn router(figures: Arc<Figures>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(figures)
}

async fn ready(State(figures): State<Arc<Figures>>) -> (StatusCode, &'static str) {
    match figures.is_ready() {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
    }
}

async fn metrics(State(figures): State<Arc<Figures>>) -> Result<String, (StatusCode, String)> {
    figures.text().map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}
