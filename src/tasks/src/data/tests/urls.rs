//! Downloads, from a server that says what it is told.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::thread;

use super::*;

/// Answers each request for a path with bytes, and closes the connection. Its address.
fn server(answers: Vec<(&'static str, Vec<u8>)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut lines = BufReader::new(connection.try_clone().unwrap()).lines().map_while(Result::ok);
            let request = lines.next().unwrap_or_default();
            let _ = lines.find(String::is_empty);
            let path = request.split(' ').nth(1).unwrap_or_default();
            let answer = answers.iter().find(|(known, _)| *known == path);
            let nothing = || b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
            let _ = connection.write_all(&answer.map_or_else(nothing, |(_, answer)| answer.clone()));
        }
    });
    address
}

fn ok(length: usize, data: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes(), data].concat()
}

fn shards() -> Vec<u8> {
    archive(&[("news.en-00001-of-00100", b"one\n"), ("news.en.heldout-00000-of-00050", b"none\n")])
}

fn billion(url: &str, sha256: Option<&str>, limit: u64) -> Result<TempDir, String> {
    let anything = Set { published: None, limit, ..set(Name::Lm1b) };
    let from = Some(Place::Url(url.to_owned()));
    prepared(anything, from, sha256, |source, target| billion::prepare(source, target, [1, 1]))
}

#[test]
fn what_is_downloaded_is_checked_and_then_used() {
    let data = shards();
    let url = server(vec![("/a.tgz", ok(data.len(), &data))]) + "/a.tgz";
    let sum = Sum::of(&data[..]).unwrap().to_string();
    let texts = billion(&url, Some(&sum), 1 << 20).unwrap();
    assert_eq!(made(&texts, "train.txt"), "one\n");
    assert!(made(&texts, "SHA256SUMS").starts_with(&format!("# lm1b, made from {url}, sha256 {sum}\n")));
    assert_eq!(files(&texts.path().join("to")).len(), 3, "the download is gone");
    billion(&url, None, 1 << 20).expect("whoever gives no sum is told the one that was found");

    let other = Sum::of(&b""[..]).unwrap().to_string();
    assert_eq!(
        billion(&url, Some(&other), 1 << 20).unwrap_err(),
        format!("{url} has the SHA-256 {sum}, expected {other}")
    );
}

#[test]
fn several_files_are_downloaded_from_one_place() {
    let answers = PAIRS
        .map(|(name, data)| (["/x/train.en", "/x/train.de"][usize::from(name.ends_with("de"))], ok(data.len(), data)));
    let url = server(answers.into()) + "/x/";
    let prepare = |source: &mut Source, target: &mut Target| bundle::aligned(&WMT, source, target);
    let texts = prepared(set(Name::WmtEnde), Some(Place::Url(url.clone())), None, prepare).unwrap();
    assert_eq!(made(&texts, "train.de").as_bytes(), PAIRS[1].1);
    assert!(made(&texts, "SHA256SUMS").starts_with(&format!("# wmt-ende, made from {url}\n")));
}

#[test]
fn downloads_that_fail_say_why() {
    let data = shards();
    let half = &data[..data.len() / 2];
    let endless = [&b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..], &[7; 5000]].concat();
    let url = server(vec![
        ("/cut.tgz", ok(data.len(), half)),
        ("/large.tgz", ok(1 << 30, b"")),
        ("/endless.tgz", endless),
        ("/broken.tgz", ok(half.len(), half)),
        ("/page.tgz", ok(30, b"<html>It has gone away.</html>")),
    ]);
    let sentence = |file: &str| billion(&format!("{url}/{file}"), None, 2000).unwrap_err();
    assert_eq!(sentence("none.tgz"), format!("{url}/none.tgz answers with status 404, expected 200"));
    assert!(
        sentence("cut.tgz").starts_with(&format!("{url}/cut.tgz broke off after {}", half.len())),
        "{}",
        sentence("cut.tgz")
    );
    assert_eq!(sentence("large.tgz"), format!("{url}/large.tgz has 1073741824 bytes, expected at most 2000"));
    assert_eq!(sentence("endless.tgz"), format!("{url}/endless.tgz has more than 2000 bytes"));
    let broken = sentence("broken.tgz");
    assert!(broken.starts_with(&format!("cannot unpack {url}/broken.tgz: ")), "{broken}");
    assert_eq!(broken.matches("broken.tgz").count(), 1, "{broken}");
    assert!(sentence("page.tgz").contains("invalid gzip header"), "{}", sentence("page.tgz"));
    let nobody = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/a.tgz", free.local_addr().unwrap())
    };
    let sentence = billion(&nobody, None, 2000).unwrap_err();
    assert!(sentence.starts_with(&format!("cannot get {nobody}: ")) && sentence.contains("refused"), "{sentence}");
}

#[test]
fn https_is_spoken() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/a.tgz", listener.local_addr().unwrap());
    let hello = thread::spawn(move || {
        let (mut connection, mut hello) = (listener.accept().unwrap().0, [0; 2]);
        connection.read_exact(&mut hello).unwrap();
        connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        hello
    });
    let sentence = billion(&url, None, 2000).unwrap_err();
    assert!(sentence.starts_with(&format!("cannot get {url}: ")), "{sentence}");
    assert_eq!(hello.join().unwrap(), [0x16, 3], "what TLS begins with");
}
