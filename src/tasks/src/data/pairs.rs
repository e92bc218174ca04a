//! English sentences and their German translations, out of the catalogues of programs: a stand-in for WMT's, as the KDE4 and
//! GNOME corpora of OPUS are.
//!
//! Catalogues come in the order of their names, messages in the catalogues' own, and a pair is taken the first time it is
//! met, so that the same catalogues give the same bytes.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::mo;
use super::source::{Input, Kind, Source};
use super::target::Target;

/// Debian packages with long messages in them. What else is installed is taken too.
pub const PACKAGES: [&str; 4] = ["kstars-data", "digikam-data", "gnucash-common", "libreoffice-l10n-de"];
/// A catalogue that is there when the package is.
const PROOFS: [&str; 4] = ["kstars.mo", "digikam.mo", "gnucash.mo", "sw.mo"];
/// Where LibreOffice and Ubuntu keep theirs.
const ELSEWHERE: [&str; 2] =
    ["/usr/lib/libreoffice/program/resource/de/LC_MESSAGES", "/usr/share/locale-langpack/de/LC_MESSAGES"];
/// Bytes of a catalogue.
const LIMIT: u64 = 100_000_000;
/// Of a sentence.
const WORDS: std::ops::RangeInclusive<usize> = 3..=100;

/// Makes train.en and train.de, the translation of a line in the same line.
pub fn prepare(source: &mut Source, target: &mut Target) -> Result<()> {
    let catalogues = find(source)?;
    let mut seen = HashSet::new();
    let (mut english, mut german) = (target.create("train.en")?, target.create("train.de")?);
    for path in &catalogues {
        let input = Input::local(path);
        let data = input.bytes(input.open()?, LIMIT)?;
        let pairs = read(&data).with_context(|| format!("cannot read {}", input.shown()))?;
        for pair in pairs {
            if seen.insert(pair.clone()) {
                writeln!(english, "{}", pair.0)?;
                writeln!(german, "{}", pair.1)?;
            }
        }
    }
    ensure!(!seen.is_empty(), "there is no sentence with its translation in {} catalogues", catalogues.len());
    target.keep(english)?;
    target.keep(german).map(drop)
}

/// All catalogues, in the order of their names.
fn find(source: &mut Source) -> Result<Vec<PathBuf>> {
    let (folder, more) = match source.kind() {
        Kind::Url(url) => bail!("en-de is made from catalogues: give a folder of .mo files, not {url}"),
        Kind::File(path) => return Ok(vec![path.clone()]),
        Kind::Folder(folder) => (folder.clone(), &[][..]),
        Kind::Package(folder) => (folder.clone(), &ELSEWHERE[..]),
    };
    let mut found = catalogues(&folder)?;
    if matches!(source.kind(), Kind::Folder(_)) {
        ensure!(!found.is_empty(), "there is no .mo file in {}", folder.display());
        return Ok(found);
    }
    for folder in more {
        found.extend(catalogues(Path::new(folder))?);
    }
    let is_there = |proof: &str| found.iter().any(|path| path.file_name().is_some_and(|name| name == proof));
    let (there, missing): (Vec<_>, Vec<_>) = PACKAGES.iter().zip(PROOFS).partition(|(_, proof)| is_there(proof));
    let names = |of: &[(&&'static str, &str)]| of.iter().map(|(name, _)| **name).collect::<Vec<_>>();
    let (there, missing) = (names(&there), names(&missing).join(" "));
    ensure!(
        !there.is_empty(),
        "none of {missing} is installed: apt install {missing}, or give --from a folder of .mo files"
    );
    if !missing.is_empty() {
        eprintln!("note: without {missing} there is less of it (apt install {missing})");
    }
    source.named_by_packages(&there);
    source.called(format!("{} and what else is installed: {} catalogues", source.origin(), found.len()));
    Ok(found)
}

fn catalogues(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let context = || format!("cannot read {}", folder.display());
    let paths: Result<Vec<_>, _> =
        fs::read_dir(folder).with_context(context)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.with_context(context)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "mo") && path.is_file());
    paths.sort();
    Ok(paths)
}

/// The sentences of a catalogue, and their translations.
pub(super) fn read(data: &[u8]) -> Result<Vec<(String, String)>> {
    let messages = mo::messages(data)?;
    // The message without words says what the catalogue is.
    let about = messages.iter().find(|(original, _)| original.is_empty());
    let about = about.map(|(_, translation)| String::from_utf8_lossy(translation)).unwrap_or_default();
    let language = about.lines().find_map(|line| line.strip_prefix("Language:")).unwrap_or("de").trim();
    ensure!(language.is_empty() || language.starts_with("de"), "its language is {language}, expected de");
    Ok(messages.iter().flat_map(|(original, translation)| pairs_of(original, translation)).collect())
}

/// What is not text in UTF-8 gives none.
pub(super) fn pairs_of(original: &[u8], translation: &[u8]) -> Vec<(String, String)> {
    let (Ok(original), Ok(translation)) = (str::from_utf8(original), str::from_utf8(translation)) else {
        return Vec::new();
    };
    // A context, and what divides it from the message.
    let original = original.rsplit_once('\u{4}').map_or(original, |(_, original)| original);
    // Singular and plural, in German as in English.
    original.split('\0').zip(translation.split('\0')).filter_map(|(english, german)| pair(english, german)).collect()
}

fn pair(english: &str, german: &str) -> Option<(String, String)> {
    let (mut english, mut german) = (plain(english), plain(german));
    for mark in ['&', '_', '~'] {
        if let Some((one, other)) = key(&english, mark).zip(key(&german, mark)) {
            english.remove(one);
            german.remove(other);
        }
    }
    let are_sentences = [&english, &german].iter().all(|text| WORDS.contains(&words(text)));
    (are_sentences && english != german).then_some((english, german))
}

/// Where the only `mark` is, before the letter that is pressed to choose a menu's entry.
fn key(text: &str, mark: char) -> Option<usize> {
    let mut places = text.match_indices(mark).map(|(place, _)| place);
    let place = places.next().filter(|_| places.next().is_none())?;
    text[place + 1..].starts_with(char::is_alphanumeric).then_some(place)
}

/// Words proper: with two letters or more, and no directive of a format as in %s.
fn words(text: &str) -> usize {
    let is_word =
        |word: &&str| word.chars().filter(|c| c.is_alphabetic()).count() > 1 && !word.starts_with(['%', '$', '{']);
    text.split(' ').filter(is_word).count()
}

/// Without tags, entities, or any space but single ones.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        plain.push_str(before);
        let is_tag = after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
        match after.split_once('>').filter(|(tag, _)| is_tag && !tag.contains('<')) {
            Some((_, after)) => {
                plain.push(' ');
                rest = after;
            }
            None => {
                plain.push('<');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    for (entity, character) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&nbsp;", " "), ("&amp;", "&")] {
        plain = plain.replace(entity, character);
    }
    let spaced = plain.replace(|c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}', " ");
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}
