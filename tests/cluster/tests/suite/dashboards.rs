//! The chart's dashboards, asked of a real Prometheus that has seen a real run.

use cluster::experiments::{long, simple, slow};
use cluster::prometheus::Prometheus;
use cluster::{Space, operators};
use serde_json::Value;

/// A panel's expression, and whether nothing is to be seen of it while all goes well.
struct Asked {
    panel: String,
    expression: String,
    may_be_empty: bool,
}

fn all() -> Vec<Asked> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/trainpilot/dashboards.yaml");
    let dashboards: Value = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut asked = Vec::new();
    for dashboard in dashboards.as_array().unwrap() {
        for panel in dashboard["panels"].as_array().unwrap() {
            for query in panel["queries"].as_array().unwrap() {
                asked.push(Asked {
                    panel: format!("{}: {}", dashboard["name"], panel["title"]),
                    expression: chosen(query["expr"].as_str().unwrap()),
                    may_be_empty: query["mayBeEmpty"] == true,
                });
            }
        }
    }
    asked
}

/// An expression as Grafana asks it, with what the test has chosen.
fn chosen(expression: &str) -> String {
    let all = ["$experiment", "$repetition", "$baseline", "$hyperparameter", "$metric"].map(|name| (name, ".*"));
    let values = [("$namespace", "panels"), ("$__rate_interval", "1m")].into_iter().chain(all);
    values.fold(expression.to_owned(), |text, (name, value)| text.replace(name, value))
}

#[tokio::test]
async fn every_panel_shows_something_of_a_real_run() {
    let space = Space::new("panels").await;
    let prometheus = Prometheus::of_pods(operators::NAMESPACE, &operators::names().await);
    space.start(&long(&slow(500), "by-ppo")).await;
    space.start(&long(&simple(), "by-simple")).await;
    let asked = all();
    assert!(asked.len() > 60, "{}", asked.len());
    for Asked { panel, expression, may_be_empty } in asked {
        assert!(!expression.contains('$'), "{panel}: {expression}");
        space
            .until(&format!("{panel} shows something: {expression}"), 120, async || {
                prometheus.series(&expression).is_ok_and(|series| series > 0 || may_be_empty)
            })
            .await;
    }
    if let Some(folder) = std::env::var_os("TRAINPILOT_PICTURES") {
        draw(&prometheus, std::path::Path::new(&folder)).await;
    }
    assert_eq!(prometheus.series("sum(trainpilot_operator_leading) == 1"), Ok(1), "one operator leads");
    assert_eq!(prometheus.series("count(trainpilot_operator_leading) == 2"), Ok(1), "of two");
}

/// Pictures of the dashboards, of what some minutes gave: for the README, when somebody asks for them.
async fn draw(prometheus: &Prometheus, folder: &std::path::Path) {
    tokio::time::sleep(std::time::Duration::from_secs(240)).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/dashboards/draw.py");
    let mut python = std::process::Command::new("python3");
    python
        .args([script, "--minutes", "5", "--experiment", "by-ppo|by-simple", "--prometheus", &prometheus.url()])
        .arg("--out")
        .arg(folder);
    assert!(python.status().unwrap().success(), "{python:?}");
}
