//! Texts that are taken out of what other programs read.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// As `compress` does it, but for the three bytes that it begins with.
fn compressed(text: &[u8]) -> Vec<u8> {
    let (mut bits, mut width, mut group) = (Vec::new(), 9, 0);
    let mut table: HashMap<Vec<u8>, usize> = (0..=255).map(|byte| (vec![byte], usize::from(byte))).collect();
    let mut free = 257;
    let mut emit = |code: usize, free: usize| {
        if free > 1 << width && width < 16 {
            let behind = (bits.len() - group) % (width * 8);
            bits.extend(std::iter::repeat_n(false, (width * 8 - behind) % (width * 8)));
            (group, width) = (bits.len(), width + 1);
        }
        bits.extend((0..width).map(|bit| code >> bit & 1 == 1));
    };
    let mut word = Vec::new();
    for byte in text {
        let longer = [&word[..], &[*byte]].concat();
        if table.contains_key(&longer) {
            word = longer;
            continue;
        }
        emit(table[&word], free);
        if free < 1 << 16 {
            table.insert(longer, free);
        }
        free += 1;
        word = vec![*byte];
    }
    emit(table[&word], free);
    bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |value, bit| value << 1 | u8::from(*bit))).collect()
}

/// A file of `bible` with windows of `size` bytes.
fn bible(text: &str, size: usize) -> Vec<u8> {
    let windows: Vec<_> = text.as_bytes().chunks(size).map(compressed).collect();
    let mut data = [&b"EC02"[..], &[0; 80]].concat();
    let mut place = data.len() + 8 + 4 * (windows.len() + 1) + 3;
    for number in [size, windows.len(), place] {
        data.extend((number as u32).to_be_bytes());
    }
    for window in &windows {
        place += window.len();
        data.extend((place as u32).to_be_bytes());
    }
    data.extend([0x1f, 0x9d, 0x90]);
    data.extend(windows.concat());
    data
}

fn from_file(
    file: &str,
    data: &[u8],
    prepare: impl Fn(&mut Source, &mut Target) -> Result<()>,
) -> Result<TempDir, String> {
    let from = folder(&[(file, data)]);
    prepared(set(Name::Kjv), Some(place(from.path())), None, prepare)
        .map_err(|sentence| sentence.replace(&from.path().display().to_string(), "FOLDER"))
}

const VERSES: &str =
    "A title.\nGe1:1 In the beginning God created the heaven and the earth.\n1Sa2:10 And Samuel grew.\n";

#[test]
fn verses_lose_their_references() {
    for size in [10, 64, 1000] {
        let made = from_file("bible.data", &bible(VERSES, size), kjv::prepare).unwrap();
        let text = super::made(&made, "kjv.txt");
        assert_eq!(text, "In the beginning God created the heaven and the earth.\nAnd Samuel grew.\n");
    }
}

#[test]
fn a_bible_that_is_cut_short_or_is_none_is_refused() {
    let whole = bible(VERSES, 64);
    let problem = |data: &[u8]| {
        let sentence = from_file("bible.data", data, kjv::prepare).unwrap_err();
        let problem = sentence.strip_prefix("FOLDER/bible.data is not what `bible` reads: ");
        problem.unwrap_or(&sentence).to_owned()
    };
    assert_eq!(problem(b"<html>"), "it does not begin with \"EC02\"");
    assert_eq!(problem(&whole[..90]), "it ends in its header");
    assert_eq!(problem(&whole[..100]), "it ends in its header");
    let length = whole.len();
    assert_eq!(
        problem(&whole[..length - 1]),
        format!("it has {} bytes, and its header speaks of {length}: is it whole?", length - 1)
    );
    let mut spoiled = whole.clone();
    spoiled[length - 10..].fill(0xff);
    assert_eq!(problem(&spoiled), "window 1 cannot be unpacked");
    let no_verse = problem(&bible("A title.\nGe1 In the beginning\n", 64));
    assert_eq!(
        no_verse,
        "line 2 of FOLDER/bible.data is \"Ge1 In the beginning\", expected a verse as in \"Ge1:1 In the…\""
    );
    let known = problem(&bible("It is Textfile 930105.\nGe1:1 In the beginning\n", 64));
    assert!(known.starts_with("the verses in FOLDER/bible.data have the SHA-256 "), "{known}");
}

const DICTIONARY: &str = r#"
00-database-info
   This file was converted.

GCIDE is free software.

Lark \Lark\ (l[aum]rk), n. [Perh fr. AS. l[=a]c play, sport. Cf.
   {Lake}, v. i.]
   A frolic; a jolly time. [Colloq.] --Dickens.
   [1913 Webster]

   2. An anim['e] Laridae; see {Gre*ga"ri*ous}, Larid[ae].
      [1913 Webster +PJC]

Zero \Ze"ro\, v. t.
   To go. \ {
"#;

#[test]
fn entries_of_the_dictionary_become_lines_without_markup() {
    let expected = "Lark, n. [Perh fr. AS. lac play, sport. Cf. Lake, v. i.] A frolic; a jolly time. [Colloq.] --Dickens. \
                    2. An animé Laridae; see Gregarious, Laridæ.\nZero, v. t. To go.\n";
    let made = from_file("gcide.dict.dz", &packed(DICTIONARY.as_bytes()), gcide::prepare).unwrap();
    assert_eq!(super::made(&made, "gcide.txt"), expected);
    let made = from_file("gcide.dict", DICTIONARY.as_bytes(), gcide::prepare).unwrap();
    assert_eq!(super::made(&made, "gcide.txt"), expected);
    let latin = from_file("gcide.dict", b"A \\A\\ n.\n  Fa\xe7ade, haven\x92t.\n", gcide::prepare).unwrap();
    assert_eq!(super::made(&latin, "gcide.txt"), "A n. Façade, haven't.\n");
}

#[test]
fn a_dictionary_that_is_cut_short_or_has_no_entry_is_refused() {
    let whole = packed(DICTIONARY.as_bytes());
    let sentence = from_file("gcide.dict.dz", &whole[..whole.len() / 2], gcide::prepare).unwrap_err();
    assert!(sentence.starts_with("cannot unpack FOLDER/gcide.dict.dz: "), "{sentence}");
    let sentence = from_file("gcide.dict", b"Lark, a bird\n", gcide::prepare).unwrap_err();
    assert_eq!(sentence, "there is no entry in FOLDER/gcide.dict, expected lines that begin as in `Lark \\Lark\\`");
}

/// A catalogue of messages and translations.
fn catalogue(messages: &[(&str, &str)], number: fn(u32) -> [u8; 4]) -> Vec<u8> {
    let tables = 28 + 16 * messages.len() as u32;
    let half = 8 * messages.len() as u32;
    let header = [0x9504_12de, 0, messages.len() as u32, 28, 28 + half, 0, tables];
    let mut data: Vec<u8> = header.into_iter().flat_map(number).collect();
    let texts = || messages.iter().map(|pair| pair.0).chain(messages.iter().map(|pair| pair.1));
    let mut place = tables;
    for text in texts() {
        data.extend([text.len() as u32, place].into_iter().flat_map(number));
        place += text.len() as u32 + 1;
    }
    for text in texts() {
        data.extend(text.as_bytes());
        data.push(0);
    }
    data
}

const MESSAGES: [(&str, &str); 8] = [
    ("", "Language: de\nContent-Type: text/plain; charset=UTF-8\n"),
    ("%s of %d: %s", "%s von %d: %s"),
    ("@title\u{4}&Open the\n <b>old</b> file…", "Die <b>alte</b> Datei &öffnen …"),
    ("Open the old file…", "Die alte Datei öffnen …"),
    ("Not in German at all", "Not in German at all"),
    ("One new file here\0%d new files here", "Eine neue Datei hier\0%d neue Dateien hier"),
    ("Open", "Öffnen"),
    ("if x &lt; y then stop", "wenn x < y dann halt"),
];

fn pairs(files: &[(&str, &[u8])]) -> Result<TempDir, String> {
    let from = folder(files);
    prepared(set(Name::EnDe), Some(place(from.path())), None, pairs::prepare)
        .map_err(|sentence| sentence.replace(&from.path().display().to_string(), "FOLDER"))
}

#[test]
fn catalogues_of_either_endianness_give_the_same_sentences() {
    let big = catalogue(&MESSAGES, u32::to_be_bytes);
    assert_ne!(big, catalogue(&MESSAGES, u32::to_le_bytes));
    for data in [big, catalogue(&MESSAGES, u32::to_le_bytes)] {
        let made = pairs(&[("b.mo", &data), ("a.mo", &data), ("a.po", b"x")]).unwrap();
        assert_eq!(
            super::made(&made, "train.en"),
            "Open the old file…\nOne new file here\n%d new files here\nif x < y then stop\n"
        );
        assert_eq!(
            super::made(&made, "train.de"),
            "Die alte Datei öffnen …\nEine neue Datei hier\n%d neue Dateien hier\nwenn x < y dann halt\n"
        );
    }
}

#[test]
fn catalogues_that_are_none_or_are_spoiled_are_named_with_what_is_wrong() {
    let whole = catalogue(&MESSAGES, u32::to_le_bytes);
    let problem = |data: &[u8]| pairs(&[("a.mo", data)]).unwrap_err().replace("cannot read FOLDER/a.mo: ", "");
    assert_eq!(problem(b"msgid \"\""), "it begins with [6d, 73, 67, 69], expected de 12 04 95 or 95 04 12 de");
    assert_eq!(problem(b""), "it begins with [], expected de 12 04 95 or 95 04 12 de");
    assert_eq!(problem(&whole[..10]), "the header should end at byte 12 of 10: is the file whole?");
    let end = whole.len() - 1;
    let last = problem(&whole[..end - 1]);
    assert_eq!(last, format!("translation 7 should end at byte {end} of {}: is the file whole?", end - 1));
    let mut spoiled = whole.clone();
    spoiled[8..12].fill(0xff);
    assert!(problem(&spoiled).contains(" should end at byte "), "{}", problem(&spoiled));
    let mut newer = whole;
    newer[6] = 2;
    assert_eq!(problem(&newer), "its revision is 2, expected 0 or 1");
    let french = catalogue(&[("", "Language: fr\n")], u32::to_le_bytes);
    assert_eq!(problem(&french), "its language is fr, expected de");
    assert_eq!(pairs(&[("a.po", b"")]).unwrap_err(), "there is no .mo file in FOLDER");
    let nothing = catalogue(&MESSAGES[..2], u32::to_le_bytes);
    assert_eq!(problem(&nothing), "there is no sentence with its translation in 1 catalogues");
}

#[test]
fn a_catalogue_cannot_come_from_a_url() {
    let url = Place::Url("http://127.0.0.1:9/".to_owned());
    let sentence = prepared(set(Name::EnDe), Some(url), None, pairs::prepare).unwrap_err();
    assert_eq!(sentence, "en-de is made from catalogues: give a folder of .mo files, not http://127.0.0.1:9/");
}

/// Either magic number and then anything, half the time small numbers, so that some of it is found.
fn nearly_a_catalogue() -> impl Strategy<Value = Vec<u8>> {
    let magic = prop_oneof![Just(0x9504_12de_u32.to_le_bytes()), Just(0x9504_12de_u32.to_be_bytes())];
    let number =
        prop_oneof![(0_u32..64).prop_map(u32::to_le_bytes), (0_u32..64).prop_map(u32::to_be_bytes), any::<[u8; 4]>()];
    (magic, prop::collection::vec(number, 0..40))
        .prop_map(|(magic, numbers)| [&[magic][..], &numbers].concat().concat())
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_of_catalogues_panic(data in prop_oneof![any::<Vec<u8>>(), nearly_a_catalogue()]) {
        let messages = mo::messages(&data);
        if let Ok(messages) = messages {
            prop_assert!(messages.iter().all(|(one, other)| one.len().max(other.len()) <= data.len()));
        }
        let _ = pairs::read(&data);
    }

    #[test]
    fn no_text_makes_sentences_of_more_than_one_line(one in "\\PC*|[&_~<> \\n\\r\u{2028}a-c;%\0\u{4}]*", other in any::<String>()) {
        for (english, german) in pairs::pairs_of(one.as_bytes(), other.as_bytes()) {
            prop_assert_eq!(english.lines().count(), 1);
            prop_assert_eq!(german.lines().count(), 1);
        }
    }

    #[test]
    fn what_is_compressed_is_unpacked_again(text in prop::collection::vec(0_u8..4, 1..3000), many in any::<bool>()) {
        let text = if many { text.repeat(20) } else { text };
        prop_assert_eq!(lzw::unpack(&compressed(&text), text.len()), Some(text.clone()));
        prop_assert_eq!(lzw::unpack(&compressed(&text), text.len() - 1), None);
    }

    #[test]
    fn no_bytes_make_the_other_readers_panic(data in any::<Vec<u8>>(), place in 0_usize..200, byte in any::<u8>()) {
        let _ = lzw::unpack(&data, 1000);
        let mut spoiled = bible(VERSES, 64);
        let place = place % spoiled.len();
        spoiled[place] = byte;
        let _ = kjv::unpack(&spoiled);
        let _ = gcide::plain(&String::from_utf8_lossy(&data));
    }

    #[test]
    fn no_markup_makes_an_entry_of_more_than_one_line(entry in "[\\[\\]{}()\\\\a^'* \\n]*") {
        prop_assert!(gcide::plain(&entry).lines().count() <= 1);
    }
}
