//! A learner as a local process, started again whenever it ends before its work does.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use wire::learner::ENVIRONMENT;

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
/// Ends in a row without an epoch in between after which it does: it may be that memory runs out at the same place each time.
const ENDS: u32 = 10;

/// How a learner is started.
pub(super) struct Launch {
    /// Which of the program's learners, as a word of its command line.
    pub(super) role: &'static str,
    pub(super) program: PathBuf,
    pub(super) config: PathBuf,
    pub(super) storage: PathBuf,
    pub(super) tls: PathBuf,
    /// What else its command line says.
    pub(super) more: Vec<OsString>,
}

/// A learner's process, and where it listens.
pub(super) struct LearnerProcess {
    launch: Launch,
    process: Option<Process>,
    /// Kept over restarts, so that others find it again.
    address: Option<String>,
    failures: u32,
    ends: u32,
    not_before: Instant,
}

impl LearnerProcess {
    /// Prepares a learner; nothing is started yet.
    pub(super) fn new(launch: Launch) -> std::io::Result<Self> {
        fs::create_dir_all(&launch.storage)?;
        Ok(Self { launch, process: None, address: None, failures: 0, ends: 0, not_before: Instant::now() })
    }

    /// Where it listens, once it does.
    pub(super) fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// Takes note that it got further.
    pub(super) fn got_further(&mut self) {
        self.ends = 0;
    }

    /// Starts it if it does not run. A learner that fails again and again is an error that shows its last words.
    pub(super) async fn ensure(&mut self) -> Result<(), String> {
        if self.process.as_mut().is_some_and(Process::running) || Instant::now() < self.not_before {
            return Ok(());
        }
        if self.process.take().is_some() {
            self.ends += 1;
            tracing::warn!(role = self.launch.role, "the learner ended and is started again");
        }
        if self.ends >= ENDS {
            let words = last_lines(&self.log());
            return Err(format!("the {} learner ended {ENDS} times within an epoch\n{words}", self.launch.role));
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
        let Launch { role, program, config, storage, tls, more } = &self.launch;
        let announce = storage.join("announce");
        // One left over from an earlier process would name the wrong port.
        let _ = fs::remove_file(&announce);
        let listen = self.address.clone().unwrap_or_else(|| "127.0.0.1:0".to_owned());
        let started = Process::start("learner", program, &self.log(), |command| {
            command.arg(role).arg("--config").arg(config).arg("--storage").arg(storage).arg("--tls").arg(tls);
            command.arg("--announce").arg(&announce).arg("--listen").arg(listen).args(more);
            command.envs(ENVIRONMENT);
        });
        let mut process = started.map_err(|error| format!("the {role} learner did not start: {error}"))?;
        let address = process.announcement(&announce, PATIENCE).await?;
        self.address = Some(String::from_utf8_lossy(&address).into_owned());
        self.process = Some(process);
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.storage().join("learner.log")
    }

    fn storage(&self) -> &Path {
        &self.launch.storage
    }

    /// Ends it: everything it has answered for is on disk.
    pub(super) async fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop(GRACE).await;
        }
    }
}
