//! Metrics only for those whom the apiserver knows by their token and lets get them, as other components of Kubernetes do it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header::AUTHORIZATION};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::{Digest, Sha256};

use super::METRICS;

/// For how long a verdict holds, as Prometheus asks again and again.
const HOLDS: Duration = Duration::from_secs(60);
/// Verdicts that are remembered: whoever tries tokens gets no memory of ours.
const REMEMBERED: usize = 1000;

/// What is said of whoever shows a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// May get metrics.
    Allowed,
    /// Is known, and may not.
    Forbidden,
    /// Is not known.
    Unknown,
}

/// Says who may get metrics.
#[async_trait]
pub trait Reviewer: Send + Sync {
    /// What is said of a token.
    async fn review(&self, token: &str) -> kube::Result<Verdict>;
}

#[async_trait]
impl Reviewer for Client {
    async fn review(&self, token: &str) -> kube::Result<Verdict> {
        let spec = TokenReviewSpec { token: Some(token.to_owned()), ..TokenReviewSpec::default() };
        let review = TokenReview { spec, ..TokenReview::default() };
        let reviewed = Api::all(self.clone()).create(&PostParams::default(), &review).await?;
        let status = reviewed.status.unwrap_or_default();
        let Some(user) = status.user.filter(|_| status.authenticated == Some(true)) else {
            return Ok(Verdict::Unknown);
        };
        let wanted = NonResourceAttributes { path: Some(METRICS.to_owned()), verb: Some("get".to_owned()) };
        let spec = SubjectAccessReviewSpec {
            user: user.username,
            uid: user.uid,
            groups: user.groups,
            extra: user.extra,
            non_resource_attributes: Some(wanted),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let reviewed = Api::all(self.clone()).create(&PostParams::default(), &review).await?;
        let allowed = matches!(reviewed.status, Some(SubjectAccessReviewStatus { allowed: true, .. }));
        Ok(if allowed { Verdict::Allowed } else { Verdict::Forbidden })
    }
}

/// Stands before a route.
pub struct Guard<R> {
    reviewer: R,
    /// By the hash of the token.
    verdicts: Mutex<HashMap<[u8; 32], (Instant, Verdict)>>,
}

impl<R: Reviewer + 'static> Guard<R> {
    /// One that goes by what `reviewer` says.
    pub fn new(reviewer: R) -> Arc<Self> {
        Arc::new(Self { reviewer, verdicts: Mutex::default() })
    }

    /// `router`, for those alone who may.
    pub fn protect(self: Arc<Self>, router: axum::Router) -> axum::Router {
        router.layer(from_fn_with_state(self, check::<R>))
    }

    async fn verdict(&self, token: &str) -> kube::Result<Verdict> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let known = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).copied();
        if let Some((_, verdict)) = known.filter(|(said, _)| said.elapsed() < HOLDS) {
            return Ok(verdict);
        }
        let verdict = self.reviewer.review(token).await?;
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() >= REMEMBERED {
            verdicts.clear();
        }
        verdicts.insert(hash, (Instant::now(), verdict));
        Ok(verdict)
    }
}

async fn check<R: Reviewer + 'static>(State(guard): State<Arc<Guard<R>>>, request: Request, next: Next) -> Response {
    let bearer = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some(token) = bearer.map(str::to_owned) else {
        return (StatusCode::UNAUTHORIZED, "a bearer token is needed").into_response();
    };
    match guard.verdict(&token).await {
        Ok(Verdict::Allowed) => next.run(request).await,
        Ok(Verdict::Forbidden) => (StatusCode::FORBIDDEN, "no role allows to get /metrics").into_response(),
        Ok(Verdict::Unknown) => (StatusCode::UNAUTHORIZED, "the token is not known").into_response(),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "who asks for metrics can't be known");
            (StatusCode::SERVICE_UNAVAILABLE, "the apiserver does not say who asks").into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Fixed(Arc<AtomicU32>);

    #[async_trait]
    impl Reviewer for Fixed {
        async fn review(&self, token: &str) -> kube::Result<Verdict> {
            self.0.fetch_add(1, Ordering::Relaxed);
            match token {
                "good" => Ok(Verdict::Allowed),
                "weak" => Ok(Verdict::Forbidden),
                "lost" => Err(kube::Error::LinesCodecMaxLineLengthExceeded),
                _ => Ok(Verdict::Unknown),
            }
        }
    }

    #[tokio::test]
    async fn only_who_may_gets_metrics_and_the_apiserver_is_not_asked_each_time() {
        let asked = Fixed::default();
        let router = Guard::new(asked.clone()).protect(Router::new().route(METRICS, get(async || "figures")));
        let status = async |authorization: Option<&str>| {
            let mut request = Request::get(METRICS);
            if let Some(authorization) = authorization {
                request = request.header(AUTHORIZATION, authorization);
            }
            router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status().as_u16()
        };
        assert_eq!(status(None).await, 401);
        assert_eq!(status(Some("Basic good")).await, 401);
        assert_eq!(status(Some("Bearer other")).await, 401);
        assert_eq!(status(Some("Bearer weak")).await, 403);
        assert_eq!([status(Some("Bearer good")).await, status(Some("Bearer good")).await], [200, 200]);
        assert_eq!(asked.0.load(Ordering::Relaxed), 3);
        assert_eq!([status(Some("Bearer lost")).await, status(Some("Bearer lost")).await], [503, 503]);
        assert_eq!(asked.0.load(Ordering::Relaxed), 5, "what the apiserver did not say is not remembered");
    }
}
