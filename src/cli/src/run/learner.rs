//! The policy learner of a repetition as a local process, started again whenever it ends before its work does.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use wire::client::{learner_state, order_epoch};
use wire::learner::{EpochOrder, LearnerState};
use wire::settings::LearnerConfig;

use super::process::Process;
use super::world::last_lines;

/// How long it may take to listen: libtorch is read from a cold disk the first time.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it may take to end.
const GRACE: Duration = Duration::from_secs(5);
/// Pause before it is started again, doubled each time in a row up to the limit.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Starts in a row without an answer after which the run gives up.
const TRIES: u32 = 5;

/// Tells glibc to keep what a learner frees, which it soon wants again: to give it back to the kernel in between takes a
/// sixth of the time on large epochs. `cargo xtask bench` measures with the same.
const KEEP_MEMORY: [(&str, &str); 2] =
    [("MALLOC_MMAP_THRESHOLD_", "33554432"), ("MALLOC_TRIM_THRESHOLD_", "1000000000")];

/// A learner's process and how to reach it.
pub(super) struct LearnerProcess {
    program: PathBuf,
    storage: PathBuf,
    tls: PathBuf,
    client: reqwest::Client,
    process: Option<Process>,
    epochs: u32,
    /// What it said last; it may be away since.
    last: Option<LearnerState>,
    /// Kept over restarts, so that agents find it again.
    address: Option<String>,
    failures: u32,
    not_before: Instant,
}

impl LearnerProcess {
    /// Prepares a learner; nothing is started yet.
    pub(super) fn new(
        program: PathBuf,
        storage: PathBuf,
        tls: PathBuf,
        client: reqwest::Client,
        config: &LearnerConfig,
    ) -> std::io::Result<Self> {
        fs::create_dir_all(&storage)?;
        fs::write(storage.join("config.json"), serde_json::to_vec_pretty(config)?)?;
        let not_before = Instant::now();
        let (process, address, last) = (None, None, None);
        let epochs = config.epochs;
        Ok(Self { program, storage, tls, client, process, epochs, last, address, failures: 0, not_before })
    }

    /// Where it listens, once it does.
    pub(super) fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// Starts it if it does not run. A learner that fails again and again is an error that shows its last words.
    pub(super) async fn ensure(&mut self) -> Result<(), String> {
        if self.process.as_mut().is_some_and(Process::running) || Instant::now() < self.not_before {
            return Ok(());
        }
        if self.process.take().is_some() {
            tracing::warn!(storage = %self.storage.display(), "the learner ended and is started again");
        }
        match self.start().await {
            Ok(()) => {
                self.failures = 0;
                Ok(())
            }
            Err(error) => {
                self.failures += 1;
                self.not_before = Instant::now() + (FIRST_PAUSE * 2_u32.pow(self.failures)).min(LONGEST_PAUSE);
                if self.failures < TRIES { Ok(()) } else { Err(format!("{error}\n{}", last_lines(&self.log()))) }
            }
        }
    }

    async fn start(&mut self) -> Result<(), String> {
        let announce = self.storage.join("announce");
        // One left over from an earlier process would name the wrong port.
        let _ = fs::remove_file(&announce);
        let listen = self.address.clone().unwrap_or_else(|| "127.0.0.1:0".to_owned());
        let started = Process::start("learner", &self.program, &self.log(), |command| {
            command.arg("--config").arg(self.storage.join("config.json")).arg("--storage").arg(&self.storage);
            command.arg("--tls").arg(&self.tls).arg("--announce").arg(&announce).arg("--listen").arg(listen);
            command.env("OMP_NUM_THREADS", "1").envs(KEEP_MEMORY);
        });
        let mut process = started.map_err(|error| format!("the learner did not start: {error}"))?;
        let address = process.announcement(&announce, PATIENCE).await?;
        self.address = Some(String::from_utf8_lossy(&address).into_owned());
        self.process = Some(process);
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.storage.join("learner.log")
    }

    /// Epochs that it was told to learn from.
    pub(super) fn epochs(&self) -> u32 {
        self.epochs
    }

    /// Where learning stands; none while it does not answer.
    pub(super) async fn state(&mut self) -> Option<LearnerState> {
        let state = learner_state(&self.client, self.address.as_ref()?).await.ok()?;
        self.last = Some(state.clone());
        Some(state)
    }

    /// Where learning stood when it last answered.
    pub(super) fn last_state(&self) -> Option<&LearnerState> {
        self.last.as_ref()
    }

    /// Gives it an epoch's order.
    pub(super) async fn order(&mut self, order: &EpochOrder) -> Result<(), String> {
        let Some(address) = &self.address else { return Ok(()) };
        let state = order_epoch(&self.client, address, order).await.map_err(|error| error.to_string())?;
        self.last = Some(state);
        Ok(())
    }

    /// Ends it: everything it has answered for is on disk.
    pub(super) async fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop(GRACE).await;
        }
    }
}
