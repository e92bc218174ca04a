//! An agent for what the real one can't be made to do at will: it loses connections, is out of order, ends a training
//! early, or waits in the middle of one, all by a script.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// What the agent will say and do.
#[derive(Clone)]
pub struct Script {
    pub env_steps: u64,
    pub next_step: u64,
    /// The learning rate to start with, then that answered to each step.
    pub values: Vec<f64>,
    /// The step whose answer ends the training.
    pub done_at: u64,
    /// What goes wrong, by the number of the request, from 0.
    pub faults: BTreeMap<usize, Fault>,
}

/// What can go wrong with a request.
#[derive(Clone, Copy)]
pub enum Fault {
    /// It is dropped unread by the session.
    LosesRequest,
    /// It has its effect, and the answer gets lost.
    LosesAnswer,
    /// The agent is out of order for once.
    Unavailable,
}

/// What happened.
#[derive(Default)]
pub struct Log {
    /// Bodies of all POSTs as they came, heard by the session or not.
    pub posted: Vec<String>,
    /// The reports that the session accepted, one a step, in order.
    pub accepted: Vec<Value>,
}

pub struct Agent {
    pub url: String,
    pub log: Arc<Mutex<Log>>,
}

/// Starts the agent on a free port.
pub fn agent(script: Script) -> Agent {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/a-random-path", listener.local_addr().unwrap());
    let log = Arc::new(Mutex::new(Log::default()));
    let mut session = Session { script, log: log.clone(), answers: Vec::new(), ended: false };
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            session.serve(number, stream.unwrap());
        }
    });
    Agent { url, log }
}

struct Session {
    script: Script,
    log: Arc<Mutex<Log>>,
    answers: Vec<Value>,
    ended: bool,
}

impl Session {
    fn serve(&mut self, number: usize, mut stream: TcpStream) {
        let (line, body) = receive(&stream);
        if line.starts_with("POST") {
            self.log.lock().unwrap().posted.push(body.clone());
        }
        let fault = self.script.faults.get(&number).copied();
        let (status, text) = match fault {
            Some(Fault::LosesRequest) => return,
            Some(Fault::Unavailable) => (503, "the agent is starting".to_owned()),
            _ => self.answer(&line, &body),
        };
        if !matches!(fault, Some(Fault::LosesAnswer)) {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", text.len());
            stream.write_all((head + &text).as_bytes()).unwrap();
        }
    }

    fn answer(&mut self, line: &str, body: &str) -> (u16, String) {
        match line {
            "GET /a-random-path/v1/trajectory HTTP/1.1" => (200, self.trajectory().to_string()),
            "POST /a-random-path/v1/steps HTTP/1.1" => match self.step(body) {
                Ok(answer) => (200, answer.to_string()),
                Err(sentence) => (422, sentence),
            },
            _ => (404, format!("there is nothing at {line:?}")),
        }
    }

    fn trajectory(&self) -> Value {
        let Script { env_steps, next_step, values, .. } = &self.script;
        json!({
            "id": "uid-0-2-5", "envSteps": env_steps, "seed": 17, "repetition": 0, "epoch": 2, "index": 5, "nextStep": next_step,
            "hyperparameters": {"learning_rate": values[0]},
        })
    }

    fn step(&mut self, body: &str) -> Result<Value, String> {
        let report: Value = serde_json::from_str(body).map_err(|error| format!("expected JSON: {error}"))?;
        let mut log = self.log.lock().unwrap();
        if log.accepted.last() == Some(&report) {
            return Ok(self.answers.last().unwrap().clone());
        }
        let step = log.accepted.len() as u64;
        if self.ended || report["step"] != step {
            return Err(format!("expected step {step}, ended: {}; got {body}", self.ended));
        }
        self.ended = step == self.script.done_at;
        let next = self.script.values[step as usize + 1];
        let answer = json!({
            "step": step, "hyperparameters": {"learning_rate": next}, "done": self.ended, "policyVersion": 3,
        });
        log.accepted.push(report);
        self.answers.push(answer.clone());
        Ok(answer)
    }
}

/// Reads a request: its first line and its body.
fn receive(stream: &TcpStream) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap(),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (first.trim_end().to_owned(), String::from_utf8(body).unwrap())
}
