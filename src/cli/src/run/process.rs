//! Children of a local run: they die with it, however it dies, and never see the terminal's Ctrl-C.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};
use tokio::process::{Child, Command};

/// Name of the hidden subcommand that a child starts as.
pub(crate) const SUPERVISED: &str = "supervised";

/// Pause between looks at a file that a child is going to write.
const LOOK: Duration = Duration::from_millis(2);

/// A running child.
pub(super) struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts `program` so that it ends with this process; what it prints goes to `log`.
    pub(super) fn start(name: &str, program: &Path, log: &Path, shape: impl FnOnce(&mut Command)) -> io::Result<Self> {
        let log = File::create(log)?;
        // The command is this program, which asks the kernel to be killed with its parent and then becomes `program`.
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(SUPERVISED).arg(std::process::id().to_string()).arg(program);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // A group of its own: Ctrl-C on the terminal is for this process alone, which then ends its children in order.
        command.process_group(0).kill_on_drop(true);
        shape(&mut command);
        Ok(Self { child: command.spawn()?, name: name.to_owned() })
    }

    /// Waits until the process ends by itself.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Whether it has not ended yet.
    pub(super) fn running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to end, and ends it after `grace`.
    pub(super) async fn stop(&mut self, grace: Duration) {
        if let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(pid as i32)) {
            // It may have ended in between: then there is nothing to ask.
            let _ = kill_process(pid, Signal::TERM);
            if tokio::time::timeout(grace, self.child.wait()).await.is_err() {
                tracing::warn!(process = self.name, "did not end when asked, and was killed");
                let _ = self.child.kill().await;
            }
        }
    }

    /// Waits for the file that the process writes once it listens; its bytes, or why there are none.
    pub(super) async fn announcement(&mut self, path: &Path, patience: Duration) -> Result<Vec<u8>, String> {
        let appears = async {
            loop {
                if let Ok(bytes) = tokio::fs::read(path).await {
                    return bytes;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            bytes = tokio::time::timeout(patience, appears) => {
                bytes.map_err(|_| format!("{} did not listen within {} s", self.name, patience.as_secs()))
            }
            status = self.child.wait() => Err(format!("{} ended at once: {}", self.name, describe(&status))),
        }
    }
}

/// What became of a process, in words.
pub(super) fn describe(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

/// The hidden subcommand: ties this process to `parent`'s life and becomes `program`.
pub(crate) fn become_supervised(parent: u32, program: &OsStr, args: &[std::ffi::OsString]) -> io::Error {
    use std::os::unix::process::CommandExt;
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // The parent may have died before the kernel was asked.
    if getppid().map(|pid| pid.as_raw_nonzero().get() as u32) != Some(parent) {
        return io::Error::other("the run that started this process is gone");
    }
    std::process::Command::new(program).args(args).exec()
}

/// Folder of the program that is running, where its sisters lie too.
pub(super) fn own_folder() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?.canonicalize()?;
    Ok(program.parent().map(Path::to_owned).unwrap_or_default())
}

/// Where `name` is found: as a path if it has a slash, else beside this program, else on PATH.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        let path = PathBuf::from(name);
        return path.is_file().then_some(path);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = own_folder().into_iter().chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}
