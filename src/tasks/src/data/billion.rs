//! The One Billion Word benchmark (Chelba et al., 2013): its archive has the training text in 99 shards and the held-out
//! text in 50. Each becomes one file, shards in the archive's order.

use std::io;

use anyhow::{Result, ensure};

use super::source::Source;
use super::target::Target;

const ARCHIVE: &str = "1-billion-word-language-modeling-benchmark-r13output.tar.gz";

/// Of the training text, and of what is held out.
pub const SHARDS: [usize; 2] = [99, 50];

/// What shards' names begin with.
const PREFIXES: [&str; 2] = ["news.en-", "news.en.heldout-"];

/// Makes train.txt and heldout.txt.
pub fn prepare(source: &mut Source, target: &mut Target, shards: [usize; 2]) -> Result<()> {
    let input = source.single(&[ARCHIVE])?;
    let explained = |error| input.cannot_unpack(&error);
    let mut files = [target.create("train.txt")?, target.create("heldout.txt")?];
    let mut found = [0; 2];
    let mut archive = tar::Archive::new(input.unpacked()?);
    for entry in archive.entries().map_err(explained)? {
        let mut entry = entry.map_err(explained)?;
        let path = entry.path().map_err(explained)?.into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let kind = PREFIXES.iter().position(|prefix| name.starts_with(prefix));
        let Some(kind) = kind.filter(|_| entry.header().entry_type().is_file()) else { continue };
        io::copy(&mut entry, &mut files[kind])?;
        found[kind] += 1;
    }
    ensure!(
        found == shards,
        "{} has {} shards to train on and {} held out, expected {} and {}",
        input.shown(),
        found[0],
        found[1],
        shards[0],
        shards[1]
    );
    for file in files {
        target.keep(file)?;
    }
    Ok(())
}
