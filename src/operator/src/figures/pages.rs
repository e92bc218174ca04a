//! What learners show of themselves, handed on: their own pages are behind the experiment's certificates, so Prometheus asks us.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

/// Which learner: namespace, experiment, repetition, role.
pub(super) type LearnerKey = [String; 4];

/// How figures of learners begin.
const PREFIXES: [&str; 2] = ["trainpilot_learner_", "trainpilot_world_model_"];
/// Labels that say whose a value is.
const OURS: [&str; 3] = ["namespace", "experiment", "repetition"];
/// Values of one page that are handed on.
const MOST_VALUES: usize = 5000;

/// A value, without the name before it.
struct Value {
    name: String,
    /// Between the braces.
    labels: String,
    value: String,
}

/// The newest page of each learner.
#[derive(Default)]
pub(super) struct Pages(Mutex<BTreeMap<LearnerKey, Page>>);

struct Page {
    helps: BTreeMap<String, String>,
    values: Vec<Value>,
}

impl Pages {
    /// Takes a learner's page in place of the one before; without one it is not shown any more.
    pub fn put(&self, key: LearnerKey, text: Option<&str>) {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match text {
            Some(text) => drop(pages.insert(key, read(text))),
            None => drop(pages.remove(&key)),
        }
    }

    /// Forgets all learners of an experiment.
    pub fn forget(&self, namespace: &str, experiment: &str) {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pages.retain(|[n, e, ..], _| (n.as_str(), e.as_str()) != (namespace, experiment));
    }

    /// All pages as one: the values of a figure stand together, and say whose they are.
    pub fn text(&self) -> String {
        let pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut figures: BTreeMap<&str, (&str, String)> = BTreeMap::new();
        for ([namespace, experiment, repetition, _], page) in pages.iter() {
            for Value { name, labels, value } in &page.values {
                let help = page.helps.get(name).map_or("", String::as_str);
                let (_, lines) = figures.entry(name).or_insert_with(|| (help, String::new()));
                let comma = if labels.is_empty() { "" } else { "," };
                let whose = format!(
                    r#"namespace="{namespace}",experiment="{experiment}",repetition="{repetition}"{comma}{labels}"#
                );
                let _ = writeln!(lines, "{name}{{{whose}}} {value}");
            }
        }
        let mut text = String::new();
        for (name, (help, lines)) in figures {
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{lines}");
        }
        text
    }
}

/// Reads what can be read of a page. What is no figure of a learner, or no number, is left out.
fn read(text: &str) -> Page {
    let mut helps = BTreeMap::new();
    let mut values = Vec::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            helps.insert(name.to_owned(), help.to_owned());
        } else if let Some(value) = read_value(line).filter(|_| values.len() < MOST_VALUES) {
            values.push(value);
        }
    }
    Page { helps, values }
}

fn read_value(line: &str) -> Option<Value> {
    let (head, value) = line.rsplit_once(' ')?;
    value.parse::<f64>().ok()?;
    let (name, labels) = match head.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}')?),
        None => (head, ""),
    };
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let ours = is_name && PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && are_labels(labels);
    ours.then(|| Value { name: name.to_owned(), labels: labels.to_owned(), value: value.to_owned() })
}

/// Whether it is `name="value",…`, none of them a label of ours: one line that can't be read costs Prometheus the whole page.
fn are_labels(mut rest: &str) -> bool {
    while let Some((name, after)) = rest.split_once("=\"") {
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let mut escaped = false;
        let end = after.find(|letter| {
            let ends = letter == '"' && !escaped;
            escaped = letter == '\\' && !escaped;
            ends
        });
        let Some(end) = end.filter(|_| is_name && !OURS.contains(&name)) else { return false };
        rest = &after[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) if !more.is_empty() => rest = more,
            Some(_) => return false,
            None => break,
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_figure_stand_together_and_say_whose_they_are() {
        let pages = Pages::default();
        let key = |experiment: &str| ["space", experiment, "0", "policy-learner"].map(str::to_owned);
        let page = "# HELP trainpilot_learner_kl Divergence.\n# TYPE trainpilot_learner_kl gauge\ntrainpilot_learner_kl 0.5\n\
                    trainpilot_learner_course_metric{metric=\"a}b\",quantile=\"0.5\"} 2\n\
                    up 1\ntrainpilot_learner_x{ 3\ntrainpilot_learner_y{a=\"b\"} none\n";
        pages.put(key("one"), Some(page));
        pages.put(key("two"), Some(page));
        let expected = r#"# HELP trainpilot_learner_course_metric 
# TYPE trainpilot_learner_course_metric gauge
trainpilot_learner_course_metric{namespace="space",experiment="one",repetition="0",metric="a}b",quantile="0.5"} 2
trainpilot_learner_course_metric{namespace="space",experiment="two",repetition="0",metric="a}b",quantile="0.5"} 2
# HELP trainpilot_learner_kl Divergence.
# TYPE trainpilot_learner_kl gauge
trainpilot_learner_kl{namespace="space",experiment="one",repetition="0"} 0.5
trainpilot_learner_kl{namespace="space",experiment="two",repetition="0"} 0.5
"#;
        assert_eq!(pages.text(), expected);
        pages.put(key("two"), None);
        pages.forget("space", "one");
        assert_eq!(pages.text(), "");
    }
    #[test]
    fn only_labels_that_prometheus_can_read_are_handed_on() {
        for good in ["", r#"a="b""#, r#"metric="a}b",env_step="3""#, r#"a="with \" and \\""#, r#"a="""#] {
            assert!(are_labels(good), "{good}");
        }
        for bad in
            [",", "a", r#"a="b"#, r#"a="b","#, r#"="b""#, r#"a="b"c="d""#, r#"namespace="kube-system""#, r#"a="\""#]
        {
            assert!(!are_labels(bad), "{bad}");
        }
    }
}
