//! An agent and a learner that do what real ones do, over real mutual TLS, and misbehave on demand.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::{StreamExt, stream};
use gather::{GatherConfig, Gatherer, Target};
use tokio::net::TcpListener;
use tuning::TrajectoryKey;
use tuning::{Decision, Direction, Hyperparameter, Metric, Objective, Outcome, Problem, Scale, Schedule, Step};
use wire::agent::{ACKNOWLEDGE_PATH, Acknowledgement, TRAJECTORY_PATH};
use wire::exposition::page;
use wire::http::{Listener, Peer, Timeouts, allow};
use wire::learner::{STEPS_PATH, Steps, Stored};
use wire::tls::{Authority, Identity, Role};

pub fn problem() -> Problem {
    let metric = |name: &str| Metric { name: name.into(), range: [0.0, 1.0], scale: Scale::Linear, observed: true };
    Problem {
        objective: Objective { metric: "accuracy".into(), direction: Direction::Maximize },
        metrics: vec![metric("loss"), metric("accuracy")],
        hyperparameters: vec![Hyperparameter {
            name: "lr".into(),
            initial: Some(0.1),
            initial_range: None,
            min: 1e-3,
            max: 1.0,
            complement: false,
            schedule: Schedule::default(),
        }],
        multipliers: vec![0.5, 1.0, 2.0],
        env_steps: 20,
    }
}

pub fn key(index: u32) -> TrajectoryKey {
    TrajectoryKey { repetition: 0, epoch: 1, index, attempt: 0 }
}

/// The first `count` steps of the trajectory `key`, all 21 of which are there when it has ended.
pub fn trajectory(key: TrajectoryKey, count: u32) -> Steps {
    let step = |step| Step {
        step,
        metrics: vec![0.5, f64::from(step) / 30.0],
        hyperparameters: vec![0.1],
        applied: vec![0.1],
        decision: (step < 20).then(|| Decision {
            actions: vec![1],
            log_probabilities: vec![-1.1],
            value: Some(0.3),
            policy_version: 1,
            keep: None,
        }),
        elapsed_seconds: f64::from(step),
    };
    let outcome = (count == 21).then_some(Outcome::Completed);
    Steps { key, seed: 7, task: String::new(), steps: (0..count).map(step).collect(), outcome }
}

/// How an agent answers a scrape.
#[derive(Clone, Debug)]
pub enum Answer {
    /// With its page.
    Page,
    /// With these bytes; their number is announced.
    Bytes(Bytes),
    /// With these bytes over and over, without an end or a length.
    Endless(Bytes),
    /// With one byte, and then nothing.
    Hang,
    /// By sending the caller to this URL.
    Redirect(String),
}

#[derive(Clone)]
pub struct Agent {
    pub address: String,
    pub state: Arc<Mutex<AgentState>>,
}

pub struct AgentState {
    pub steps: Steps,
    pub answer: Answer,
    /// What it was told, in order.
    pub told: Vec<Acknowledgement>,
    /// How many acknowledgements it still answers with an error.
    pub deaf: u32,
    pub scrapes: u32,
}

impl Agent {
    pub async fn start(identity: &Identity, steps: Steps, answer: Answer) -> Self {
        let state = AgentState { steps, answer, told: Vec::new(), deaf: 0, scrapes: 0 };
        let state = Arc::new(Mutex::new(state));
        let routes = Router::new()
            .route(TRAJECTORY_PATH, allow(&[Role::Operator], get(scrape)))
            .route(ACKNOWLEDGE_PATH, allow(&[Role::Operator], post(told)))
            .with_state(state.clone());
        Self { address: serve(identity, routes).await, state }
    }

    pub fn target(&self, index: u32) -> Target {
        Target { key: key(index), address: self.address.clone() }
    }

    pub fn grow(&self, index: u32, count: u32) {
        self.state.lock().unwrap().steps = trajectory(key(index), count);
    }

    pub fn told(&self) -> Vec<Acknowledgement> {
        self.state.lock().unwrap().told.clone()
    }
}

async fn scrape(State(state): State<Arc<Mutex<AgentState>>>, Query(query): Query<HashMap<String, usize>>) -> Response {
    let mut state = state.lock().unwrap();
    state.scrapes += 1;
    match &state.answer {
        Answer::Page => {
            let from = query["from"].min(state.steps.steps.len());
            let steps = Steps { steps: state.steps.steps[from..].to_vec(), ..state.steps.clone() };
            page(&steps, &problem()).into_response()
        }
        Answer::Bytes(bytes) => bytes.clone().into_response(),
        Answer::Endless(bytes) => Body::from_stream(stream::repeat(bytes.clone()).map(whole)).into_response(),
        Answer::Hang => {
            let byte = stream::iter([Bytes::from_static(b"#")]);
            Body::from_stream(byte.chain(stream::pending()).map(whole)).into_response()
        }
        Answer::Redirect(url) => (StatusCode::TEMPORARY_REDIRECT, [("location", url.clone())]).into_response(),
    }
}

fn whole(bytes: Bytes) -> Result<Bytes, Infallible> {
    Ok(bytes)
}

async fn told(State(state): State<Arc<Mutex<AgentState>>>, Json(how_far): Json<Acknowledgement>) -> StatusCode {
    let mut state = state.lock().unwrap();
    if state.deaf > 0 {
        state.deaf -= 1;
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    state.told.push(how_far);
    StatusCode::NO_CONTENT
}

#[derive(Clone)]
pub struct Learner {
    pub address: String,
    pub state: Arc<Mutex<LearnerState>>,
}

#[derive(Default)]
pub struct LearnerState {
    pub stored: HashMap<TrajectoryKey, Steps>,
    /// Requests that still fail before anything is stored …
    pub failing: u32,
    /// … and that are stored, but answered with an error.
    pub forgetful: u32,
}

impl Learner {
    pub async fn start(identity: &Identity) -> Self {
        let state = Arc::new(Mutex::new(LearnerState::default()));
        let routes = Router::new().route(STEPS_PATH, allow(&[Role::Operator], post(store)));
        let routes = routes.with_state(state.clone());
        Self { address: serve(identity, routes).await, state }
    }

    pub fn stored(&self, index: u32) -> Option<Steps> {
        self.state.lock().unwrap().stored.get(&key(index)).cloned()
    }
}

async fn store(
    State(state): State<Arc<Mutex<LearnerState>>>,
    Json(steps): Json<Steps>,
) -> Result<Json<Stored>, StatusCode> {
    let mut state = state.lock().unwrap();
    if state.failing > 0 {
        state.failing -= 1;
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let fresh = Steps { steps: Vec::new(), outcome: None, ..steps.clone() };
    let stored = state.stored.entry(steps.key).or_insert(fresh);
    for step in steps.steps {
        match stored.steps.get(step.step as usize) {
            Some(before) => assert_eq!(*before, step, "a repeated step is the same"),
            None if stored.steps.len() == step.step as usize => stored.steps.push(step),
            None => break,
        }
    }
    stored.outcome = stored.outcome.or(steps.outcome);
    let answer = Stored { next_step: stored.steps.len() as u32, ended: stored.outcome.is_some() };
    if state.forgetful > 0 {
        state.forgetful -= 1;
        return Err(StatusCode::BAD_GATEWAY);
    }
    Ok(Json(answer))
}

pub async fn serve(identity: &Identity, routes: Router) -> String {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = Listener::new(tcp, identity).unwrap();
    let address = listener.address().to_string();
    let service = routes.into_make_service_with_connect_info::<Peer>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

/// One experiment's identities, learner and gatherer.
pub struct World {
    pub authority: Authority,
    pub learner: Learner,
    pub gatherer: Gatherer,
}

impl World {
    pub async fn new(change: impl FnOnce(&mut GatherConfig)) -> Self {
        let authority = Authority::new("one").unwrap();
        let learner = Learner::start(&authority.issue(Role::Learner).unwrap()).await;
        let mut config = GatherConfig::new(authority.issue(Role::Operator).unwrap(), problem());
        // Long enough for a machine that does other things as well.
        config.timeouts = Timeouts { connect: Duration::from_secs(30), total: Some(Duration::from_secs(60)) };
        change(&mut config);
        let gatherer = Gatherer::new(config).unwrap();
        gatherer.set_learner(0, learner.address.clone());
        Self { authority, learner, gatherer }
    }

    pub async fn agent(&self, steps: Steps, answer: Answer) -> Agent {
        Agent::start(&self.authority.issue(Role::Agent).unwrap(), steps, answer).await
    }

    /// Cause and words of why an agent that answers like this is not gathered; nothing of it may reach the learner.
    pub async fn refusal(&self, steps: Steps, answer: Answer) -> (&'static str, String) {
        let agent = self.agent(steps, answer).await;
        let error = self.gatherer.gather(&agent.target(0)).await.unwrap_err();
        assert_eq!(self.learner.stored(0), None);
        assert_eq!(agent.told(), []);
        (error.cause(), error.to_string())
    }
}
