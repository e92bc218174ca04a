//! Data that stay in the files that they come in: copied, or taken out of an archive, and looked at.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::idx;
use super::source::Source;
use super::target::Target;

/// One of the files.
#[derive(Clone, Copy)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// What must be in it.
    pub shape: Shape,
}

/// What must be in a file.
#[derive(Clone, Copy)]
pub enum Shape {
    /// gzip of IDX: unsigned bytes of these dimensions, and what their SHA-256 is if it is known.
    Idx { dimensions: &'static [u32], sha256: Option<&'static str> },
    /// Images of CIFAR-10, each a byte for the label and 32 × 32 × 3 bytes of colours.
    Cifar { images: u64 },
    /// Lines of text, so many if it is known.
    Text { lines: Option<u64> },
}

/// Copies all parts.
pub fn prepare(parts: &'static [Part], source: &mut Source, target: &mut Target) -> Result<()> {
    units(parts, source, target).map(drop)
}

/// Copies two texts of which each line is the translation of the other's.
pub fn aligned(parts: &'static [Part], source: &mut Source, target: &mut Target) -> Result<()> {
    let lines = units(parts, source, target)?;
    let said: Vec<_> =
        parts.iter().zip(&lines).map(|(part, lines)| format!("{} has {lines} lines", part.name)).collect();
    ensure!(lines.windows(2).all(|pair| pair[0] == pair[1]), "{}, expected as many", said.join(", "));
    Ok(())
}

/// Copies all parts; how many images or lines there are of each.
fn units(parts: &'static [Part], source: &mut Source, target: &mut Target) -> Result<Vec<u64>> {
    if source.is_archive() {
        return unpack(parts, source, target);
    }
    let copy = |part: &Part| {
        let input = source.part(part.name)?;
        keep(part, input.open()?, input.shown(), target)
    };
    parts.iter().map(copy).collect()
}

/// What is in the archive besides is of no interest, nor where in the archive the parts are.
fn unpack(parts: &'static [Part], source: &mut Source, target: &mut Target) -> Result<Vec<u64>> {
    let input = source.single(&[])?;
    let explained = |error| input.cannot_unpack(&error);
    let mut archive = tar::Archive::new(input.unpacked()?);
    let mut found = vec![None; parts.len()];
    for entry in archive.entries().map_err(explained)? {
        let entry = entry.map_err(explained)?;
        let path = entry.path().map_err(explained)?.into_owned();
        let place = parts.iter().position(|part| path.file_name().is_some_and(|name| name == part.name));
        let Some(place) = place.filter(|_| entry.header().entry_type().is_file()) else { continue };
        let shown = format!("{} in {}", path.display(), input.shown());
        ensure!(found[place].is_none(), "there is a second {shown}");
        found[place] = Some(keep(&parts[place], entry, &shown, target)?);
    }
    let whole: Option<Vec<u64>> = found.iter().copied().collect();
    whole.with_context(|| {
        let missing: Vec<_> =
            parts.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(p, _)| p.name).collect();
        format!("there is no {} in {}", missing.join(", no "), input.shown())
    })
}

fn keep(part: &Part, mut data: impl Read, shown: &str, target: &mut Target) -> Result<u64> {
    let mut staged = target.create(part.name)?;
    io::copy(&mut data, &mut staged)?;
    part.shape.check(target.keep(staged)?, shown)
}

impl Shape {
    /// How many images or lines the file has, if they are what they should be.
    fn check(self, path: &Path, shown: &str) -> Result<u64> {
        let data = BufReader::with_capacity(1 << 16, File::open(path).with_context(|| format!("cannot read {shown}"))?);
        match self {
            Self::Idx { dimensions, sha256 } => idx::check(data, dimensions, sha256, shown),
            Self::Cifar { images } => cifar(data, images, shown),
            Self::Text { lines } => text(data, lines, shown),
        }
    }
}

/// Of a label and an image.
const CIFAR_BYTES: usize = 1 + 32 * 32 * 3;

fn cifar(mut data: impl Read, images: u64, shown: &str) -> Result<u64> {
    let mut bytes = Vec::new();
    data.read_to_end(&mut bytes)?;
    let expected = images * CIFAR_BYTES as u64;
    ensure!(bytes.len() as u64 == expected, "{shown} has {} bytes, expected {expected}", bytes.len());
    for (index, image) in bytes.chunks(CIFAR_BYTES).enumerate() {
        ensure!(image[0] < 10, "the label of image {index} in {shown} is {}, expected less than 10", image[0]);
    }
    Ok(images)
}

fn text(mut data: impl BufRead, expected: Option<u64>, shown: &str) -> Result<u64> {
    let (mut lines, mut line) = (0, Vec::new());
    while data.read_until(b'\n', &mut line)? > 0 {
        lines += 1;
        let is_text = std::str::from_utf8(&line).is_ok() && !line.contains(&0);
        ensure!(is_text, "line {lines} of {shown} is not text in UTF-8");
        line.clear();
    }
    ensure!(lines > 0, "{shown} is empty");
    let expected = expected.unwrap_or(lines);
    ensure!(lines == expected, "{shown} has {lines} lines, expected {expected}");
    Ok(lines)
}
