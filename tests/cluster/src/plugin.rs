//! The program as a plugin of kubectl, as people call it.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::{Space, programs};

/// kubectl with our plugin, in a folder of its own.
pub struct Plugin {
    folder: TempDir,
    namespace: String,
}

impl Plugin {
    /// For a namespace.
    pub fn of(space: &Space) -> Self {
        let folder = tempfile::tempdir().unwrap();
        symlink(programs().join("trainpilot"), folder.path().join("kubectl-trainpilot")).unwrap();
        Self { folder, namespace: space.name.clone() }
    }

    /// Where it is called, and runs are brought.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What `kubectl trainpilot ARGUMENTS` prints.
    ///
    /// # Panics
    /// If it fails.
    pub fn says(&self, arguments: &[&str]) -> String {
        let output = self.call(arguments);
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(output.status.success(), "{arguments:?}: {err}");
        out
    }

    /// What it complains about, and with which exit code.
    ///
    /// # Panics
    /// If it does not fail.
    pub fn refuses(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.call(arguments);
        assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// What `trainpilot ARGUMENTS`, which needs no cluster, prints.
    ///
    /// # Panics
    /// If it fails.
    pub fn here(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(programs().join("trainpilot"));
        let output = command.args(arguments).current_dir(self.folder()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn call(&self, arguments: &[&str]) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut kubectl = Command::new("kubectl");
        kubectl.arg("trainpilot").args(arguments).args(["--namespace", &self.namespace]);
        kubectl.env("PATH", format!("{}:{path}", self.folder().display())).current_dir(self.folder());
        kubectl.output().unwrap()
    }
}
