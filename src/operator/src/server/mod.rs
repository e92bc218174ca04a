//! What the operator answers to: `/healthz`, `/readyz` and `/metrics`, the last one for anybody or only for whom the apiserver
//! lets get it.

mod guard;
mod secure;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use crate::figures::Figures;
pub use guard::{Guard, Reviewer, Verdict};
pub use secure::{Certificate, CertificateError, serve};

/// The routes of health.
pub fn health(figures: Arc<Figures>) -> Router {
    Router::new().route("/healthz", get(async || "ok")).route("/readyz", get(ready)).with_state(figures)
}

/// The route of metrics, for anybody.
pub fn metrics(figures: Arc<Figures>) -> Router {
    Router::new().route(METRICS, get(text)).with_state(figures)
}

/// Where metrics are.
const METRICS: &str = "/metrics";

async fn ready(State(figures): State<Arc<Figures>>) -> (StatusCode, &'static str) {
    match figures.is_ready() {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
    }
}

async fn text(State(figures): State<Arc<Figures>>) -> Result<String, (StatusCode, String)> {
    figures.text().map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}
