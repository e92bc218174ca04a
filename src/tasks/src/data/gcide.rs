//! The GNU version of the Collaborative International Dictionary of English: Webster's of 1913, and what was added to it.
//! Read from what dictd keeps (dictzip, which is gzip), written as one line for each entry, without markup.
//!
//! ```text
//! Lark \Lark\ (l[aum]rk), n. [Perh fr. AS. l[=a]c play, sport. Cf.      Lark, n. [Perh fr. AS. lac play, sport. Cf. Lake,
//!    {Lake}, v. i.]                                               ->    v. i.] A frolic; a jolly time. [Colloq.] --Dickens.
//!    A frolic; a jolly time. [Colloq.] --Dickens.
//!    [1913 Webster]
//! ```

use std::io::Write;

use anyhow::{Result, ensure};

use super::source::Source;
use super::target::Target;

/// Bytes unpacked; the dictionary has 40 million.
const LIMIT: u64 = 400_000_000;

/// Makes gcide.txt.
pub fn prepare(source: &mut Source, target: &mut Target) -> Result<()> {
    let input = source.single(&["gcide.dict.dz", "gcide.dict"])?;
    let packed = input.shown().ends_with(".dz") || input.shown().ends_with(".gz");
    let bytes = if packed { input.bytes(input.unpacked()?, LIMIT)? } else { input.bytes(input.open()?, LIMIT)? };
    let text = decoded(bytes);
    let mut staged = target.create("gcide.txt")?;
    let mut entries = 0;
    for entry in entries_of(&text) {
        let line = plain(&entry);
        if !line.is_empty() {
            writeln!(staged, "{line}")?;
            entries += 1;
        }
    }
    ensure!(entries > 0, "there is no entry in {}, expected lines that begin as in `Lark \\Lark\\`", input.shown());
    target.keep(staged).map(drop)
}

/// As UTF-8, or as the Latin-1 with a few apostrophes of other machines that its authors typed.
fn decoded(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let character = |byte: &u8| if matches!(byte, 0x92 | 0xb9) { '\'' } else { char::from(*byte) };
        error.as_bytes().iter().map(character).collect()
    })
}

/// An entry begins after an empty line, at the margin, with a word and how it is spoken. What comes before the first one is
/// about the dictionary.
fn entries_of(text: &str) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    let mut after_empty = true;
    for line in text.lines() {
        let at_margin = line.starts_with(|c: char| !c.is_whitespace());
        if after_empty && at_margin && line.contains(" \\") {
            entries.push(line.to_owned());
        } else if let Some(entry) = entries.last_mut() {
            entry.push('\n');
            entry.push_str(line);
        }
        after_empty = line.trim().is_empty();
    }
    entries
}

/// Without markup, in one line.
pub(super) fn plain(entry: &str) -> String {
    let spaced = entry.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = unbraced(&unbracketed(&unspoken(&spaced)));
    // Where something was taken out there may be two spaces, or one too many.
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.replace(" ,", ",").replace(" ;", ";")
}

/// Without `\pronunciation\`, and without the one in parentheses that may follow it.
fn unspoken(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        made.push_str(before);
        let Some((_, behind)) = after.split_once('\\').filter(|(spoken, _)| spoken.len() <= LONGEST_SPOKEN) else {
            rest = after;
            continue;
        };
        rest = behind;
        let in_parentheses = behind.trim_start().strip_prefix('(').and_then(|inner| inner.split_once(')'));
        if let Some((_, behind)) = in_parentheses.filter(|(spoken, _)| spoken.len() <= LONGEST_SPOKEN) {
            rest = behind;
        }
    }
    made.push_str(rest);
    made
}

/// Bytes of a pronunciation.
const LONGEST_SPOKEN: usize = 120;

/// Brackets are letters that typewriters lack, or say who wrote what is before them, or belong to the text.
fn unbracketed(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        made.push_str(before);
        let inner = after.split_once(']').filter(|(inner, _)| !inner.contains('['));
        match inner {
            Some((inner, behind)) if is_source(inner) => rest = behind,
            Some((inner, behind)) if let Some(letter) = letter(inner) => {
                made.push_str(&letter);
                rest = behind;
            }
            _ => {
                made.push('[');
                rest = after;
            }
        }
    }
    made.push_str(rest);
    made
}

fn is_source(inner: &str) -> bool {
    inner.contains("1913") && inner.contains("Webster") || inner.contains("WordNet") || inner.contains("PJC")
}

/// Signs that have names.
const NAMED: [(&str, &str); 28] = [
    ("ae", "æ"),
    ("AE", "Æ"),
    ("oe", "œ"),
    ("OE", "Œ"),
    ("=ae", "æ"),
    ("aum", "ä"),
    ("eth", "ð"),
    ("thorn", "þ"),
    ("yogh", "ȝ"),
    ("imac", "i"),
    ("asl", "a"),
    ("add", "a"),
    ("udd", "u"),
    ("=oo", "oo"),
    ("oo^", "oo"),
    ("ng", "ng"),
    ("th", "th"),
    ("deg", "°"),
    ("sect", "§"),
    ("root", "√"),
    ("pounds", "£"),
    ("alpha", "α"),
    ("beta", "β"),
    ("gamma", "γ"),
    ("Delta", "Δ"),
    ("pi", "π"),
    ("div", "÷"),
    ("times", "×"),
];

/// A letter with a mark of French or German keeps it; marks that only say how to speak go.
fn letter(inner: &str) -> Option<String> {
    if let Some((_, sign)) = NAMED.iter().find(|(name, _)| *name == inner) {
        return Some((*sign).to_owned());
    }
    let mut characters = inner.chars();
    let (first, second) = (characters.next()?, characters.next()?);
    if characters.next().is_some() {
        return None;
    }
    let is_mark = |c| "'`\"^~,=.-*".contains(c);
    let (mark, letter) = match (first, second) {
        (mark, letter) if is_mark(mark) && letter.is_ascii_alphabetic() => (mark, letter),
        (letter, '^') if letter.is_ascii_alphabetic() => return Some(letter.to_string()),
        _ => return None,
    };
    let composed = COMPOSED.iter().find(|(key, _)| key.chars().eq([mark, letter]));
    Some(composed.map_or_else(|| letter.to_string(), |(_, composed)| (*composed).to_owned()))
}

const COMPOSED: [(&str, &str); 21] = [
    ("'a", "á"),
    ("'e", "é"),
    ("'E", "É"),
    ("'i", "í"),
    ("'o", "ó"),
    ("'u", "ú"),
    ("`a", "à"),
    ("`e", "è"),
    ("`i", "ì"),
    ("`o", "ò"),
    ("`u", "ù"),
    ("^a", "â"),
    ("^e", "ê"),
    ("^i", "î"),
    ("^o", "ô"),
    ("^u", "û"),
    ("\"e", "ë"),
    ("\"i", "ï"),
    ("\"o", "ö"),
    ("\"u", "ü"),
    (",c", "ç"),
];

/// Braces are around other entries' words, in which marks may say how to speak them: `{Gre*ga"ri*ous}`.
fn unbraced(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        made.push_str(before);
        let Some((inner, behind)) = after.split_once('}') else {
            rest = after;
            continue;
        };
        made.extend(inner.chars().filter(|c| !matches!(c, '*' | '"' | '`' | '{')));
        rest = behind;
    }
    made.push_str(rest);
    made.replace('}', "")
}
