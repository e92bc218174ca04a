//! The chart's alerts: about figures that there are, with a runbook and cases each. `cargo xtask check` has promtool run the cases.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use operator::figures::Figures;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(root().join(path)).unwrap()).unwrap()
}

fn alerts() -> Vec<Value> {
    let groups = yaml("charts/trainpilot/files/alerts.yaml")["groups"].as_array().unwrap().clone();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// Names of figures in an expression.
fn figures_in(expression: &str) -> BTreeSet<&str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("trainpilot_")).collect()
}

#[test]
fn alerts_are_about_figures_that_there_are() {
    let described = Figures::new().unwrap().described();
    let dashboards = std::fs::read_to_string(root().join("charts/trainpilot/dashboards.yaml")).unwrap();
    for alert in alerts() {
        let used = figures_in(alert["expr"].as_str().unwrap());
        assert!(!used.is_empty(), "{alert}");
        for name in used {
            // What learners show is proved by a real run: the cluster suite asks for every panel.
            let of_learner =
                ["trainpilot_learner_", "trainpilot_world_model_"].iter().any(|prefix| name.starts_with(prefix));
            let drawn = of_learner && figures_in(&dashboards).contains(name);
            let known = drawn || described.iter().any(|figure| name == figure.name);
            assert!(known, "{}: there is no {name}", alert["alert"]);
        }
    }
}

#[test]
fn each_alert_has_a_runbook_and_cases_in_which_it_fires_and_does_not() {
    let cases = yaml("charts/trainpilot/tests/alerts.yaml");
    let cases = cases["tests"].as_array().unwrap().iter().flat_map(|test| test["alert_rule_test"].as_array().unwrap());
    let fires = |case: &Value| (case["alertname"].clone(), !case["exp_alerts"].as_array().unwrap().is_empty());
    let cases: Vec<(Value, bool)> = cases.map(fires).collect();
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        for fires in [true, false] {
            assert!(cases.contains(&(name.into(), fires)), "{name}: no case in which it fires: {fires}");
        }
        let runbook = format!("docs/runbooks/{name}.md");
        assert!(alert["annotations"]["runbook_url"].as_str().unwrap().ends_with(&runbook), "{name}");
        let text = std::fs::read_to_string(root().join(&runbook)).unwrap();
        assert!(text.starts_with(&format!("# {name}\n")), "{runbook}");
    }
    let runbooks = std::fs::read_dir(root().join("docs/runbooks")).unwrap().count();
    assert_eq!(runbooks, alerts().len(), "a runbook of no alert");
}
