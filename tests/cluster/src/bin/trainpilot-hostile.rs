//! A trainer that means no good, or does none, or has its own ways: what a suite starts in place of one.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};

/// Exit code of a trainer whose attacks all failed.
const FOILED: u8 = 7;
/// And of one of whose attacks one did not.
const SUCCEEDED: u8 = 42;

#[derive(Parser)]
enum Deed {
    /// Take memory until there is none
    Memory,
    /// Never end
    Forever,
    /// Show metrics to Prometheus, and report none
    Show,
    /// Try everything on those within reach
    Attack {
        /// Where the policy learner listens
        #[arg(long)]
        learner: String,
    },
}

fn main() -> ExitCode {
    match Deed::parse() {
        Deed::Memory => take_memory(),
        Deed::Forever => loop {
            std::thread::sleep(Duration::from_secs(60));
        },
        Deed::Show => show(),
        Deed::Attack { learner } => attack(&learner),
    }
}

fn take_memory() -> ExitCode {
    let mut held = Vec::new();
    loop {
        held.push(vec![1_u8; 8 << 20]);
        std::thread::sleep(Duration::from_millis(20));
        if held.len() > 4096 {
            return ExitCode::SUCCESS;
        }
    }
}

/// Trains to the end. The loss is 8 halved in each env step, the score what is missing of it to 1.
fn show() -> ExitCode {
    let port = std::env::var("TRAINPILOT_METRICS_PORT").unwrap_or_default();
    let Ok(listener) = TcpListener::bind(format!("127.0.0.1:{port}")) else { return ExitCode::FAILURE };
    let page = Arc::new(Mutex::new(String::new()));
    let shown = Arc::clone(&page);
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| serve(stream, &shown)));
    for step in 0.. {
        let loss = 8.0 * 0.5_f64.powi(step);
        let text = format!("curve{{kind=\"loss\"}} {loss}\ncurve{{kind=\"score\"}} {}\n", 1.0 / (1.0 + loss));
        if let Ok(mut page) = page.lock() {
            *page = text;
        }
        match reported(&json!({"step": step})) {
            Some(answer) if answer["done"] == true => return ExitCode::SUCCESS,
            Some(_) => {}
            None => return ExitCode::FAILURE,
        }
    }
    ExitCode::SUCCESS
}

fn serve(mut stream: TcpStream, page: &Mutex<String>) {
    let _ = stream.read(&mut [0; 4096]);
    let page = page.lock().map(|page| page.clone()).unwrap_or_default();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", page.len());
    let _ = stream.write_all((head + &page).as_bytes());
}

/// What the agent answers to a report that it takes.
fn reported(report: &Value) -> Option<Value> {
    let answer = posted(&report.to_string()).ok()?.body_mut().read_to_string().ok()?;
    serde_json::from_str(&answer).ok()
}

fn posted(report: &str) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
    let url = std::env::var("TRAINPILOT_URL").unwrap_or_default();
    ureq::post(format!("{url}/v1/steps")).send(report)
}

/// Says whether it came through; hears where the learner is.
type Attack = fn(&str) -> bool;

fn attack(learner: &str) -> ExitCode {
    let attacks: [(&str, Attack); 6] = [
        ("a report of 100 MB is taken", |_| {
            is_taken(&format!("{{\"step\": 0, \"diverged\": \"{}\"}}", "x".repeat(100 << 20)))
        }),
        ("a report of a million metrics is taken", |_| is_taken(&many_metrics(1_000_000))),
        ("a number that is none is taken", |_| is_taken(r#"{"step": 0, "metrics": {"score": 1e999, "loss": 1}}"#)),
        ("an agent answers without a certificate", |_| answers("127.0.0.1:8091")),
        ("a learner answers without a certificate", answers),
        ("the agent's identity can be read", |_| std::fs::read("/etc/trainpilot/identity/key.pem").is_ok()),
    ];
    // These say nothing, and go on until the end.
    let held: Vec<_> = (0..300).filter_map(|_| TcpStream::connect("127.0.0.1:8090").ok()).collect();
    let mut succeeded = false;
    for (what, attack) in attacks {
        if attack(learner) {
            eprintln!("{what}");
            succeeded = true;
        }
    }
    drop(held);
    ExitCode::from(if succeeded { SUCCEEDED } else { FOILED })
}

fn many_metrics(count: u32) -> String {
    let metrics: Vec<String> = (0..count).map(|n| format!("\"m{n}\": 1")).collect();
    format!("{{\"step\": 0, \"metrics\": {{{}}}}}", metrics.join(", "))
}

/// Whether the agent takes this as a report.
fn is_taken(report: &str) -> bool {
    posted(report).is_ok()
}

/// Whether anybody answers in plain HTTP.
fn answers(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(3)));
    let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer.starts_with(b"HTTP")
}
