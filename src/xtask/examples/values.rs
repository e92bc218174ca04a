//! Prints the README of the chart: what can be set, from the comments of its `values.yaml`. Run by `cargo xtask generate`.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

const HEAD: &str = "<!-- Generated from values.yaml by `cargo xtask generate`; do not edit. -->
# The chart trainpilot

```sh
helm install trainpilot charts/trainpilot --namespace trainpilot --create-namespace
helm test trainpilot --namespace trainpilot       # a small experiment, from beginning to end
helm upgrade trainpilot charts/trainpilot --namespace trainpilot --set log.level=debug   # disturbs no training
helm uninstall trainpilot --namespace trainpilot  # definitions and experiments stay
```

Alerts, each with a runbook, are in [`files/alerts.yaml`](files/alerts.yaml). A value that is not here, or is of another type, is refused.

| value | default | what it says |
|---|---|---|
";

fn main() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/trainpilot/values.yaml");
    print!("{HEAD}{}", rows(&fs::read_to_string(path).unwrap()));
}

/// A row for each value. What is said of a group stands at the first of its values.
fn rows(values: &str) -> String {
    let mut rows = String::new();
    // Keys of the groups that a line is in, and what was said since the last value.
    let (mut above, mut said) = (Vec::new(), Vec::new());
    for line in values.lines() {
        let text = line.trim_start();
        if let Some(comment) = text.strip_prefix("# ") {
            said.push(comment);
            continue;
        }
        let Some((key, default)) = text.split_once(':') else {
            said.clear();
            continue;
        };
        above.truncate((line.len() - text.len()) / 2);
        above.push(key);
        if !default.is_empty() {
            assert!(!said.is_empty(), "{line}: nothing says what it is for");
            rows += &format!("| `{}` | `{}` | {} |\n", above.join("."), default.trim(), said.join(" "));
            said.clear();
        }
    }
    rows
}
