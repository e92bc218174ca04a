//! Agents and a learner in a process of their own, so that what they cost is not counted as the gatherer's.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use gather::Target;
use serde_json::json;
use tokio::net::TcpListener;
use tuning::{Decision, Problem, Step, TrajectoryKey};
use wire::agent::{ACKNOWLEDGE_PATH, Acknowledgement, TRAJECTORY_PATH};
use wire::exposition::page;
use wire::http::{Listener, Peer, allow};
use wire::learner::{STEPS_PATH, Steps, Stored};
use wire::tls::{Identity, Role};

/// What a process is told that is to be the peers.
pub const WORD: &str = "peers";
/// The experiment.
pub const UID: &str = "throughput";
/// Agents, and steps on the page of each.
pub const AGENTS: u32 = 32;
pub const STEPS: u32 = 200;
const METRICS: u32 = 8;
const HYPERPARAMETERS: u32 = 2;

/// The process with the peers, and where they are.
pub struct Peers {
    pub agents: Vec<String>,
    pub learner: String,
    child: Child,
}

impl Peers {
    /// Starts them with the identities in `folder`.
    pub fn start(folder: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(WORD).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut agents: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let learner = agents.pop().unwrap();
        Self { agents, learner, child }
    }

    pub fn targets(&self) -> Vec<Target> {
        let target = |(index, address): (u32, &String)| Target { key: key(index), address: address.clone() };
        (0..).zip(&self.agents).map(target).collect()
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // They end when their input does.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// What that process does.
pub async fn serve(folder: &Path) {
    let identity = |role: Role| Identity::load(&folder.join("tls").join(role.as_str())).unwrap();
    let mut addresses = Vec::new();
    for index in 0..AGENTS {
        let text: Arc<str> = page(&trajectory(index), &problem()).into();
        let routes = Router::new()
            .route(TRAJECTORY_PATH, allow(&[Role::Operator], get(async move || text.to_string())))
            .route(ACKNOWLEDGE_PATH, allow(&[Role::Operator], post(told)));
        addresses.push(listen(&identity(Role::Agent), routes).await);
    }
    let routes = Router::new().route(STEPS_PATH, allow(&[Role::Operator], post(store)));
    addresses.push(listen(&identity(Role::Learner), routes.with_state(())).await);
    println!("{}", addresses.join(" "));
    let all = || std::io::stdin().read_to_end(&mut Vec::new());
    let _ = tokio::task::spawn_blocking(all).await;
}

async fn told(Json(_): Json<Acknowledgement>) -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn store(State(()): State<()>, Json(steps): Json<Steps>) -> Json<Stored> {
    Json(Stored { next_step: steps.steps.last().map_or(0, |step| step.step + 1), ended: false })
}

async fn listen(identity: &Identity, routes: Router) -> String {
    let listener = Listener::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), identity).unwrap();
    let address = listener.address().to_string();
    tokio::spawn(async move { axum::serve(listener, routes.into_make_service_with_connect_info::<Peer>()).await });
    address
}

/// Samples on each page.
pub fn samples() -> usize {
    page(&trajectory(0), &problem()).lines().filter(|line| !line.starts_with('#')).count()
}

pub fn problem() -> Problem {
    let metrics: Vec<_> = (0..METRICS).map(|i| json!({"name": format!("metric_{i}"), "range": [0, 1]})).collect();
    let hyperparameter = |i| json!({"name": format!("rate_{i}"), "initial": 0.1, "min": 0.001, "max": 1});
    let value = json!({
        "objective": {"metric": "metric_0", "direction": "Maximize"}, "metrics": metrics,
        "hyperparameters": (0..HYPERPARAMETERS).map(hyperparameter).collect::<Vec<_>>(),
        "multipliers": [0.5, 1, 2], "envSteps": 400,
    });
    serde_json::from_value(value).unwrap()
}

fn key(index: u32) -> TrajectoryKey {
    TrajectoryKey { repetition: 0, epoch: 1, index, attempt: 0 }
}

fn trajectory(index: u32) -> Steps {
    let decision = |step: u32| Decision {
        actions: vec![1; HYPERPARAMETERS as usize],
        log_probabilities: vec![-1.0986123; HYPERPARAMETERS as usize],
        value: Some(step as f32 / 7.0),
        policy_version: 1,
        keep: None,
    };
    let step = |step: u32| Step {
        step,
        metrics: (0..METRICS).map(|i| f64::from(step * 31 + i * 7 + index) / 8191.0).collect(),
        hyperparameters: vec![0.1; HYPERPARAMETERS as usize],
        applied: vec![0.1; HYPERPARAMETERS as usize],
        decision: Some(decision(step)),
        elapsed_seconds: f64::from(step) * 1.37,
    };
    Steps { key: key(index), seed: 7, task: String::new(), steps: (0..STEPS).map(step).collect(), outcome: None }
}
