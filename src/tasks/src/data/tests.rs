//! Small sources of every kind, and all that may be wrong with them.
#![allow(clippy::unwrap_used)]

mod bundles;
mod texts;
mod urls;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::*;

/// A folder with some files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, data) in files {
        fs::write(folder.path().join(name), data).unwrap();
    }
    folder
}

fn packed(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, data) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        archive.append_data(&mut header, name, *data).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn set(name: Name) -> Set {
    name.set()
}

fn place(path: &Path) -> Place {
    Place::Path(path.to_owned())
}

/// Prepares by a function, and tells the sentence that is printed if it cannot.
fn prepared(
    set: Set,
    from: Option<Place>,
    sha256: Option<&str>,
    prepare: impl Fn(&mut Source, &mut Target) -> Result<()>,
) -> Result<TempDir, String> {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("to");
    let attempt = || {
        let mut target = Target::open(&to)?;
        let name = set.name.clone();
        let mut source = Source::open(set, from, sha256.map(|sum| sum.parse().unwrap()), &to)?;
        prepare(&mut source, &mut target)?;
        target.finish(&name, &source.origin())
    };
    match attempt() {
        Ok(_) => Ok(folder),
        Err(error) => {
            assert_eq!(files(&to), [] as [PathBuf; 0], "what failed leaves nothing");
            Err(format!("{error:#}"))
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn made(folder: &TempDir, file: &str) -> String {
    fs::read_to_string(folder.path().join("to").join(file)).unwrap()
}

fn options(name: Name, from: Option<Place>, to: &Path) -> Options {
    Options { name, from, to: Some(to.to_owned()), sha256: None }
}

const PAIRS: [(&str, &[u8]); 2] = [("train.en", b"A house.\nA tree.\n"), ("train.de", b"Ein Haus.\nEin Baum.\n")];

#[test]
fn what_is_there_and_holds_is_left_alone_and_what_does_not_is_made_again() {
    let (from, to) = (folder(&PAIRS), tempfile::tempdir().unwrap());
    let from = || Some(place(from.path()));
    options(Name::WmtEnde, from(), to.path()).run().unwrap();
    let sums = fs::read_to_string(to.path().join("SHA256SUMS")).unwrap();
    assert!(sums.starts_with("# wmt-ende, made from /"), "{sums}");
    let checked = std::process::Command::new("sha256sum").args(["-c", "SHA256SUMS"]).current_dir(to.path()).output();
    let checked = checked.unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let english = to.path().join("train.en");
    let when = || fs::metadata(&english).unwrap().modified().unwrap();
    let first = when();
    options(Name::WmtEnde, from(), to.path()).run().unwrap();
    options(Name::WmtEnde, None, to.path()).run().expect("no source is needed for what is there");
    assert_eq!(when(), first);
    // Another data set in the same folder is another matter.
    assert!(options(Name::Ptb, None, to.path()).run().is_err());

    for spoil in [&b"A horse.\nA tree.\n"[..], b""] {
        fs::write(&english, spoil).unwrap();
        assert!(options(Name::WmtEnde, None, to.path()).run().is_err(), "it is neither there nor in a package");
        options(Name::WmtEnde, from(), to.path()).run().unwrap();
        assert_eq!(fs::read(&english).unwrap(), PAIRS[0].1);
        assert_eq!(fs::read_to_string(to.path().join("SHA256SUMS")).unwrap(), sums, "the same bytes again");
    }
    fs::remove_file(&english).unwrap();
    options(Name::WmtEnde, from(), to.path()).run().unwrap();
    assert!(english.exists());
}

#[test]
fn another_place_or_another_sum_than_before_is_not_what_is_there() {
    let before = |origin: &str| target::Before { origin: origin.to_owned(), sums: String::new() };
    let (url, sum) = (Place::Url("http://h/x".to_owned()), Sum::of(&b""[..]).unwrap());
    let of_url = before(&format!("http://h/x, sha256 {sum}"));
    assert!(
        of_url.serves(Some(&url), None) && of_url.serves(Some(&url), Some(&sum)) && of_url.serves(None, Some(&sum))
    );
    assert!(!of_url.serves(Some(&place(Path::new("x"))), None));
    assert!(!of_url.serves(Some(&url), Some(&Sum::of(&b"x"[..]).unwrap())));
    assert!(before("dict-gcide 1").serves(None, None) && !before("dict-gcide 1").serves(None, Some(&sum)));
}

#[test]
fn what_failed_later_leaves_what_was_there_before() {
    let (from, to) = (folder(&PAIRS), tempfile::tempdir().unwrap());
    options(Name::WmtEnde, Some(place(from.path())), to.path()).run().unwrap();
    let other = folder(&[PAIRS[0], ("train.de", b"Ein Haus.\n")]);
    options(Name::WmtEnde, Some(place(other.path())), to.path()).run().unwrap_err();
    options(Name::WmtEnde, Some(place(from.path())), to.path()).run().unwrap();
    assert!(target::read(to.path(), "wmt-ende").is_some());
    assert_eq!(files(to.path()).len(), 3);
}

#[test]
fn a_package_that_is_not_installed_is_named_with_what_to_do() {
    let absent = |name| {
        let package = Package { name, folder: "/nowhere" };
        Set { package: Some(package), ..set(Name::Kjv) }
    };
    assert_eq!(
        prepared(absent("bible-kjv-text"), None, None, kjv::prepare).unwrap_err(),
        "bible-kjv-text is not installed (there is no bible.data in /nowhere): apt install bible-kjv-text, or give --from"
    );
    assert_eq!(
        prepared(absent("dict-gcide"), None, None, gcide::prepare).unwrap_err(),
        "dict-gcide is not installed (there is no gcide.dict.dz or gcide.dict in /nowhere): apt install dict-gcide, or \
         give --from"
    );
    let fashion = |source: &mut Source, target: &mut Target| bundle::prepare(&idx::FASHION_MNIST, source, target);
    assert_eq!(
        prepared(absent("dataset-fashion-mnist"), None, None, fashion).unwrap_err(),
        "dataset-fashion-mnist is not installed (there is no train-images-idx3-ubyte.gz in /nowhere): apt install \
         dataset-fashion-mnist, or give --from"
    );
    let no_package = Options { name: Name::Cifar10, from: None, to: Some("/tmp/never".into()), sha256: None };
    let sentence = format!("{:#}", Source::open(no_package.name.set(), None, None, Path::new("")).err().unwrap());
    assert_eq!(sentence, "no Debian package has cifar10: give --from a folder, a file or a URL");
}

#[test]
fn places_and_sums_that_are_none_are_refused() {
    assert_eq!("https://h/x".parse(), Ok(Place::Url("https://h/x".to_owned())));
    assert_eq!("a/b".parse(), Ok(place(Path::new("a/b"))));
    assert!("ftp://h/x".parse::<Place>().unwrap_err().contains("begins with http:// or https://"));
    assert!("http://".parse::<Place>().is_err());
    let sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(sum.parse::<Sum>().unwrap(), Sum::of(&b""[..]).unwrap());
    assert_eq!(sum.to_uppercase().parse::<Sum>().unwrap().to_string(), sum);
    for wrong in ["", "e3", &sum[1..], &format!("{sum}00"), &sum.replace('e', "g"), &"é".repeat(32)] {
        assert_eq!(wrong.parse::<Sum>().unwrap_err(), "expected the 64 hexadecimal digits of a SHA-256");
    }
}

#[test]
fn every_part_of_every_set_has_a_name_of_its_own_and_published_sums_are_sums() {
    for name in Name::value_variants() {
        assert!(name.set().published.is_none_or(|sum| sum.parse::<Sum>().is_ok()), "{name:?}");
    }
    for parts in [&idx::FASHION_MNIST[..], &CIFAR10, &PTB, &WMT] {
        let names: std::collections::BTreeSet<_> = parts.iter().map(|part| part.name).collect();
        assert_eq!(names.len(), parts.len());
    }
}
