//! Bundles out of small wheels made here, through the real pip without an index.
#![allow(clippy::unwrap_used)]

use std::{io::Write as _, thread};

use tempfile::TempDir;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

/// A folder with `toy-1.0-py3-none-any.whl`, and its hash as found by an independent program.
fn index() -> (TempDir, &'static str) {
    let folder = tempfile::tempdir().unwrap();
    let mut wheel = ZipWriter::new(File::create(folder.path().join("toy-1.0-py3-none-any.whl")).unwrap());
    let info = "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n";
    let tag = "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    for (name, text) in [
        ("toy/lib/libtoy.so", "machine code"),
        ("toy/include/a.h", "a"),
        ("toy/include/deep/b.h", "b"),
        ("toy/unwanted.py", "print()"),
        ("toy-1.0.dist-info/METADATA", info),
        ("toy-1.0.dist-info/WHEEL", tag),
        ("toy-1.0.dist-info/RECORD", ""),
    ] {
        wheel.start_file(name, SimpleFileOptions::default()).unwrap();
        wheel.write_all(text.as_bytes()).unwrap();
    }
    wheel.finish().unwrap();
    let sum = std::process::Command::new("sha256sum").arg(folder.path().join("toy-1.0-py3-none-any.whl")).output();
    let sum = String::from_utf8(sum.unwrap().stdout).unwrap();
    (folder, sum.split_whitespace().next().unwrap().to_owned().leak())
}

fn pip(index: &TempDir) -> Pip {
    let options = vec!["--quiet".into(), "--no-index".into(), "--find-links".into(), index.path().into()];
    Pip { options, ..Pip::default() }
}

fn bundle(sha256: &'static str) -> Bundle {
    Bundle {
        name: "toy".to_owned(),
        platform: Platform::X86_64,
        wheels: vec![Wheel { project: "toy", version: "1.0", sha256 }],
        parts: vec![
            Part::File { from: "toy/lib/libtoy.so", to: "lib/libtoy.so".to_owned() },
            Part::Folder { from: "toy/include/", to: "include" },
            Part::Link { to: "lib/libalias.so", target: "libtoy.so" },
            Part::Text { to: "build-version", text: "1.0" },
        ],
    }
}

/// What lies in a cache, but for the lock.
fn names(cache: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(cache.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != ".lock").collect()
}

#[test]
fn exactly_the_chosen_parts_are_installed() {
    let ((index, sha256), cache) = (index(), tempfile::tempdir().unwrap());
    let folder = bundle(sha256).install(cache.path(), &pip(&index)).unwrap();
    let read = |path: &str| fs::read_to_string(folder.join(path)).unwrap();
    assert_eq!(read("lib/libtoy.so"), "machine code");
    assert_eq!(read("lib/libalias.so"), "machine code");
    assert_eq!(
        (read("include/a.h"), read("include/deep/b.h"), read("build-version")),
        ("a".into(), "b".into(), "1.0".into())
    );
    assert!(!folder.join("toy").exists() && !folder.join("unwanted.py").exists());
    assert_eq!(names(&cache), ["toy"], "no download stays behind");
}

#[test]
fn a_wheel_with_another_hash_is_refused_and_leaves_nothing() {
    let ((index, sha256), cache) = (index(), tempfile::tempdir().unwrap());
    let wrong = "0000000000000000000000000000000000000000000000000000000000000000";
    let error = bundle(wrong).install(cache.path(), &pip(&index)).unwrap_err();
    assert_eq!(error.to_string(), "cannot download toy 1.0");
    assert_eq!(names(&cache), [""; 0]);
    bundle(sha256).install(cache.path(), &pip(&index)).expect("the hash was all that was wrong");
}

#[test]
fn a_second_install_needs_no_pip_and_changes_nothing() {
    let ((index, sha256), cache) = (index(), tempfile::tempdir().unwrap());
    let first = bundle(sha256).install(cache.path(), &pip(&index)).unwrap();
    let made = fs::metadata(&first).unwrap().created().unwrap();
    fs::remove_file(index.path().join("toy-1.0-py3-none-any.whl")).unwrap();
    assert_eq!(bundle(sha256).install(cache.path(), &pip(&index)).unwrap(), first);
    assert_eq!(fs::metadata(&first).unwrap().created().unwrap(), made);
}

#[test]
fn a_damaged_or_outdated_folder_is_made_anew() {
    let ((index, sha256), cache) = (index(), tempfile::tempdir().unwrap());
    let folder = bundle(sha256).install(cache.path(), &pip(&index)).unwrap();
    fs::remove_file(folder.join("lib/libtoy.so")).unwrap();
    bundle(sha256).install(cache.path(), &pip(&index)).unwrap();
    assert!(folder.join("lib/libtoy.so").exists());

    let mut changed = bundle(sha256);
    changed.parts.remove(1);
    assert!(!changed.is_installed(cache.path()));
    changed.install(cache.path(), &pip(&index)).unwrap();
    assert!(!folder.join("include").exists(), "files of the old bundle are gone");
}

#[test]
fn what_an_interrupted_install_left_is_no_hindrance() {
    let ((index, sha256), cache) = (index(), tempfile::tempdir().unwrap());
    fs::create_dir_all(cache.path().join("toy.part/folder/lib")).unwrap();
    fs::write(cache.path().join("toy.part/folder/lib/half"), "").unwrap();
    let folder = bundle(sha256).install(cache.path(), &pip(&index)).unwrap();
    assert!(!folder.join("lib/half").exists());
    assert_eq!(names(&cache), ["toy"]);
}

#[test]
fn a_part_that_no_wheel_has_is_named() {
    let ((index, sha256), cache) = (index(), tempfile::tempdir().unwrap());
    let mut bundle = bundle(sha256);
    bundle.parts.push(Part::File { from: "toy/gone.so", to: "gone.so".to_owned() });
    let error = bundle.install(cache.path(), &pip(&index)).unwrap_err().to_string();
    assert!(error.contains("no wheel of toy has") && error.contains("toy/gone.so"), "{error}");
    assert_eq!(names(&cache), [""; 0]);
}

#[test]
fn two_installs_at_once_both_end_with_the_folder() {
    let ((index, sha256), cache) = (index(), tempfile::tempdir().unwrap());
    let install = || bundle(sha256).install(cache.path(), &pip(&index)).unwrap();
    let (one, other) = thread::scope(|scope| {
        let (one, other) = (scope.spawn(install), scope.spawn(install));
        (one.join().unwrap(), other.join().unwrap())
    });
    assert_eq!(one, other);
    assert!(bundle(sha256).is_installed(cache.path()));
}
