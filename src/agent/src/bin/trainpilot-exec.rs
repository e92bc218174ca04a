//! `trainpilot-exec`: starts a trainer with what its task adds to its environment and arguments.
//!
//! All pods of a Job are started alike, and which task a trajectory has is drawn by its seed: only its agent knows. This
//! program asks the agent and becomes the trainer. It is linked with nothing, so that it runs in any image.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use clap::Parser;
use wire::trainer::{TASKS_VARIABLE, TRAJECTORY_PATH, TaskLaunch, TrajectoryInfo, URL_VARIABLE};

/// Name of the program, where it is put for others.
const NAME: &str = "trainpilot-exec";

/// Becomes a trainer with what its task, as its agent says, adds to its environment and arguments.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Copy this program into a folder instead, which the trainer's container shares
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    install: Option<PathBuf>,
    /// The trainer and its arguments
    #[arg(trailing_var_arg = true, required_unless_present = "install")]
    command: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.install {
        Some(folder) => install(folder),
        None => become_trainer(&arguments.command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn install(folder: &std::path::Path) -> anyhow::Result<()> {
    let (own, to) = (std::env::current_exe()?, folder.join(NAME));
    std::fs::copy(&own, &to).with_context(|| format!("can't copy {} to {}", own.display(), to.display()))?;
    Ok(())
}

/// Comes back only if that fails.
fn become_trainer(command: &[String]) -> anyhow::Result<()> {
    let [program, arguments @ ..] = command else { bail!("expected a command") };
    let task = launch()?;
    let error = Command::new(program).args(arguments).args(task.args).envs(task.env).env_remove(TASKS_VARIABLE).exec();
    Err(error).with_context(|| format!("can't start {program}"))
}

/// What the task adds.
fn launch() -> anyhow::Result<TaskLaunch> {
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let tasks: BTreeMap<String, TaskLaunch> = serde_json::from_str(&variable(TASKS_VARIABLE)?)
        .with_context(|| format!("{TASKS_VARIABLE} does not say what tasks add"))?;
    let url = format!("{}{TRAJECTORY_PATH}", variable(URL_VARIABLE)?);
    let mut answer = ureq::get(&url).call().with_context(|| format!("the agent does not answer at {url}"))?;
    let info: TrajectoryInfo = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
    tasks.get(&info.task).cloned().with_context(|| format!("there is no task {:?}", info.task))
}
