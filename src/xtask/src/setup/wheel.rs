//! Wheels (Python's zip packages), pinned by their SHA-256, got by pip: it knows the machine's proxies and mirrors.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use super::platform::Platform;
use crate::command;

/// One file of PyPI.
#[derive(Clone, Copy, Debug)]
pub struct Wheel {
    pub project: &'static str,
    pub version: &'static str,
    pub sha256: &'static str,
}

/// How pip is asked; tests point it to a folder instead of an index.
#[derive(Debug)]
pub struct Pip {
    /// The version of CPython that wheels are for, whichever runs pip. What is never run by Python may be for any.
    pub python: &'static str,
    pub options: Vec<OsString>,
}

impl Default for Pip {
    fn default() -> Self {
        Self { python: "3.11", options: Vec::new() }
    }
}

impl Pip {
    /// Downloads `wheels` into the new folder `to` and returns their paths. pip refuses any with another hash. What it
    /// gets depends on `platform` and `self.python`, never on the Python that runs it.
    pub fn download(&self, wheels: &[Wheel], platform: Platform, to: &Path) -> anyhow::Result<Vec<PathBuf>> {
        fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
        let requirements = to.join("requirements.txt");
        fs::write(&requirements, requirements_of(wheels)).context("cannot write the list of wheels")?;
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--no-cache-dir", "--no-deps", "--require-hashes"]);
        pip.args(["--only-binary", ":all:", "--implementation", "cp", "--disable-pip-version-check"]);
        let abi = format!("cp{}", self.python.replace('.', ""));
        pip.args(["--python-version", self.python, "--abi", &abi, "--abi", "none"]);
        for glibc in ["_2_28", "_2_27", "_2_25", "_2_18", "_2_17", "_2_12", "2014"] {
            pip.arg("--platform").arg(format!("manylinux{glibc}_{}", platform.name()));
        }
        pip.args(&self.options).arg("--dest").arg(to).arg("--requirement").arg(&requirements);
        // pip collects files in the folder for temporary ones first, which is often too small for half a gigabyte.
        pip.env("TMPDIR", to);
        let names =
            wheels.iter().map(|wheel| format!("{} {}", wheel.project, wheel.version)).collect::<Vec<_>>().join(", ");
        command::step(&format!("downloading {names}"));
        command::run_unannounced(&mut pip).with_context(|| format!("cannot download {names}"))?;
        downloaded(to)
    }
}

/// A requirements file in pip's hash-checking mode.
fn requirements_of(wheels: &[Wheel]) -> String {
    wheels.iter().fold(String::new(), |mut text, Wheel { project, version, sha256 }| {
        let _ = writeln!(text, "{project}=={version} --hash=sha256:{sha256}");
        text
    })
}

fn downloaded(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry.with_context(|| format!("cannot list {}", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
