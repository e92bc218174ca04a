//! Whatever builds images here: buildah, podman or docker.

use std::{path::Path, process::Command};

use anyhow::{Context as _, bail};

use crate::command::{run, run_unannounced, succeeds};

/// A program that builds images.
#[derive(Clone, Copy, Debug)]
pub enum Builder {
    Buildah,
    Podman,
    Docker,
}

impl Builder {
    /// The first of them that is installed.
    pub fn find() -> anyhow::Result<Self> {
        let all = [Self::Buildah, Self::Podman, Self::Docker];
        let found = all.into_iter().find(|builder| succeeds(builder.command().arg("--version")));
        found.context("none of buildah, podman and docker is installed: one of them builds the images")
    }

    fn command(self) -> Command {
        match self {
            Self::Buildah => {
                let mut command = Command::new("buildah");
                // Without a kernel's overlay for the asking, layers are copied: there are two of them.
                command.env("STORAGE_DRIVER", std::env::var_os("STORAGE_DRIVER").unwrap_or_else(|| "vfs".into()));
                command
            }
            Self::Podman => Command::new("podman"),
            Self::Docker => Command::new("docker"),
        }
    }

    /// Builds an image from a Containerfile. The same context gives the same digest, except with docker.
    pub fn build(self, file: &Path, context: &Path, name: &str, revision: &str) -> anyhow::Result<()> {
        let mut command = self.command();
        command.args(["build", "--quiet", "--tag", name]).arg("--file").arg(file);
        command.args(["--build-arg", concat!("VERSION=", env!("CARGO_PKG_VERSION"))]);
        command.args(["--build-arg", &format!("REVISION={revision}")]);
        match self {
            Self::Buildah => command.args(["--isolation", "chroot", "--timestamp", "0", "--format", "docker"]),
            Self::Podman => command.args(["--timestamp", "0", "--format", "docker"]),
            Self::Docker => &mut command,
        };
        run(command.arg(context).stdout(std::process::Stdio::null()))
    }

    /// Pushes an image to the registry of its name, as whoever has logged in there.
    pub fn push(self, name: &str) -> anyhow::Result<()> {
        run(self.command().args(["push", name]))
    }

    /// Writes an image into a file that clusters load.
    pub fn save(self, name: &str, path: &Path) -> anyhow::Result<()> {
        if path.exists() {
            std::fs::remove_file(path).with_context(|| format!("cannot replace {}", path.display()))?;
        }
        let Some(text) = path.to_str() else { bail!("{} is no path that can be written down", path.display()) };
        let mut command = self.command();
        match self {
            Self::Buildah => command.args(["push", "--quiet", name]).arg(format!("docker-archive:{text}:{name}")),
            Self::Podman | Self::Docker => command.args(["save", "--output", text, name]),
        };
        run_unannounced(&mut command)
    }
}
