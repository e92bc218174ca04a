//! `trainpilot policy`: policies as files of their own, to reuse and to look at.

mod show;

pub(crate) use show::recipe;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use wire::artifact::{self, Header};

use crate::failure::BadInput;
use crate::output;

/// Subcommands of `policy`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Copy the latest policy of a run into a file that an experiment can name under `algorithm.policy.from.path`
    Export {
        /// Folder of a run, such as runs/NAME
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// File to write
        #[arg(value_name = "OUT")]
        out: PathBuf,
        /// Repetition whose policy it is, from 0
        #[arg(long, value_name = "R", default_value_t = 0)]
        repetition: u32,
    },
    /// Print what a policy file is: what decides, what it steers, what learning it took
    Show {
        /// File that `policy export` wrote
        #[arg(value_name = "OUT")]
        file: PathBuf,
        /// Print its header as JSON
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::Export { folder, out, repetition } => export(folder, out, *repetition),
            Self::Show { file, json: false } => output::print(&show::text(&read(file)?.0)),
            Self::Show { file, json: true } => output::print_json(&read(file)?.0),
        }
    }
}

fn export(folder: &Path, out: &Path, repetition: u32) -> anyhow::Result<()> {
    let policies = folder.join(format!("repetition-{repetition}/policies"));
    let Some(latest) = latest(&policies)? else {
        let sentence = "has no policy: expected the folder of a run, and a repetition of it that has begun";
        return Err(BadInput(format!("{} {sentence}", policies.display())).into());
    };
    // Nothing is handed on that could not be used again.
    let (header, bytes) = read(&latest)?;
    output::write(out, &bytes)?;
    output::print(&format!(
        "{}: version {} of repetition {}, after {} epochs\n",
        out.display(),
        header.version,
        header.repetition,
        header.training.epochs
    ))
}

/// The artifact of the highest version in a folder.
fn latest(policies: &Path) -> anyhow::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(policies) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("can't read {}", policies.display()))?,
    };
    let mut versions = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("can't read {}", policies.display()))?.path();
        versions.extend(version(&path).map(|version| (version, path)));
    }
    Ok(versions.into_iter().max().map(|(_, path)| path))
}

/// Version in the name of an artifact; none for other files.
fn version(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix("policy-")?.strip_suffix(".safetensors")?.parse().ok()
}

fn read(path: &Path) -> anyhow::Result<(Header, Vec<u8>)> {
    let bytes = fs::read(path).map_err(|error| BadInput(format!("can't read {}: {error}", path.display())))?;
    let (header, _) = artifact::read(&bytes).map_err(|error| {
        let causes: Vec<String> = anyhow::Error::new(error).chain().map(ToString::to_string).collect();
        BadInput(format!("{} is not a policy: {}", path.display(), causes.join(": ")))
    })?;
    Ok((header, bytes))
}
