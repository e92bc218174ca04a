//! Which sample of a page is meant, written as one: `name{label="value",…}`.

use std::borrow::Cow;
use std::fmt;

use super::text::{Limits, Reason, Rest, Sample};

/// A name, and labels that a sample must have; it may have others too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    name: String,
    labels: Vec<(String, String)>,
}

impl Selector {
    /// Reads one.
    ///
    /// # Errors
    /// What was expected where it is none.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let limits = Limits::default();
        let mut rest = Rest(text.trim());
        let name = rest.name(":", &limits)?.to_owned();
        let owned = |(name, value): (&str, Cow<'_, str>)| (name.to_owned(), value.into_owned());
        let labels = rest.labels(&limits)?.into_iter().map(owned).collect();
        if rest.0.is_empty() { Ok(Self { name, labels }) } else { Err(Reason::Label) }
    }

    /// Name of the family.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it means this sample.
    pub fn matches(&self, sample: &Sample<'_>) -> bool {
        let has = |(name, value): &(String, String)| sample.labels.iter().any(|(n, v)| n == name && v == value);
        sample.name == self.name && self.labels.iter().all(has)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.name, self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

impl fmt::Display for Sample<'_> {
    /// Name and labels, as a [`Selector`] that means it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.name, self.labels.iter().map(|(name, value)| (*name, value.as_ref())))
    }
}

fn write<'t>(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    labels: impl ExactSizeIterator<Item = (&'t str, &'t str)>,
) -> fmt::Result {
    f.write_str(name)?;
    let end = if labels.len() == 0 { "" } else { "}" };
    for (place, (name, value)) in labels.enumerate() {
        write!(f, "{}{name}={value:?}", if place == 0 { '{' } else { ',' })?;
    }
    f.write_str(end)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::text::samples;
    use super::*;

    fn matches(selector: &str, line: &str) -> bool {
        let (page, limits) = (format!("{line}\n"), Limits::default());
        let sample = samples(page.as_bytes(), &limits).unwrap().next().unwrap().unwrap();
        Selector::parse(selector).unwrap().matches(&sample)
    }

    #[test]
    fn a_sample_is_meant_by_its_name_and_some_of_its_labels() {
        let line = r#"eval_loss{split="valid",run="a\"b"} 0.5 1700000000"#;
        for selector in [
            "eval_loss",
            r#"eval_loss{split="valid"}"#,
            r#" eval_loss { run = "a\"b", split="valid", } "#,
            "eval_loss{}",
        ] {
            assert!(matches(selector, line), "{selector}");
        }
        for selector in ["eval", "eval_loss_2", r#"eval_loss{split="train"}"#, r#"eval_loss{fold="1"}"#] {
            assert!(!matches(selector, line), "{selector}");
        }
        assert!(matches("eval_loss", "eval_loss 1"));
    }

    #[test]
    fn what_is_none_is_refused() {
        for (text, reason) in [
            ("", Reason::Name),
            ("1loss", Reason::Name),
            ("loss{", Reason::Name),
            ("loss{a=b}", Reason::Label),
            (r#"loss{a="b""#, Reason::Label),
            (r#"loss{a="b",a="c"}"#, Reason::Repeated),
            ("loss 3", Reason::Label),
            ("rate(loss[5m])", Reason::Label),
        ] {
            assert_eq!(Selector::parse(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn a_sample_is_shown_as_what_means_it() {
        let page = b"loss{split=\"a\\\"b\",run=\"1\"} 2\nloss 3\n";
        let limits = Limits::default();
        for sample in samples(page, &limits).unwrap() {
            let sample = sample.unwrap();
            let selector = Selector::parse(&sample.to_string()).unwrap();
            assert!(selector.matches(&sample), "{sample}");
            assert_eq!(selector.to_string(), sample.to_string());
        }
    }
}
