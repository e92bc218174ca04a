//! What the code map promises: the crates it names, the arrows that never exist, and files that can be read.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Longest file, tests included; those named here are longer for the reason given.
const LONGEST_FILE: usize = 500;
const LONGER_FILES: [(&str, &str); 0] = [];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// What a package is built with when it is built alone (tests and build scripts aside), however indirectly.
fn built_with(package: &str) -> BTreeSet<String> {
    let arguments = ["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--format", "{p}"];
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn arrows_that_must_not_exist_do_not() {
    let client = ["kube-client", "kube-runtime"];
    let torch = ["tch", "torch-sys"];
    let tensors = ["tch", "torch-sys", "candle-core"];
    let io = ["tokio", "reqwest", "axum", "object_store"];
    let rules: [(&str, &[&[&str]]); 14] = [
        ("trainpilot-tuning", &[&client, &["kube-core"], &tensors, &io]),
        ("trainpilot-wire", &[&client, &["kube-core"], &tensors]),
        ("trainpilot-dataset", &[&client, &["kube-core"], &tensors]),
        ("trainpilot-api", &[&client, &tensors]),
        ("trainpilot-plan", &[&client, &tensors, &["trainpilot-gather", "trainpilot-dataset"]]),
        ("trainpilot-gather", &[&client, &["kube-core"], &tensors]),
        ("trainpilot-operator", &[&torch, &["trainpilot-learn", "trainpilot-dataset", "trainpilot-agent"]]),
        ("trainpilot-agent", &[&client, &["kube-core"], &torch]),
        ("trainpilot-learn", &[&client, &["kube-core"], &["trainpilot-dataset"]]),
        ("trainpilot-learner", &[&client, &["kube-core"], &["trainpilot-plan", "trainpilot-api"]]),
        ("trainpilot-tasks", &[&client, &["kube-core"]]),
        ("trainpilot-torch-tasks", &[&client, &["kube-core", "trainpilot-learn", "trainpilot-agent"]]),
        ("trainpilot", &[&torch, &["trainpilot-learner", "trainpilot-learn", "trainpilot-operator", "kube-runtime"]]),
        ("xtask", &[&["trainpilot-tuning", "trainpilot-wire", "trainpilot-api"], &tensors]),
    ];
    for (package, never) in rules {
        let built_with = built_with(package);
        for dependency in never.iter().copied().flatten() {
            assert!(!built_with.contains(*dependency), "{package} must not be built with {dependency}");
        }
    }
}

#[test]
fn the_code_map_names_every_crate_and_no_other() {
    let map = fs::read_to_string(root().join("src/README.md")).unwrap();
    let table = map.split("\n\n").find(|part| part.starts_with("| crate |")).unwrap();
    let named: BTreeSet<String> =
        table.lines().skip(2).map(|line| line.split('`').nth(1).unwrap().to_owned()).collect();
    let folders = fs::read_dir(root().join("src")).unwrap().map(|entry| entry.unwrap());
    let crates: BTreeSet<String> = folders
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(named, crates);
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let output = Command::new("git").args(["ls-files", "*.md"]).current_dir(root()).output().unwrap();
    for document in String::from_utf8(output.stdout).unwrap().lines() {
        let path = root().join(document);
        let text = fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(path.parent().unwrap().join(target).exists(), "{document} links to {link}");
        }
    }
}

#[test]
fn files_are_short_enough_to_be_read() {
    let output = Command::new("git").args(["ls-files", "*.rs"]).current_dir(root()).output().unwrap();
    for file in String::from_utf8(output.stdout).unwrap().lines() {
        let Ok(text) = fs::read_to_string(root().join(file)) else { continue };
        let lines = text.lines().count();
        let allowed = LONGER_FILES.iter().any(|(longer, _)| *longer == file);
        assert!(allowed || lines <= LONGEST_FILE, "{file} has {lines} lines, more than {LONGEST_FILE}");
    }
}
