#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

/// Name, labels and value of a sample.
type Owned = (String, Vec<(String, String)>, String);

fn parse(page: &str, limits: &Limits) -> Result<Vec<Owned>, String> {
    let owned = |sample: Sample<'_>| {
        let labels = sample.labels.into_iter().map(|(name, value)| (name.to_owned(), value.into_owned())).collect();
        (sample.name.to_owned(), labels, sample.value.to_owned())
    };
    let samples = samples(page.as_bytes(), limits).map_err(|error| error.to_string())?;
    samples.map(|sample| sample.map(owned).map_err(|error| error.to_string())).collect()
}

#[track_caller]
fn check(line: &str, name: &str, labels: &[(&str, &str)], value: &str) {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let expected = (name.to_owned(), labels, value.to_owned());
    assert_eq!(parse(&format!("{line}\n"), &Limits::default()), Ok(vec![expected]));
}

#[track_caller]
fn refuse(line: &str, reason: Reason) {
    let error = parse(&format!("ok 1\n{line}\n"), &Limits::default());
    assert_eq!(error, Err(TextError::Line { line: 2, reason }.to_string()), "{line}");
}

#[test]
fn samples_of_all_forms_are_read() {
    check("a 1", "a", &[], "1");
    check("a:b_9{} 1.5e-3", "a:b_9", &[], "1.5e-3");
    check("  a \t 1  1700000000000 ", "a", &[], "1");
    check("a{b=\"c\"}1", "a", &[("b", "c")], "1");
    check("a { b = \"c\" , d=\"\", } -Inf", "a", &[("b", "c"), ("d", "")], "-Inf");
    check("a{b=\"x\\\\y\\\"z\\n},{\"} NaN", "a", &[("b", "x\\y\"z\n},{")], "NaN");
    check("a{b=\"grün\"} +Inf -5", "a", &[("b", "grün")], "+Inf");
}

#[test]
fn comments_and_blank_lines_are_passed_over() {
    assert_eq!(parse("", &Limits::default()), Ok(vec![]));
    assert_eq!(parse("\n \t\n# anything {\n#\n  # HELP\n", &Limits::default()), Ok(vec![]));
}

#[test]
fn malformed_lines_are_refused_with_their_number() {
    refuse("9a 1", Reason::Name);
    refuse("ä 1", Reason::Name);
    refuse("a{9=\"\"} 1", Reason::Name);
    refuse("a{b:c=\"\"} 1", Reason::Label);
    refuse("a{b} 1", Reason::Label);
    refuse("a{b=c} 1", Reason::Label);
    refuse("a{b=\"c} 1", Reason::Label);
    refuse("a{b=\"c\" d=\"\"} 1", Reason::Label);
    refuse("a{b=\"c\"", Reason::Label);
    refuse("a{", Reason::Name);
    refuse("a{b=\"\\t\"} 1", Reason::Escape);
    refuse("a{b=\"\\", Reason::Escape);
    refuse("a{b=\"1\",b=\"2\"} 1", Reason::Repeated);
    refuse("a", Reason::Number);
    refuse("a{} x", Reason::Number);
    refuse("a 1\r", Reason::Number);
    refuse("a 1 soon", Reason::Rest);
    refuse("a 1 2 3", Reason::Rest);
}

#[test]
fn text_that_is_not_utf_8_is_refused_with_its_line() {
    let limits = Limits::default();
    let errors: Vec<_> = samples(b"a 1\n\xff 1\n", &limits).unwrap().filter_map(Result::err).collect();
    assert_eq!(errors, [TextError::Line { line: 2, reason: Reason::Encoding }]);
}

#[test]
fn a_page_without_its_last_line_feed_is_refused() {
    assert_eq!(parse("a 1\nb 1", &Limits::default()), Err(TextError::Cut.to_string()));
}

#[test]
fn every_limit_holds_exactly() {
    let limits = Limits { bytes: 60, lines: 3, name: 4, labels: 2, label_value: 5 };
    let line = |line: &str| parse(&format!("{line}\n"), &limits).map(|samples| samples.len());
    let at = |reason| Err(TextError::Line { line: 1, reason }.to_string());
    assert_eq!(line("abcd 1"), Ok(1));
    assert_eq!(line("abcde 1"), at(Reason::LongName(4)));
    assert_eq!(line("a{abcde=\"\"} 1"), at(Reason::LongName(4)));
    assert_eq!(line("a{b=\"\",c=\"\"} 1"), Ok(1));
    assert_eq!(line("a{b=\"\",c=\"\",d=\"\"} 1"), at(Reason::Labels(2)));
    assert_eq!(line("a{b=\"12\\n45\"} 1"), Ok(1));
    assert_eq!(line("a{b=\"12\\n456\"} 1"), at(Reason::LongValue(5)));
    assert_eq!(parse("#\n#\n#\n", &limits).map(|samples| samples.len()), Ok(0));
    let error = TextError::Line { line: 4, reason: Reason::Lines(3) };
    assert_eq!(parse("#\n#\n#\n#\n", &limits), Err(error.to_string()));
    assert_eq!(parse(&format!("#{}\n", "x".repeat(58)), &limits), Ok(vec![]));
    let error = TextError::Bytes { found: 61, limit: 60 };
    assert_eq!(parse(&format!("#{}\n", "x".repeat(59)), &limits), Err(error.to_string()));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let limits = Limits::default();
        if let Ok(samples) = samples(&bytes, &limits) {
            prop_assert!(samples.count() <= bytes.len());
        }
    }

    #[test]
    fn arbitrary_lines_never_panic(page in "([a_]{1,2}|[{}\",=\\\\# \n1]|\\\\n){0,40}\n") {
        let limits = Limits::default();
        for sample in samples(page.as_bytes(), &limits).unwrap().flatten() {
            prop_assert!(sample.value.parse::<f64>().is_ok());
        }
    }
}
