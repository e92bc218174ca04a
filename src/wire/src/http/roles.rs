//! Which roles may use a route.

use std::convert::Infallible;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

use super::Peer;
use crate::tls::Role;

/// Lets only `roles` use `route`; others get a 403 that says so.
///
/// A router served without [`Peer`] as its connect info answers 500: it never lets anyone through by mistake.
pub fn allow<S: Clone + Send + Sync + 'static>(
    roles: &'static [Role],
    route: MethodRouter<S, Infallible>,
) -> MethodRouter<S, Infallible> {
    route.layer(from_fn_with_state(roles, check))
}

async fn check(
    State(roles): State<&'static [Role]>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if roles.contains(&peer.role) {
        return next.run(request).await;
    }
    let allowed: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
    let text = format!("this route is for the role {}, not for {}\n", allowed.join(" or "), peer.role.as_str());
    (StatusCode::FORBIDDEN, text).into_response()
}
