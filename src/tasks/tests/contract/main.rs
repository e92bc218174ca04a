//! The trainer's contract where things go wrong, kept by three clients: Rust (`trainpilot-tasks curves`), curl with jq,
//! and Python. `tests/runs` has the same three under the real agent.
#![allow(clippy::unwrap_used)]

mod agent;

use std::collections::BTreeMap;
use std::process::{Command, Output};

use agent::{Fault, Log, Script, agent};
use serde_json::Value;

const CLIENTS: [&str; 3] = ["rust", "shell", "python"];

/// The program that trains through a client.
fn trainer(client: &str) -> Command {
    let here = env!("CARGO_MANIFEST_DIR");
    let mut command = match client {
        "rust" => Command::new(env!("CARGO_BIN_EXE_trainpilot-tasks")),
        "shell" => Command::new("sh"),
        _ => Command::new("python3"),
    };
    match client {
        "rust" => command.arg("curves").args(["--env-steps", "3"]),
        "shell" => command.arg(format!("{here}/tests/trainer.sh")),
        _ => command.arg(format!("{here}/tests/trainer.py")),
    };
    // Nothing listens there: a client that asked a proxy for an agent on loopback would not reach it.
    command.env("http_proxy", "http://127.0.0.1:1").env_remove("TRAINPILOT_URL").env_remove("no_proxy");
    command.env("PYTHONPATH", format!("{here}/../../clients/python")).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// A trajectory of four env steps in which nothing goes wrong.
fn script() -> Script {
    Script {
        env_steps: 4,
        next_step: 0,
        values: vec![0.5, 0.25, 0.3, 0.125, 0.0625, 0.0625],
        done_at: 4,
        faults: BTreeMap::new(),
    }
}

/// Runs a trainer of each client under an agent of its own, and looks at how it ended and at what the agent saw.
fn with_each_client(script: &Script, look: impl Fn(&str, &Output, &Log)) {
    for client in CLIENTS {
        let agent = agent(script.clone());
        let output = trainer(client).env("TRAINPILOT_URL", &agent.url).output().unwrap();
        look(client, &output, &agent.log.lock().unwrap());
    }
}

fn succeeded(client: &str, output: &Output) {
    assert!(output.status.success(), "{client}: {}", String::from_utf8_lossy(&output.stderr));
}

fn refused(client: &str, output: &Output, sentence: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains(sentence), "{client}: {stderr}");
}

fn steps(log: &Log) -> Vec<u64> {
    log.accepted.iter().map(|report| report["step"].as_u64().unwrap()).collect()
}

#[test]
fn a_lost_request_and_a_lost_answer_are_repeated_with_the_same_body() {
    // Request 0 is the GET; 1 is its repetition, 2 reports step 0, and 3 repeats it.
    let faults = [(0, Fault::LosesAnswer), (2, Fault::LosesRequest), (4, Fault::LosesAnswer), (6, Fault::Unavailable)];
    with_each_client(&Script { faults: faults.into(), ..script() }, |client, output, log| {
        succeeded(client, output);
        assert_eq!(steps(log), [0, 1, 2, 3, 4], "{client}");
        assert_eq!(log.posted.len(), 8, "{client}: {:?}", log.posted);
        for repeated in [0, 2, 4] {
            assert_eq!(log.posted[repeated], log.posted[repeated + 1], "{client}");
        }
    });
}

#[test]
fn a_training_stops_when_the_agent_says_that_it_is_done() {
    with_each_client(&Script { done_at: 2, ..script() }, |client, output, log| {
        succeeded(client, output);
        assert_eq!(log.posted.len(), 3, "{client}");
    });
}

#[test]
fn a_trainer_without_checkpoint_does_not_take_over_in_the_middle() {
    with_each_client(&Script { next_step: 2, ..script() }, |client, output, log| {
        refused(client, output, "can only start at step 0");
        assert!(log.posted.is_empty(), "{client}");
    });
}

#[test]
fn without_an_agent_a_trainer_trains_alone_and_prints_each_report() {
    for client in CLIENTS {
        let output = trainer(client).output().unwrap();
        succeeded(client, &output);
        let lines = String::from_utf8(output.stdout).unwrap();
        let reports: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(reports.iter().map(|report| report["step"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert!(reports[3]["metrics"]["loss"].as_f64() < reports[0]["metrics"]["loss"].as_f64(), "{client}");
    }
}

#[test]
fn the_example_in_the_python_client_is_true() {
    let here = env!("CARGO_MANIFEST_DIR");
    let mut python = Command::new("python3");
    python.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONPATH", format!("{here}/../../clients/python"));
    let script = "import doctest, sys, trainpilot; sys.exit(doctest.testmod(trainpilot).failed)";
    python.args(["-c", script]).env_remove("TRAINPILOT_URL");
    succeeded("python", &python.output().unwrap());
}
