//! Whatever an agent serves: no panic, and what is believed can be written and read again.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tuning::Problem;
use wire::exposition::{Limits, page, parse};

static PROBLEM: LazyLock<Problem> = LazyLock::new(|| {
    let text = r#"{
        "objective": {"metric": "accuracy"},
        "metrics": [{"name": "accuracy", "range": [0, 1]}, {"name": "loss", "range": [0, 10]}],
        "hyperparameters": [{"name": "lr", "initial": 0.1, "min": 1e-4, "max": 1}],
        "multipliers": [0.5, 1, 2],
        "envSteps": 20
    }"#;
    serde_json::from_str(text).expect("the problem is written above")
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(steps) = parse(bytes, &PROBLEM, &Limits::default()) {
        let again = page(&steps, &PROBLEM);
        assert_eq!(parse(again.as_bytes(), &PROBLEM, &Limits::default()), Ok(steps));
    }
});
