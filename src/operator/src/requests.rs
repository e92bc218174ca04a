//! Counts what is asked of the apiserver: every request of a client, reads and watches included. What the client tries again by
//! itself counts once.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response, Uri};
use kube::client::Body;
use tower::{Layer, Service};

use crate::figures::Figures;

/// Makes a client's requests be counted.
pub struct Counting(pub Arc<Figures>);

impl<S> Layer<S> for Counting {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, figures: Arc::clone(&self.0) }
    }
}

/// A client's way to the apiserver, on which requests are counted.
pub struct Counted<S> {
    inner: S,
    figures: Arc<Figures>,
}

impl<S, B> Service<Request<Body>> for Counted<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (verb, figures) = (verb(request.method(), request.uri()), Arc::clone(&self.figures));
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            figures.requested(verb, answer.as_ref().ok().map(|answer| answer.status().as_u16()));
            answer
        })
    }
}

/// What a request is about, in Kubernetes' words.
fn verb(method: &Method, uri: &Uri) -> &'static str {
    let watches = uri.query().is_some_and(|query| query.split('&').any(|part| part == "watch=true"));
    match method.as_str() {
        "GET" if watches => "watch",
        "GET" if names_one(uri.path()) => "get",
        "GET" => "list",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "other",
    }
}

/// Whether a path names one object, as in `/apis/GROUP/VERSION/namespaces/NAMESPACE/KIND/NAME`.
fn names_one(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts[..] {
        ["api", _, "namespaces", _, _] | ["apis", _, _, "namespaces", _, _] => false,
        ["api", _, _, _, ..] | ["apis", _, _, _, _, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn requests_are_told_apart_as_kubernetes_does() {
        for (method, uri, expected) in [
            (Method::GET, "/api/v1/pods?&labelSelector=a&limit=500", "list"),
            (Method::GET, "/api/v1/namespaces/team/pods?", "list"),
            (Method::GET, "/api/v1/pods?&watch=true&timeoutSeconds=290", "watch"),
            (Method::GET, "/api/v1/namespaces/team", "get"),
            (Method::GET, "/api/v1/namespaces/team/secrets/small-identities-5e8e0b0e", "get"),
            (Method::GET, "/apis/apps/v1/statefulsets", "list"),
            (Method::GET, "/apis/apps/v1/namespaces/team/statefulsets", "list"),
            (Method::GET, "/apis/coordination.k8s.io/v1/namespaces/team/leases/trainpilot-operator?", "get"),
            (Method::PATCH, "/apis/batch/v1/namespaces/team/jobs/small-r0-e1", "patch"),
            (Method::POST, "/api/v1/namespaces/team/secrets", "create"),
            (Method::DELETE, "/apis/batch/v1/namespaces/team/jobs/small-r0-e1", "delete"),
        ] {
            assert_eq!(verb(&method, &uri.parse().unwrap()), expected, "{method} {uri}");
        }
    }

    #[tokio::test]
    async fn each_request_is_counted_with_its_answer() {
        let figures = Arc::new(Figures::new().unwrap());
        let answers = tower::service_fn(async |request: Request<Body>| match request.uri().path() {
            "/api/v1/pods" => Ok(Response::new(Body::empty())),
            "/api/v1/secrets" => Ok(Response::builder().status(403).body(Body::empty()).unwrap()),
            _ => Err("nobody is there"),
        });
        let mut client = Counting(Arc::clone(&figures)).layer(answers);
        for path in ["/api/v1/pods", "/api/v1/pods", "/api/v1/pods?watch=true", "/api/v1/secrets", "/api/v1/nodes"] {
            let _ = client.call(Request::get(path).body(Body::empty()).unwrap()).await;
        }
        let text = figures.text().unwrap();
        for (verb, code, count) in [("list", "200", 2), ("watch", "200", 1), ("list", "403", 1), ("list", "none", 1)] {
            let line = format!("trainpilot_operator_requests_total{{code=\"{code}\",verb=\"{verb}\"}} {count}");
            assert!(text.contains(&line), "{line}\n{text}");
        }
    }
}
