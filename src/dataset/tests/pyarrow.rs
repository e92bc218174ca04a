//! Others can read a segment: pyarrow finds every row and column with its type.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::Command;

use common::{epoch, identity, open};
use serde_json::{Value, json};
use tuning::{Decision, Step, Trajectory};

const SCRIPT: &str = "
import json, sys
import pyarrow.parquet as parquet
file = parquet.ParquetFile(sys.argv[1])
table = file.read()
print(json.dumps({
    'types': {field.name: str(field.type) for field in table.schema},
    'columns': table.to_pydict(),
    'header': json.loads(file.metadata.metadata[b'trainpilot']),
}))
";

/// What pyarrow makes of `file`.
fn read(file: &Path) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let packages = root.join("third_party/python");
    assert!(packages.exists(), "third_party/python is missing: `cargo xtask setup` makes it");
    let mut python = Command::new("python3");
    let output = python.args(["-c", SCRIPT]).arg(file).env("PYTHONPATH", packages).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn pyarrow_reads_every_value_of_a_segment() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).commit(3, true, &epoch(3)).await.unwrap();
    let found = read(&folder.path().join("segments/epoch-000003.parquet"));
    let trajectories = epoch(3);
    let rows = || trajectories.iter().flat_map(|t| t.steps.iter().map(move |step| (t, step)));
    let check = |name: &str, kind: &str, value: &dyn Fn(&Trajectory, &Step) -> Value| {
        let expected: Vec<Value> = rows().map(|(trajectory, step)| value(trajectory, step)).collect();
        assert_eq!(found["columns"][name], json!(expected), "{name}");
        assert_eq!(found["types"][name], kind, "{name}");
    };
    let decided = |name: &str, kind: &str, value: &dyn Fn(&Decision) -> Value| {
        check(name, kind, &|_, step| step.decision.as_ref().map_or(Value::Null, value));
    };
    // Python prints a single as the double that it is.
    let single = |x: f32| json!(f64::from(x));
    check("experiment", "string", &|_, _| json!("digits"));
    check("repetition", "uint32", &|t, _| json!(t.key.repetition));
    check("epoch", "uint32", &|t, _| json!(t.key.epoch));
    check("final_evaluation", "bool", &|_, _| json!(true));
    check("index", "uint32", &|t, _| json!(t.key.index));
    check("attempt", "uint32", &|t, _| json!(t.key.attempt));
    check("step", "uint32", &|_, s| json!(s.step));
    check("seed", "uint32", &|t, _| json!(t.seed));
    check("task", "string", &|t, _| json!(t.task));
    check("metric.accuracy", "double", &|_, s| json!(s.metrics[0]));
    check("metric.loss, training", "double", &|_, s| json!(s.metrics[1]));
    check("hyperparameter.learning_rate", "double", &|_, s| json!(s.hyperparameters[0]));
    check("hyperparameter.momentum", "double", &|_, s| json!(s.hyperparameters[1]));
    check("applied.learning_rate", "double", &|_, s| json!(s.applied[0]));
    check("applied.momentum", "double", &|_, s| json!(s.applied[1]));
    decided("policy_version", "uint64", &|d| json!(d.policy_version));
    decided("action.learning_rate", "uint32", &|d| json!(d.actions[0]));
    decided("action.momentum", "uint32", &|d| json!(d.actions[1]));
    decided("log_probability.learning_rate", "float", &|d| single(d.log_probabilities[0]));
    decided("log_probability.momentum", "float", &|d| single(d.log_probabilities[1]));
    decided("value", "float", &|d| d.value.map_or(Value::Null, single));
    decided("keep", "string", &|d| d.keep.map_or(Value::Null, |keep| json!(keep.as_str())));
    check("outcome", "string", &|t, _| json!(t.outcome.unwrap().as_str()));
    check("elapsed_seconds", "double", &|_, s| json!(s.elapsed_seconds));
    assert_eq!(found["types"].as_object().unwrap().len(), 24);
    let header = &found["header"];
    assert_eq!((&header["format"], &header["uid"]), (&json!(1), &json!("6f1c")));
    assert_eq!(header["problem"], json!(identity().problem));
    assert_eq!(header["trajectories"].as_array().unwrap().len(), 7);
}
