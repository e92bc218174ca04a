//! The user's trainer as a local process: the container named `trainer`, without its image.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wire::trainer::{METRICS_PORT_VARIABLE, URL_VARIABLE};

use super::process::{Process, find, own_folder};

/// How to start the trainer.
#[derive(Clone, Debug)]
pub(super) struct TrainerCommand {
    program: PathBuf,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    folder: Option<PathBuf>,
}

impl TrainerCommand {
    /// From a container's command line, variables and working directory.
    ///
    /// # Errors
    /// If the program can't be found.
    pub(super) fn new(
        command: &[String],
        env: BTreeMap<String, String>,
        folder: Option<PathBuf>,
    ) -> Result<Self, String> {
        let [name, args @ ..] = command else {
            return Err("spec.trajectory.template: the container \"trainer\" has no command".to_owned());
        };
        let Some(program) = find(name) else {
            return Err(format!(
                "spec.trajectory.template: the container \"trainer\" has the command {name:?}, which is neither a file \
                 nor a program on PATH"
            ));
        };
        Ok(Self { program, args: args.to_vec(), env, folder })
    }

    /// Starts it beside an agent, who reads metrics at `metrics_port` if there is one.
    pub(super) fn start(&self, url: &str, metrics_port: Option<u16>, log: &Path) -> Result<Process, String> {
        let process = Process::start("trainer", &self.program, log, |command| {
            command.args(&self.args);
            if let Some(folder) = &self.folder {
                command.current_dir(folder);
            }
            // Several trainings share the machine: libraries that start a thread per core would stop one another.
            command.env("OMP_NUM_THREADS", "1");
            if let (Ok(own), Some(path)) = (own_folder(), std::env::var_os("PATH")) {
                let folders = std::iter::once(own).chain(std::env::split_paths(&path));
                if let Ok(path) = std::env::join_paths(folders) {
                    command.env("PATH", path);
                }
            }
            command.envs(&self.env).env(URL_VARIABLE, url);
            command.envs(metrics_port.map(|port| (METRICS_PORT_VARIABLE, port.to_string())));
        });
        process.map_err(|error| format!("the trainer did not start: {error}"))
    }
}
