//! What a policy learner keeps for others than itself, as one tar archive: `kubectl trainpilot export` asks for it inside of
//! the learner's pod, or of one that has the same volume or place on a store.

use std::io::Write;
use std::path::{Path, PathBuf};

use dataset::Location;
use tokio::runtime::Handle;

use crate::LearnerError;
use crate::keep::locate;

/// What people look at. The journal, and the checkpoints that a learner goes on from, mean nothing to others.
const FOLDERS: [&str; 4] = ["segments", "learned", "policies", "world-models"];

/// The learner's configuration, as `trainpilot run` keeps it beside what was learned.
const CONFIG: &str = "config.json";

/// Arguments of `archive`.
#[derive(Debug, clap::Args)]
pub struct ArchiveArgs {
    /// What was learned, as JSON
    #[arg(long, env = "TRAINPILOT_CONFIG")]
    pub config: PathBuf,
    /// Where the policy learner keeps what it knows: a folder, or a URL such as s3://BUCKET/PREFIX
    #[arg(long, env = "TRAINPILOT_STORAGE")]
    pub storage: String,
}

/// Writes the archive. Each file in it is whole; what a learner that is at work finishes meanwhile may be in it or not.
///
/// # Errors
/// If the place can't be understood or read, or `out` can't be written.
pub fn write(args: &ArchiveArgs, out: impl Write, runtime: &Handle) -> Result<(), LearnerError> {
    let mut archive = tar::Builder::new(out);
    let config = std::fs::read(&args.config);
    let config = config.map_err(|source| LearnerError::Storage { path: args.config.clone(), source })?;
    append(&mut archive, CONFIG, &config)?;
    let location = locate(&args.storage)?;
    for name in names(&location, runtime)? {
        // One that is gone by now was replaced.
        if let Some(bytes) = runtime.block_on(location.get(&name))? {
            append(&mut archive, &name, &bytes)?;
        }
    }
    archive.finish().map_err(failed)
}

fn names(location: &Location, runtime: &Handle) -> Result<Vec<String>, LearnerError> {
    let mut names = Vec::new();
    for folder in FOLDERS {
        names.extend(runtime.block_on(location.names_below(folder))?);
    }
    // Files that are being written have this ending until they are whole.
    names.retain(|name| Path::new(name).extension().is_none_or(|ending| ending != "tmp"));
    Ok(names)
}

fn append(archive: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8]) -> Result<(), LearnerError> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, name, bytes).map_err(failed)
}

fn failed(source: std::io::Error) -> LearnerError {
    LearnerError::Storage { path: PathBuf::from("the archive"), source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Read;

    use super::*;

    #[test]
    fn what_others_look_at_is_in_it_whole_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("config.json", "{}");
        for (name, text) in [
            ("learner/lock", ""),
            ("learner/journal-000002.bin", "x"),
            ("learner/checkpoints/epoch-000001.safetensors", "x"),
            ("learner/learned/epoch-000001.json", "learned"),
            ("learner/policies/policy-000001.safetensors", "policy"),
            ("learner/policies/policy-000002.tmp", "half"),
            ("learner/segments/epoch-000001.parquet", "rows"),
        ] {
            put(name, text);
        }
        let storage = folder.path().join("learner").display().to_string();
        let args = ArchiveArgs { config: folder.path().join("config.json"), storage };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut bytes = Vec::new();
        write(&args, &mut bytes, runtime.handle()).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let read = archive.entries().unwrap().map(|entry| {
            let (mut entry, mut text) = (entry.unwrap(), String::new());
            entry.read_to_string(&mut text).unwrap();
            (entry.path().unwrap().display().to_string(), text)
        });
        let expected = [
            ("config.json", "{}"),
            ("segments/epoch-000001.parquet", "rows"),
            ("learned/epoch-000001.json", "learned"),
            ("policies/policy-000001.safetensors", "policy"),
        ];
        assert_eq!(read.collect::<Vec<_>>(), expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }

    #[test]
    fn nothing_is_in_it_before_anything_was_kept() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), "{}").unwrap();
        let storage = folder.path().join("learner").display().to_string();
        let args = ArchiveArgs { config: folder.path().join("config.json"), storage };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut bytes = Vec::new();
        write(&args, &mut bytes, runtime.handle()).unwrap();
        assert_eq!(tar::Archive::new(bytes.as_slice()).entries().unwrap().count(), 1);
    }
}
