//! Reading a trainer's report, and what is said to a trainer whose report is not taken.

use std::collections::BTreeMap;

use wire::trainer::StepReport;

/// Metrics by name; none stands for a number that is not finite.
pub type Metrics = BTreeMap<String, Option<f64>>;

/// Largest report taken, in bytes.
pub const REPORT_LIMIT: usize = 64 * 1024;

/// Why a report was not taken. The trajectory stands where it stood; the text says what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// More bytes than any report needs.
    #[error("a report may have {REPORT_LIMIT} bytes at most")]
    TooLong,
    /// No JSON at all.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// JSON of another shape.
    #[error(
        "{field}: {problem}; expected {{\"step\": 7, \"metrics\": {{NAME: number, …}}, \"hyperparameters\": {{NAME: number, …}}}}"
    )]
    Shape {
        /// Path of the field, `.` for the whole.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Checkpoints are not named by env steps.
    #[error("checkpoints: {0:?}, expected env steps with commas between, such as 6,7")]
    Checkpoints(String),
    /// Another step is due.
    #[error("got step {got}, expected step {expected}")]
    OutOfOrder {
        /// Step reported.
        got: u32,
        /// Step due.
        expected: u32,
    },
    /// A step that was taken before, with another body.
    #[error("step {0} was already reported with other content; only the very same report may be repeated")]
    Changed(u32),
    /// Nothing more is expected.
    #[error("the trajectory ended with step {0}; nothing more is expected")]
    Ended(u32),
    /// A name that the experiment does not have.
    #[error("unknown {kind} {name:?}, expected {expected}")]
    Unknown {
        /// `metric` or `hyperparameter`.
        kind: &'static str,
        /// Name reported.
        name: String,
        /// Names of the experiment.
        expected: String,
    },
    /// A metric was left out.
    #[error("metric {name:?} is missing, expected {expected}")]
    Missing {
        /// Its name.
        name: String,
        /// Names of all metrics.
        expected: String,
    },
    /// The trainer's own page does not have what was not reported.
    #[error("the trainer's page {url}: {problem}")]
    Page {
        /// Where it was looked for.
        url: String,
        /// What is wrong.
        problem: String,
    },
}

/// Reads a report. Besides JSON's numbers and `null` it takes the bare words that Python's `json` writes for numbers
/// that are not finite.
pub fn parse(body: &[u8]) -> Result<StepReport, Refusal> {
    let body = words_to_null(body);
    let mut json = serde_json::Deserializer::from_slice(&body);
    let report = serde_path_to_error::deserialize(&mut json).map_err(refusal)?;
    json.end().map_err(|error| Refusal::NotJson(error.to_string()))?;
    Ok(report)
}

fn refusal(error: serde_path_to_error::Error<serde_json::Error>) -> Refusal {
    let (field, problem) = (error.path().to_string(), error.inner().to_string());
    if error.inner().is_data() { Refusal::Shape { field, problem } } else { Refusal::NotJson(problem) }
}

/// Words for what is not finite; the longer one first.
const WORDS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];

/// Writes `null` for [`WORDS`] outside strings.
fn words_to_null(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let (mut rest, mut in_string) = (body, false);
    while let Some(&byte) = rest.first() {
        let word = WORDS.into_iter().find(|word| !in_string && rest.starts_with(word));
        let taken = match (word, byte) {
            (Some(word), _) => {
                out.extend_from_slice(b"null");
                rest = &rest[word.len()..];
                continue;
            }
            (None, b'\\') if in_string => rest.len().min(2),
            (None, _) => 1,
        };
        in_string ^= byte == b'"';
        out.extend_from_slice(&rest[..taken]);
        rest = &rest[taken..];
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_report_is_read() {
        let report = parse(br#"{"step": 7, "metrics": {"loss": 0.5}, "hyperparameters": {"lr": 1e-3}}"#).unwrap();
        assert_eq!((report.step, report.metrics["loss"], report.hyperparameters["lr"]), (7, Some(0.5), 1e-3));
    }

    #[test]
    fn pythons_words_for_what_is_not_finite_are_read_like_null() {
        let text = br#"{"step": 7, "metrics": {"a": NaN, "b": Infinity, "c": -Infinity, "d": null, "e": -1}}"#;
        let metrics = parse(text).unwrap().metrics;
        assert!(["a", "b", "c", "d"].iter().all(|name| metrics[*name].is_none()));
        assert_eq!(metrics["e"], Some(-1.0));
    }

    #[test]
    fn the_same_words_within_strings_stay() {
        let report = parse(br#"{"step": 7, "diverged": "loss is NaN \" or Infinity \\"}"#).unwrap();
        assert_eq!(report.diverged.unwrap(), "loss is NaN \" or Infinity \\");
    }

    #[test]
    fn a_metric_that_is_a_string_is_named_with_what_was_expected() {
        let refusal = parse(br#"{"step": 7, "metrics": {"loss": "0.5"}}"#).unwrap_err();
        let text = refusal.to_string();
        assert!(text.starts_with("metrics.loss: invalid type: string \"0.5\", expected f64"), "{text}");
        assert!(matches!(refusal, Refusal::Shape { .. }));
    }

    #[test]
    fn strange_fields_wrong_steps_and_missing_ones_are_refused_by_name() {
        for (body, expected) in [
            (r#"{"step": 1, "metric": {}}"#, "unknown field `metric`"),
            (r#"{"metrics": {}}"#, "missing field `step`"),
            (r#"{"step": -1}"#, "step: "),
            (r#"{"step": 1.5}"#, "step: "),
            (r#"{"step": 1, "hyperparameters": {"lr": NaN}}"#, "hyperparameters.lr: invalid type: null"),
            ("[]", "step"),
        ] {
            let refusal = parse(body.as_bytes()).unwrap_err();
            assert!(matches!(refusal, Refusal::Shape { .. }) && refusal.to_string().contains(expected), "{refusal}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for body in
            ["", "{", "step=7", r#"{"step": 7} {"step": 8}"#, r#"{"step": 7, "metrics": {"a": 1e999}}"#, "\u{0}"]
        {
            assert!(matches!(parse(body.as_bytes()), Err(Refusal::NotJson(_))), "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&body);
        }

        #[test]
        fn json_without_such_words_comes_through_unchanged(text in "[ -~]{0,60}") {
            prop_assume!(!["NaN", "Infinity"].iter().any(|word| text.contains(word)));
            let json = serde_json::to_vec(&text).unwrap();
            prop_assert_eq!(words_to_null(&json), json);
        }

        #[test]
        fn strings_come_through_whatever_they_hold(text in any::<String>(), word in "NaN|Infinity|-Infinity") {
            let json = serde_json::to_vec(&format!("{text}{word}{text}")).unwrap();
            prop_assert_eq!(words_to_null(&json), json);
        }
    }
}
