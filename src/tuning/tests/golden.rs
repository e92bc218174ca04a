//! The golden file is what the code computes now, and a program in another language computes the same.
#![allow(clippy::unwrap_used)]

use std::{path::Path, process::Command};

#[allow(dead_code, reason = "its main prints the file")]
#[path = "../examples/golden.rs"]
mod example;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_golden_file_is_up_to_date() {
    let stored = std::fs::read_to_string(folder().join("golden.json")).unwrap();
    let now = format!("{:#}\n", example::golden().unwrap());
    assert_eq!(stored, now, "cargo run -q -p trainpilot-tuning --example golden > src/tuning/golden.json");
}

fn check_in_python(golden: &Path) -> (bool, String) {
    let output = Command::new("python3").arg(folder().join("tests/golden.py")).arg(golden).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn a_program_written_from_the_formulas_alone_agrees() {
    let (agrees, said) = check_in_python(&folder().join("golden.json"));
    assert!(agrees, "{said}");
}

#[test]
fn that_program_notices_a_wrong_number_in_every_part() {
    let golden = example::golden().unwrap();
    let parts = [
        ("metrics", "/metrics/0/cases/3/1"),
        ("hyperparameters", "/hyperparameters/1/cases/2/1"),
        ("observations", "/observations/1/cases/2/vector/4"),
        ("schedules", "/schedules/8/factors/5"),
        ("steering", "/steering/values/4/1"),
        ("rewards", "/rewards/1/rewards/0"),
        ("encodings", "/encodings/1/cases/4/decoded"),
        ("random", "/random/2/uniform/3"),
        ("draws", "/draws/1/cases/9/draw/initial/0"),
        ("samples", "/samples/cases/5/1"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (part, pointer) in parts {
        let mut wrong = golden.clone();
        let number = wrong.pointer_mut(pointer).unwrap();
        *number = if number.is_f64() {
            (number.as_f64().unwrap() + 1e-4).into()
        } else {
            (number.as_u64().unwrap() + 1).into()
        };
        let path = folder.path().join("golden.json");
        std::fs::write(&path, wrong.to_string()).unwrap();
        let (agrees, said) = check_in_python(&path);
        assert!(!agrees && said.contains(part), "{part}: {said}");
    }
}
