//! `trainpilot-tasks data`: on full disks, and on the real packages where they are installed.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::thread;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

const TASKS: &str = env!("CARGO_BIN_EXE_trainpilot-tasks");

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs `data ARGUMENTS --to FOLDER`.
fn data(arguments: &[&str], folder: &Path) -> Output {
    Command::new(TASKS).arg("data").args(arguments).arg("--to").arg(folder).output().unwrap()
}

/// A folder that wmt-ende can be made from, of about 300 kB.
fn sentences() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("train.en"), "A house of many rooms.\n".repeat(6000)).unwrap();
    fs::write(folder.path().join("train.de"), "Ein Haus mit Zimmern.\n".repeat(6000)).unwrap();
    folder
}

#[test]
fn a_full_disk_is_said_with_the_file_that_does_not_fit_and_leaves_nothing() {
    let (from, to) = (sentences(), tempfile::tempdir().unwrap());
    // The disk is mounted for these processes only, so nothing is left of it; the listing is of what the program left.
    let script = "mount -t tmpfs -o size=200k tmpfs \"$1\" || exit 77
        \"$2\" data wmt-ende --from \"$3\" --to \"$1/to\"; status=$?
        ls -A \"$1/to\"
        exit $status";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    let Ok(output) = command.arg(to.path()).arg(TASKS).arg(from.path()).output() else {
        return eprintln!("skipped: there is no `unshare`");
    };
    if output.status.code() == Some(77) || stderr(&output).starts_with("unshare:") {
        return eprintln!("skipped: nothing may be mounted here: {}", stderr(&output));
    }
    let sentence = format!("cannot write {}/to/train.de: No space left on device", to.path().display());
    assert!(!output.status.success() && stderr(&output).contains(&sentence), "{}", stderr(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "nothing is left");
}

#[test]
fn files_that_may_not_grow_are_said_to_be_so() {
    let (from, to) = (sentences(), tempfile::tempdir().unwrap());
    let to = to.path().join("to");
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$1\" data wmt-ende --from \"$2\" --to \"$3\"";
    let output = Command::new("sh").args(["-c", script, "sh", TASKS]).arg(from.path()).arg(&to).output().unwrap();
    let sentence = format!("cannot write {}/train.en: File too large", to.display());
    assert!(!output.status.success() && stderr(&output).contains(&sentence), "{}", stderr(&output));
    assert_eq!(fs::read_dir(&to).unwrap().count(), 0);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let (from, to) = (sentences(), tempfile::tempdir().unwrap());
    let file = to.path().join("file");
    fs::write(&file, "").unwrap();
    let output = data(&["wmt-ende", "--from", from.path().to_str().unwrap()], &file.join("to"));
    let sentence = format!("error: cannot make the folder {}/to: Not a directory", file.display());
    assert!(stderr(&output).starts_with(&sentence), "{}", stderr(&output));
}

#[test]
fn arguments_that_are_none_are_explained() {
    let to = tempfile::tempdir().unwrap();
    for (arguments, sentence) in [
        (&["imagenet"][..], "[possible values: fashion-mnist, kjv, gcide, en-de, cifar10, ptb, lm1b, wmt-ende]"),
        (&["kjv", "--from", "ftp://h/x"], "expected a folder, a file, or a URL that begins with http:// or https://"),
        (&["kjv", "--sha256", "12"], "expected the 64 hexadecimal digits of a SHA-256"),
        (&["ptb"], "no Debian package has ptb: give --from a folder, a file or a URL"),
    ] {
        let output = data(arguments, &to.path().join("to"));
        assert!(!output.status.success() && stderr(&output).contains(sentence), "{}", stderr(&output));
    }
}

/// Serves "Ein Haus.\n" over https, whatever is asked for. Its URL, and its certificate.
fn server() -> (String, String) {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let url = format!("https://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(tls, connection.unwrap());
            // Whoever does not trust the certificate hangs up.
            if stream.read(&mut [0; 4096]).is_ok() {
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nEin Haus.\n");
            }
        }
    });
    (url, certified.cert.pem())
}

#[test]
fn https_takes_data_only_from_whom_the_machine_trusts() {
    let (url, certificate) = server();
    let folder = tempfile::tempdir().unwrap();
    let (trusted, to) = (folder.path().join("trusted.pem"), folder.path().join("to"));
    fs::write(&trusted, certificate).unwrap();
    let mut command = Command::new(TASKS);
    command.args(["data", "wmt-ende", "--from", &url, "--to"]).arg(&to).env("NO_PROXY", "127.0.0.1");
    let output = command.output().unwrap();
    let sentence = format!("error: cannot get {url}train.en: ");
    assert!(stderr(&output).starts_with(&sentence) && stderr(&output).contains("certificate"), "{}", stderr(&output));
    let output = command.env("SSL_CERT_FILE", &trusted).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(to.join("train.de")).unwrap(), "Ein Haus.\n");
}

/// Lines and words of a text.
fn size(path: &Path) -> (usize, usize) {
    let text = fs::read_to_string(path).unwrap();
    (text.lines().count(), text.split_whitespace().count())
}

/// Makes it of the installed package, twice; none, if it is not installed.
fn installed(name: &str) -> Option<tempfile::TempDir> {
    let to = tempfile::tempdir().unwrap();
    let output = data(&[name], to.path());
    if stderr(&output).contains("apt install") && !output.status.success() {
        eprintln!("skipped: {}", stderr(&output));
        return None;
    }
    assert!(output.status.success(), "{}", stderr(&output));
    let again = data(&[name], to.path());
    assert!(String::from_utf8_lossy(&again.stdout).contains(": already there, made from "), "{}", stderr(&again));
    Some(to)
}

#[test]
fn fashion_mnist_is_what_its_authors_made() {
    let Some(to) = installed("fashion-mnist") else { return };
    // The sums of the 60,000 and 10,000 images are checked by the program.
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 5);
    let from = to.path().to_str().unwrap();
    let copy = tempfile::tempdir().unwrap();
    assert!(data(&["fashion-mnist", "--from", from], copy.path()).status.success(), "its own output will do");
}

#[test]
fn the_bible_has_all_verses() {
    let Some(to) = installed("kjv") else { return };
    let path = to.path().join("kjv.txt");
    assert_eq!(size(&path), (31_102, 789_634));
    let text = fs::read_to_string(path).unwrap();
    assert!(text.starts_with("In the beginning God created the heaven and the earth.\nAnd the earth was without form"));
    assert!(text.ends_with("\nThe grace of our Lord Jesus Christ be with you all. Amen.\n"));
}

#[test]
fn a_single_wrong_bit_in_the_bible_is_found() {
    let Ok(mut bible) = fs::read("/usr/lib/bible.data") else { return eprintln!("skipped: no bible-kjv-text") };
    let folder = tempfile::tempdir().unwrap();
    for place in [500, 400_000, 1_500_000] {
        bible[place] ^= 4;
        let path = folder.path().join("bible.data");
        fs::write(&path, &bible).unwrap();
        let output = data(&["kjv", "--from", path.to_str().unwrap()], &folder.path().join("to"));
        assert!(!output.status.success() && stderr(&output).contains("bible.data"), "{}", stderr(&output));
        bible[place] ^= 4;
    }
}

#[test]
fn the_dictionary_has_all_entries() {
    let Some(to) = installed("gcide") else { return };
    let (entries, words) = size(&to.path().join("gcide.txt"));
    assert!(entries > 120_000 && words > 4_500_000, "{entries} entries, {words} words");
}

#[test]
fn programs_in_german_give_as_many_sentences_in_either_language() {
    let Some(to) = installed("en-de") else { return };
    let (english, german) = (size(&to.path().join("train.en")), size(&to.path().join("train.de")));
    assert_eq!(english.0, german.0);
    assert!(english.0 > 1000, "{english:?}");
}
