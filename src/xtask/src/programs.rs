//! The programs of a local run, built in release.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::{
    command::{cargo, run, step, target_directory},
    setup,
};

/// What the programs of a local run are built from.
const PACKAGES: [&str; 4] = ["trainpilot", "trainpilot-agent", "trainpilot-learner", "trainpilot-tasks"];

/// `trainpilot` with all that it starts beside it.
pub struct Trainpilot<'a> {
    root: &'a Path,
    folder: PathBuf,
}

impl<'a> Trainpilot<'a> {
    /// Sets up and builds what is missing, packages that `also` names included. From here on interrupts are the programs' business.
    pub fn build(root: &'a Path, also: &[&str]) -> anyhow::Result<Self> {
        setup::run(root)?;
        step("building the programs in release (some minutes the first time)");
        let packages = PACKAGES.iter().chain(also).flat_map(|package| ["--package", package]);
        run(cargo(root).args(["build", "--release", "--bins"]).args(packages))?;
        let folder = target_directory(root)?.join("release");
        // An interrupt from the terminal reaches our children as well: they stop cleanly and we wait for them.
        ctrlc::set_handler(|| {}).context("cannot set a handler for interrupts")?;
        Ok(Self { root, folder })
    }

    /// `trainpilot ARGUMENTS…` in the workspace's folder, ready to start.
    pub fn call(&self, arguments: &[String]) -> Command {
        let mut command = self.program("trainpilot");
        command.args(arguments);
        command
    }

    /// One of the programs there.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.folder.join(name));
        command.current_dir(self.root);
        command
    }
}
