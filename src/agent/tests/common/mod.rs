//! Runs the real program against a learner that only stores and publishes.

#[allow(dead_code, reason = "unit tests use the rest")]
pub mod fixtures;

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use futures::{StreamExt, stream};
use reqwest::{Client, Response};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use wire::agent::{AgentConfig, Announcement};
use wire::http::{Listener, Peer, Timeouts, allow, client};
use wire::learner::{Frame, HISTORY_PATH, History, POLICY_PATH, STEPS_PATH, Steps, Stored};
use wire::tls::{Identity, Role, establish};

/// What anything here may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// An experiment's folder with identities, and the address of its learner.
pub struct Experiment {
    dir: TempDir,
    pub config: AgentConfig,
}

impl Experiment {
    pub fn new(change: impl FnOnce(&mut AgentConfig)) -> Self {
        let (dir, mut config) = (TempDir::new().unwrap(), fixtures::config());
        establish(&dir.path().join("tls"), &config.uid).unwrap();
        change(&mut config);
        Self { dir, config }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn identity(&self, role: Role) -> Identity {
        Identity::load(&self.path().join("tls").join(role.as_str())).unwrap()
    }

    pub fn client(&self, role: Role) -> Client {
        client(&self.identity(role), Role::Agent, Timeouts::REQUEST).unwrap()
    }

    /// The program with `arguments`, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let config = self.path().join("agent.json");
        std::fs::write(&config, serde_json::to_vec(&self.config).unwrap()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_trainpilot-agent"));
        command.args(["run".as_ref(), "--config".as_ref(), config.as_os_str(), "--index".as_ref(), "0".as_ref()]);
        command.args(["--tls".as_ref(), self.path().join("tls/agent").as_os_str()]).args(arguments);
        command.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Starts the program and waits until it is ready.
    pub async fn start(&self, arguments: &[&str]) -> Agent {
        let announce = self.path().join("announce.json");
        let _ = std::fs::remove_file(&announce);
        let child = self.command(arguments).arg("--announce").arg(&announce).spawn().unwrap();
        let text = until(async || std::fs::read(&announce).ok()).await;
        let config = self.identity(Role::Operator).client_config(Role::Agent).unwrap();
        let trainer = Client::builder().tls_backend_preconfigured(config).no_proxy().build().unwrap();
        Agent { child, at: serde_json::from_slice(&text).unwrap(), trainer, operator: self.client(Role::Operator) }
    }
}

/// A running agent.
pub struct Agent {
    pub child: Child,
    pub at: Announcement,
    pub trainer: Client,
    pub operator: Client,
}

impl Agent {
    /// What the trainer gets for `body`: status and text.
    pub async fn post(&self, body: impl Into<reqwest::Body>) -> (u16, String) {
        let url = format!("{}/v1/steps", self.at.trainer_url);
        read(self.trainer.post(url).body(body).send().await.unwrap()).await
    }

    /// The answer to a sound report of `step`.
    pub async fn report(&self, step: u32) -> Value {
        let (status, text) = self.post(serde_json::to_vec(&fixtures::report(step, 0.2)).unwrap()).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The figures for people, as `client` gets them.
    pub async fn figures(&self) -> String {
        read(self.operator.get(format!("https://{}/metrics", self.at.address)).send().await.unwrap()).await.1
    }

    /// Waits until the figure whose line starts with `name` has `value`.
    pub async fn figure_becomes(&self, name: &str, value: &str) {
        until(async || {
            let text = self.figures().await;
            text.lines().find(|line| line.starts_with(name) && line.ends_with(&format!(" {value}"))).map(drop)
        })
        .await;
    }

    /// Sends SIGTERM.
    pub async fn terminate(&self) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    }

    /// Exit code and log, once it has ended.
    pub async fn ended(self) -> (Option<i32>, String) {
        let output = timeout(PATIENCE, self.child.wait_with_output()).await.unwrap().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

pub async fn read(response: Response) -> (u16, String) {
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Asks again and again until there is something; only for what nobody announces.
pub async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            match ask().await {
                Some(found) => return found,
                None => sleep(Duration::from_millis(2)).await,
            }
        }
    };
    timeout(PATIENCE, asking).await.unwrap()
}

/// Stores steps and publishes policies; can be started anew at the same address.
pub struct Learner {
    pub address: String,
    /// Kept over a restart: an address given back may be taken by the time it is wanted again.
    socket: TcpListener,
    pub stored: Arc<Mutex<Vec<Steps>>>,
    /// What it says of earlier attempts to whoever asks.
    pub history: Arc<Mutex<History>>,
    policy: watch::Sender<Option<Bytes>>,
    server: JoinHandle<()>,
}

type Shared = (Arc<Mutex<Vec<Steps>>>, watch::Receiver<Option<Bytes>>);

impl Learner {
    pub fn start(experiment: &Experiment) -> Self {
        Self::at(local(), experiment)
    }

    /// Serves `socket`; whoever called before waits until now.
    pub fn at(socket: TcpListener, experiment: &Experiment) -> Self {
        let tcp = tokio::net::TcpListener::from_std(socket.try_clone().unwrap()).unwrap();
        let listener = Listener::new(tcp, &experiment.identity(Role::Learner)).unwrap();
        let (address, stored, policy) = (listener.address().to_string(), Arc::default(), watch::Sender::new(None));
        let routes = Router::new()
            .route(POLICY_PATH, allow(&[Role::Agent], get(policies)))
            .route(STEPS_PATH, allow(&[Role::Agent], post(steps)))
            .with_state((Arc::clone(&stored), policy.subscribe()));
        let history: Arc<Mutex<History>> = Arc::default();
        let told = Arc::clone(&history);
        let tell = get(move || std::future::ready(Json(told.lock().unwrap().clone())));
        let routes = routes.route(HISTORY_PATH, allow(&[Role::Agent], tell));
        let service = routes.into_make_service_with_connect_info::<Peer>();
        let server = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { address, socket, stored, history, policy, server }
    }

    /// Sends these versions, one after the other.
    pub fn publish(&self, policies: &[(u64, &[u8])]) {
        let frame = |(version, artifact): &(u64, &[u8])| {
            let head = Frame { version: *version, length: artifact.len() as u64 };
            [&head.encode()[..], artifact].concat()
        };
        self.policy.send_replace(Some(policies.iter().flat_map(frame).collect()));
    }

    /// Breaks all streams and begins anew, with nothing published.
    pub async fn restart(self, experiment: &Experiment) -> Self {
        let Self { socket, policy, server, .. } = self;
        server.abort();
        assert!(server.await.unwrap_err().is_cancelled());
        // Connections live on without the server until their streams end.
        drop(policy);
        Self::at(socket, experiment)
    }
}

/// A trainer's own page, whatever the path.
pub struct Page {
    pub port: String,
    text: Arc<Mutex<String>>,
}

impl Page {
    pub fn serve(text: &str) -> Self {
        let (socket, text) = (local(), Arc::new(Mutex::new(text.to_owned())));
        let (port, shown) = (socket.local_addr().unwrap().port().to_string(), Arc::clone(&text));
        let routes = Router::new().fallback(move || std::future::ready(shown.lock().unwrap().clone()));
        let socket = tokio::net::TcpListener::from_std(socket).unwrap();
        tokio::spawn(async move { axum::serve(socket, routes).await.unwrap() });
        Self { port, text }
    }

    pub fn show(&self, text: &str) {
        text.clone_into(&mut self.text.lock().unwrap());
    }
}

/// A socket that listens, though nobody accepts yet.
pub fn local() -> TcpListener {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

async fn policies(State((_, policies)): State<Shared>) -> Body {
    let frames = stream::unfold((policies, true), async |(mut policies, first)| {
        if !first {
            policies.changed().await.ok()?;
        }
        let frame = policies.borrow_and_update().clone().unwrap_or_default();
        Some((Ok::<_, std::convert::Infallible>(frame), (policies, false)))
    });
    Body::from_stream(frames.filter(|frame| std::future::ready(!frame.as_ref().is_ok_and(Bytes::is_empty))))
}

async fn steps(State((stored, _)): State<Shared>, Json(steps): Json<Steps>) -> Json<Stored> {
    let next_step = steps.steps.last().map_or(0, |step| step.step + 1);
    let ended = steps.outcome.is_some();
    stored.lock().unwrap().push(steps);
    Json(Stored { next_step, ended })
}
