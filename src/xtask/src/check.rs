//! `cargo xtask check`: everything about the sources that is not a test.

use std::{path::Path, process::Command};

use anyhow::bail;

use crate::{
    command::{cargo, run as run_command, step, succeeds},
    generate,
};

/// Runs every check, also after one has failed.
pub fn run(root: &Path) -> anyhow::Result<()> {
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    let outcomes = [
        ("format", run_command(cargo(root).args(["fmt", "--all", "--check"]))),
        ("clippy", run_command(cargo(root).args(clippy))),
        ("generated files", generate::run(root, true)),
        ("dependencies", dependencies(root)),
        ("alerts", alerts(root)),
        ("dashboards", dashboards(root)),
    ];
    report(&outcomes)
}

/// Licences, sources and duplicates; known vulnerabilities only if their database can be had.
fn dependencies(root: &Path) -> anyhow::Result<()> {
    if !succeeds(cargo(root).args(["deny", "--version"])) {
        step("cargo-deny is not installed (`cargo install --locked cargo-deny`): dependencies are not checked");
        return Ok(());
    }
    run_command(cargo(root).args(["deny", "check", "bans", "licenses", "sources"]))?;
    if !succeeds(cargo(root).args(["deny", "fetch", "db"])) {
        step("the database of advisories cannot be had: known vulnerabilities are not checked");
        return Ok(());
    }
    run_command(cargo(root).args(["deny", "check", "--disable-fetch", "advisories"]))
}

/// That each alert fires where it must, and nowhere else.
fn alerts(root: &Path) -> anyhow::Result<()> {
    if !succeeds(Command::new("promtool").arg("--version")) {
        step("promtool is not installed (it comes with Prometheus): alerts are not checked");
        return Ok(());
    }
    run_command(Command::new("promtool").args(["test", "rules"]).arg(root.join("charts/trainpilot/tests/alerts.yaml")))
}

/// That Grafana's own schema describes the dashboards.
fn dashboards(root: &Path) -> anyhow::Result<()> {
    let go =
        Command::new("go").arg("version").output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    if !go.is_ok_and(|version| is_recent(&version)) {
        step("Go 1.21 or later is not installed: dashboards are not checked");
        return Ok(());
    }
    let charts = root.join("charts/trainpilot");
    let dashboards = charts.join("dashboards").read_dir()?.map(|entry| entry.map(|entry| entry.path()));
    let dashboards = dashboards.collect::<Result<Vec<_>, _>>()?;
    run_command(Command::new("go").args(["run", "."]).args(dashboards).current_dir(charts.join("tests/grafana")))
}

/// Whether `go version` tells of one that builds modules which need 1.21.
fn is_recent(version: &str) -> bool {
    let minor = version.split_once("go1.").and_then(|(_, rest)| rest.split(['.', ' ']).next()?.parse::<u32>().ok());
    minor.is_some_and(|minor| minor >= 21)
}

/// Names what has failed, with the reason of each.
pub fn report(outcomes: &[(&str, anyhow::Result<()>)]) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for (name, outcome) in outcomes {
        if let Err(error) = outcome {
            step(&format!("{name}: {error:#}"));
            failed.push(*name);
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn go_is_recent_from_1_21_on() {
        assert!(is_recent("go version go1.26.8 linux/amd64\n") && is_recent("go version go1.21 linux/arm64"));
        assert!(!is_recent("go version go1.19.8 linux/amd64") && !is_recent(""));
    }

    #[test]
    fn every_failed_check_is_named() {
        let outcomes = [("format", Err(anyhow!("x"))), ("clippy", Ok(())), ("dependencies", Err(anyhow!("y")))];
        assert_eq!(report(&outcomes).unwrap_err().to_string(), "failed: format, dependencies");
        report(&outcomes[1..2]).unwrap();
    }
}
