//! Programs that go on when we end: each with a log and a file that says which process it is.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

/// How long a program may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(10);
/// How long a part of the cluster may take to answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// The programs of one cluster.
pub struct Processes {
    folder: PathBuf,
}

impl Processes {
    /// Those whose logs and numbers are in `folder`.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        for name in ["log", "pid"] {
            fs::create_dir_all(folder.join(name)).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Starts a program in a session of its own.
    pub fn start(&self, name: &str, command: &mut Command) -> anyhow::Result<()> {
        let log = fs::File::create(self.log(name)).with_context(|| format!("cannot write the log of {name}"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(fs::write(self.pid(name), child.id().to_string())?)
    }

    /// Whether the program that was started under this name still runs.
    pub fn runs(&self, name: &str) -> bool {
        self.number(name).is_some_and(alive)
    }

    /// Ends a program, first by asking.
    pub fn stop(&self, name: &str) {
        let Some(number) = self.number(name) else { return };
        let until = Instant::now() + GRACE;
        signal("TERM", number);
        while alive(number) && Instant::now() < until {
            sleep(Duration::from_millis(100));
        }
        if alive(number) {
            signal("KILL", number);
        }
        let _ = fs::remove_file(self.pid(name));
    }

    /// Waits until something is so.
    pub fn wait_for(&self, what: &str, name: &str, mut is_so: impl FnMut() -> bool) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        while !is_so() {
            if !self.runs(name) || Instant::now() > until {
                bail!("{what} does not come about; see {}", self.log(name).display());
            }
            sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join("log").join(format!("{name}.log"))
    }

    fn pid(&self, name: &str) -> PathBuf {
        self.folder.join("pid").join(name)
    }

    fn number(&self, name: &str) -> Option<u32> {
        fs::read_to_string(self.pid(name)).ok()?.parse().ok()
    }
}

/// Whether a process is there and no zombie of ours.
fn alive(number: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn signal(name: &str, number: u32) {
    let _ = Command::new("kill").args(["-s", name, &number.to_string()]).stderr(Stdio::null()).status();
}
