//! `cargo xtask generate`: files that programs of the workspace print, kept in the repository.

use std::{fs, path::Path};

use anyhow::{Context as _, bail};

use crate::command::{cargo, output, step};

/// A file, and the arguments of the cargo command whose stdout it is.
struct Generated {
    path: &'static str,
    arguments: &'static [&'static str],
}

const GENERATED: &[Generated] = &[
    Generated {
        path: "crds/trainpilot.dev_tuningexperiments.yaml",
        arguments: &["run", "-q", "-p", "trainpilot-api", "--example", "crds"],
    },
    Generated {
        path: "crds/trainpilot.dev_tuningpolicies.yaml",
        arguments: &["run", "-q", "-p", "trainpilot-api", "--example", "crds", "TuningPolicy"],
    },
    Generated {
        path: "charts/trainpilot/files/crds/tuningexperiments.yaml",
        arguments: &["run", "-q", "-p", "trainpilot-api", "--example", "crds"],
    },
    Generated {
        path: "charts/trainpilot/files/crds/tuningpolicies.yaml",
        arguments: &["run", "-q", "-p", "trainpilot-api", "--example", "crds", "TuningPolicy"],
    },
    Generated { path: "charts/trainpilot/README.md", arguments: &["run", "-q", "-p", "xtask", "--example", "values"] },
    Generated {
        path: "charts/trainpilot/dashboards/experiment.json",
        arguments: &["run", "-q", "-p", "trainpilot-operator", "--example", "dashboards", "experiment"],
    },
    Generated {
        path: "charts/trainpilot/dashboards/fleet.json",
        arguments: &["run", "-q", "-p", "trainpilot-operator", "--example", "dashboards", "fleet"],
    },
    Generated {
        path: "charts/trainpilot/dashboards/learners.json",
        arguments: &["run", "-q", "-p", "trainpilot-operator", "--example", "dashboards", "learners"],
    },
    Generated {
        path: "charts/trainpilot/dashboards/operator.json",
        arguments: &["run", "-q", "-p", "trainpilot-operator", "--example", "dashboards", "operator"],
    },
    Generated {
        path: "deploy/metrics.md",
        arguments: &["run", "-q", "-p", "trainpilot-operator", "--example", "metrics"],
    },
    Generated {
        path: "docs/reference.md",
        arguments: &["run", "-q", "-p", "trainpilot-api", "--example", "reference"],
    },
    Generated {
        path: "src/tuning/golden.json",
        arguments: &["run", "-q", "-p", "trainpilot-tuning", "--example", "golden"],
    },
];

/// Writes what has changed; with `check`, fails if anything has.
pub fn run(root: &Path, check: bool) -> anyhow::Result<()> {
    let mut stale = Vec::new();
    for Generated { path, arguments } in GENERATED {
        let text = output(cargo(root).args(*arguments)).with_context(|| format!("cannot generate {path}"))?;
        if update(&root.join(path), &text, check)? {
            step(&format!("{path} {}", if check { "is out of date" } else { "written" }));
            stale.push(*path);
        }
    }
    if check && !stale.is_empty() {
        bail!("out of date: {}; run `cargo xtask generate`", stale.join(", "));
    }
    Ok(())
}

/// Whether a file differs from its text; if so, and unless only checking, it is written.
fn update(path: &Path, text: &[u8], check: bool) -> anyhow::Result<bool> {
    if text.is_empty() {
        bail!("the program for {} printed nothing", path.display());
    }
    if fs::read(path).is_ok_and(|old| old == text) {
        return Ok(false);
    }
    if !check {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_check_finds_a_stale_or_missing_file_and_writes_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("crds/x.yaml");
        assert!(update(&path, b"new", true).unwrap());
        assert!(!path.exists());
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, "old").unwrap();
        assert!(update(&path, b"new", true).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    }

    #[test]
    fn a_written_file_is_up_to_date() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("deep/er/x.json");
        assert!(update(&path, b"new", false).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert!(!update(&path, b"new", false).unwrap());
        assert!(!update(&path, b"new", true).unwrap());
    }

    #[test]
    fn a_program_that_prints_nothing_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.json");
        assert!(update(&path, b"", false).is_err());
        assert!(!path.exists());
    }
}
