//! The Helm chart as a release.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Names the program `helm`.
pub const VARIABLE: &str = "HELM";

/// A release of our chart in a namespace.
pub struct Release<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
}

impl Release<'_> {
    /// Runs `helm COMMAND RELEASE ARGUMENTS…`; gives what it wrote.
    ///
    /// # Errors
    /// What it complained about.
    pub fn helm(&self, command: &str, arguments: &[&str]) -> Result<String, String> {
        let mut helm = Command::new(program());
        helm.args([command, self.name]).args(arguments).args(["--namespace", self.namespace]);
        said(&helm.output().unwrap())
    }

    /// The same with the chart, as `install`, `upgrade` and `template` want it, and with values (`a.b=c`).
    pub fn with_chart(&self, command: &str, arguments: &[&str], values: &[&str]) -> Result<String, String> {
        let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/trainpilot");
        let values = values.iter().flat_map(|value| ["--set", *value]);
        let all: Vec<&str> =
            [chart.to_str().unwrap()].into_iter().chain(values).chain(arguments.iter().copied()).collect();
        self.helm(command, &all)
    }

    /// What the chart comes to with some values.
    ///
    /// # Errors
    /// What Helm complained about.
    pub fn objects(&self, values: &[&str]) -> Result<Vec<Value>, String> {
        let text = self.with_chart("template", &["--kube-version", "1.34.0"], values)?;
        let objects = text.split("\n---\n").map(|object| serde_saphyr::from_str::<Value>(object).unwrap());
        Ok(objects.filter(Value::is_object).collect())
    }
}

fn program() -> OsString {
    std::env::var_os(VARIABLE).unwrap_or_else(|| panic!("{VARIABLE} is not set: `cargo xtask e2e` sets it"))
}

fn said(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stdout) + &text(&output.stderr)) }
}
