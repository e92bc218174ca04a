//! As much of an apiserver as the operator needs, in memory: objects, their versions, and watches.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures::stream;
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Kind in the plural, namespace and name.
pub type Key = (String, String, String);

#[derive(Clone)]
pub struct Apiserver {
    state: Arc<Mutex<Known>>,
    version: watch::Sender<usize>,
}

#[derive(Default)]
struct Known {
    objects: BTreeMap<Key, Value>,
    /// What watches tell, in order: the number of each is the version that it made.
    events: Vec<(String, Value)>,
    writes: usize,
}

/// Where a request goes.
struct Place {
    plural: String,
    namespace: String,
    name: Option<String>,
    subresource: Option<String>,
}

impl Apiserver {
    /// One without objects, and a client of it.
    pub async fn start() -> (Self, Client) {
        let server = Self { state: Arc::default(), version: watch::Sender::new(0) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = Config::new(format!("http://{}", listener.local_addr().unwrap()).parse().unwrap());
        let app = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (server, Client::try_from(config).unwrap())
    }

    pub fn get(&self, key: &Key) -> Option<Value> {
        self.state.lock().unwrap().objects.get(key).cloned()
    }

    pub fn names(&self, plural: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.objects.keys().filter(|key| key.0 == plural).map(|key| key.2.clone()).collect()
    }

    /// Requests of the operator to change something, but for events.
    pub fn writes(&self) -> usize {
        self.state.lock().unwrap().writes
    }

    /// Puts an object in place, as somebody.
    pub fn put(&self, key: &Key, mut object: Value) -> Value {
        let mut state = self.state.lock().unwrap();
        let version = state.events.len() + 1;
        let before = state.objects.get(key).map(|before| before["metadata"]["uid"].clone());
        object["metadata"]["namespace"] = key.1.clone().into();
        object["metadata"]["resourceVersion"] = version.to_string().into();
        let given = object["metadata"]["uid"].clone();
        object["metadata"]["uid"] =
            before.unwrap_or(if given.is_null() { format!("uid-{version}").into() } else { given });
        let kind = if state.objects.contains_key(key) { "MODIFIED" } else { "ADDED" };
        state.objects.insert(key.clone(), object.clone());
        state.events.push((key.0.clone(), json!({"type": kind, "object": object})));
        self.version.send_replace(version);
        object
    }

    /// Removes an object, as somebody.
    pub fn remove(&self, key: &Key) -> Option<Value> {
        let mut state = self.state.lock().unwrap();
        let mut object = state.objects.remove(key)?;
        let version = state.events.len() + 1;
        object["metadata"]["resourceVersion"] = version.to_string().into();
        state.events.push((key.0.clone(), json!({"type": "DELETED", "object": object})));
        self.version.send_replace(version);
        Some(object)
    }

    fn list(&self, plural: &str) -> Value {
        let state = self.state.lock().unwrap();
        let of_kind = state.objects.iter().filter(|(key, _)| key.0 == plural);
        let items: Vec<&Value> = of_kind.map(|(_, object)| object).collect();
        let version = state.events.len().to_string();
        json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items})
    }

    /// Lines of JSON, without an end.
    fn watch(&self, plural: String, from: usize) -> Response {
        let lines = stream::unfold((self.clone(), from), move |(server, mut seen)| {
            let plural = plural.clone();
            async move {
                let mut version = server.version.subscribe();
                loop {
                    let next = server.state.lock().unwrap().events.get(seen).cloned();
                    match next {
                        Some((kind, event)) if kind == plural => {
                            return Some((Ok::<_, Infallible>(format!("{event}\n")), (server, seen + 1)));
                        }
                        Some(_) => seen += 1,
                        None => version.wait_for(|version| *version > seen).await.map(drop).unwrap(),
                    }
                }
            }
        });
        Body::from_stream(lines).into_response()
    }

    fn write(&self, method: &Method, place: &Place, body: Value, merges: bool) -> Response {
        self.state.lock().unwrap().writes += usize::from(place.plural != "events");
        let name = place.name.clone().or(body["metadata"]["name"].as_str().map(str::to_owned)).unwrap_or_default();
        let key = (place.plural.clone(), place.namespace.clone(), name);
        let known = self.get(&key);
        match (method.as_str(), known) {
            ("POST", Some(_)) => refusal(409, "AlreadyExists"),
            ("POST", None) => json_of(&self.put(&key, body)),
            ("DELETE", None) => refusal(404, "NotFound"),
            ("DELETE", Some(known)) => {
                self.remove(&key);
                json_of(&known)
            }
            (_, Some(mut known)) if place.subresource.is_some() => {
                known["status"] = body["status"].clone();
                json_of(&self.put(&key, known))
            }
            (_, Some(mut known)) if merges => {
                merge(&mut known, &body);
                json_of(&self.put(&key, known))
            }
            _ => json_of(&self.put(&key, body)),
        }
    }
}

async fn answer(
    State(server): State<Apiserver>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let place = place(uri.path());
    let query = uri.query().unwrap_or_default();
    if method != Method::GET {
        let merges = headers.get("content-type").is_some_and(|kind| kind == "application/merge-patch+json");
        return server.write(&method, &place, serde_json::from_slice(&body).unwrap_or_default(), merges);
    }
    if query.contains("watch=true") {
        let from = query.split('&').find_map(|part| part.strip_prefix("resourceVersion="));
        return server.watch(place.plural, from.and_then(|from| from.parse().ok()).unwrap_or(0));
    }
    match place.name {
        None => json_of(&server.list(&place.plural)),
        Some(name) => match server.get(&(place.plural, place.namespace, name)) {
            Some(object) => json_of(&object),
            None => refusal(404, "NotFound"),
        },
    }
}

fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            change.iter().for_each(|(name, change)| merge(into.entry(name.clone()).or_insert(Value::Null), change));
        }
        (into, change) => *into = change.clone(),
    }
}

fn place(path: &str) -> Place {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.drain(..if parts[0] == "api" { 2 } else { 3 });
    let namespace = if parts[0] == "namespaces" && parts.len() > 2 { parts.drain(..2).nth(1) } else { None };
    let part = |at: usize| parts.get(at).map(|part| (*part).to_owned());
    Place {
        plural: part(0).unwrap(),
        namespace: namespace.unwrap_or_default().to_owned(),
        name: part(1),
        subresource: part(2),
    }
}

fn json_of(value: &Value) -> Response {
    value.to_string().into_response()
}

fn refusal(code: u16, reason: &str) -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code,
                        "message": reason, "metadata": {}});
    (StatusCode::from_u16(code).unwrap(), status.to_string()).into_response()
}
