//! The King James Bible out of `bible.data`, the file of the program `bible` (Debian's bible-kjv-text).
//!
//! All numbers are big-endian: "EC02", 80 bytes of a title, the size of a window, the number N of windows, N + 1 places,
//! then the three bytes that files of `compress` begin with, then N windows of text, each compressed for itself.
//! The text is a line about itself, then a line for each verse: its reference, a space, its words.

use std::io::Write;

use anyhow::{Context, Result, ensure};

use super::lzw;
use super::source::Source;
use super::sum::Sum;
use super::target::Target;

const MAGIC: &[u8] = b"EC02";
/// Where the size of a window is; the number of windows and the places follow.
const SIZES: usize = 84;
/// What `compress` begins with: codes of up to 16 bits, and one that empties the table.
const COMPRESS: &[u8] = &[0x1f, 0x9d, 0x90];
/// Bytes that neither the file has nor its text, and those of a window.
const LIMIT: u64 = 10_000_000;
const LARGEST_WINDOW: usize = 1 << 20;
/// The edition that Debian has, and the SHA-256 of what is made of it, so that no bit can have changed.
const KNOWN: [(&str, &str); 1] =
    [("Textfile 930105.", "b55e956fcf5f187160b3d0dfa93bbac269d127902ad9fb6c8f05a5dab019f6d5")];

/// Makes kjv.txt: a verse a line, without references.
pub fn prepare(source: &mut Source, target: &mut Target) -> Result<()> {
    let input = source.single(&["bible.data"])?;
    let data = input.bytes(input.open()?, LIMIT)?;
    let text = unpack(&data).with_context(|| format!("{} is not what `bible` reads", input.shown()))?;
    let (title, verses) = text.split_once('\n').with_context(|| format!("there is no verse in {}", input.shown()))?;
    let mut made = String::with_capacity(verses.len());
    for (index, line) in verses.lines().enumerate() {
        let verse = words(line).with_context(|| {
            format!("line {} of {} is {line:?}, expected a verse as in \"Ge1:1 In the…\"", index + 2, input.shown())
        })?;
        made.push_str(verse);
        made.push('\n');
    }
    let found = Sum::of(made.as_bytes())?.to_string();
    for (edition, expected) in KNOWN {
        ensure!(
            !title.ends_with(edition) || found == expected,
            "the verses in {} have the SHA-256 {found}, expected {expected} of {edition:?}",
            input.shown()
        );
    }
    let mut staged = target.create("kjv.txt")?;
    staged.write_all(made.as_bytes())?;
    target.keep(staged).map(drop)
}

/// A verse without its reference.
fn words(line: &str) -> Option<&str> {
    let (reference, verse) = line.split_once(' ')?;
    let (chapter, number) = reference.split_once(':')?;
    let is_reference = chapter.ends_with(|last: char| last.is_ascii_digit()) && number.parse::<u16>().is_ok();
    (is_reference && !verse.trim().is_empty()).then(|| verse.trim())
}

/// All windows one after the other.
pub(super) fn unpack(data: &[u8]) -> Result<String> {
    let number = |index: usize| {
        let bytes = data.get(SIZES + 4 * index..)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*bytes) as usize)
    };
    ensure!(data.starts_with(MAGIC), "it does not begin with \"EC02\"");
    let (size, count) = number(0).zip(number(1)).context("it ends in its header")?;
    ensure!((1..=LARGEST_WINDOW).contains(&size), "its windows are of {size} bytes");
    ensure!((1..=data.len() / 4).contains(&count), "it is said to have {count} windows");
    let places: Option<Vec<usize>> = (2..count + 3).map(number).collect();
    let places = places.context("it ends in its header")?;
    let header = places[0].checked_sub(COMPRESS.len()).and_then(|start| data.get(start..places[0]));
    ensure!(header == Some(COMPRESS), "its windows are not compressed as `compress` does it");
    ensure!(
        places[count] == data.len(),
        "it has {} bytes, and its header speaks of {}: is it whole?",
        data.len(),
        places[count]
    );
    let mut text = Vec::new();
    for (index, ends) in places.windows(2).enumerate() {
        let window = data.get(ends[0]..ends[1]).and_then(|packed| lzw::unpack(packed, size));
        let window = window.with_context(|| format!("window {index} cannot be unpacked"))?;
        ensure!(
            window.len() == size || index + 1 == count,
            "window {index} has {} bytes unpacked, expected {size}",
            window.len()
        );
        text.extend(window);
        ensure!(text.len() as u64 <= LIMIT, "it has more than {LIMIT} bytes unpacked");
    }
    String::from_utf8(text).context("its text is not in UTF-8")
}
