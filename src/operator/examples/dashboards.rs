//! Prints a dashboard for Grafana, of `charts/trainpilot/dashboards.yaml`: see `cargo xtask generate`.
#![allow(clippy::unwrap_used)]

use serde::Deserialize;
use serde_json::{Value, json};

/// How Grafana names the column of env steps once each quantile has one.
const STEPS: &str = "env_step\\quantile";
/// Dashboards are this wide.
const WIDTH: u32 = 24;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dashboard {
    name: String,
    title: String,
    description: String,
    variables: Vec<String>,
    panels: Vec<Panel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Panel {
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    kind: Kind,
    width: u32,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    stacked: bool,
    /// A variable; the panel is there once for each of its values that are chosen.
    #[serde(default)]
    repeat: Option<String>,
    queries: Vec<Query>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Timeseries,
    Stat,
    Table,
    /// Over env steps instead of time, by quantile.
    Course,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Query {
    expr: String,
    legend: String,
    /// Nothing is to be seen while all goes well; for tests.
    #[serde(default, rename = "mayBeEmpty")]
    _may_be_empty: bool,
}

fn main() {
    let wanted = std::env::args().nth(1).unwrap();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/trainpilot/dashboards.yaml");
    let all: Vec<Dashboard> = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let dashboard = all.iter().find(|dashboard| dashboard.name == wanted).unwrap();
    println!("{}", serde_json::to_string_pretty(&grafana(dashboard)).unwrap());
}

fn grafana(dashboard: &Dashboard) -> Value {
    let (mut x, mut y, mut below) = (0, 0, 0);
    let mut panels = Vec::new();
    for (id, panel) in dashboard.panels.iter().enumerate() {
        if x + panel.width > WIDTH {
            (x, y) = (0, below);
        }
        let height = if matches!(panel.kind, Kind::Stat) { 4 } else { 8 };
        let mut object = drawn(panel);
        object["id"] = json!(id + 1);
        object["gridPos"] = json!({"x": x, "y": y, "w": panel.width, "h": height});
        panels.push(object);
        x += panel.width;
        below = below.max(y + height);
    }
    let source = json!({
        "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0, "multi": false,
        "includeAll": false, "options": [], "refresh": 1, "regex": "",
    });
    let chosen =
        dashboard.variables.iter().enumerate().map(|(place, name)| variable(name, &dashboard.variables[..place]));
    json!({
        "uid": format!("trainpilot-{}", dashboard.name), "title": dashboard.title, "description": dashboard.description,
        "tags": ["trainpilot"], "editable": true, "graphTooltip": 1, "schemaVersion": 39, "version": 1, "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"}, "timezone": "browser", "annotations": {"list": []}, "links": [],
        "templating": {"list": std::iter::once(source).chain(chosen).collect::<Vec<_>>()}, "panels": panels,
    })
}

/// A label to choose values of, among those that the labels before it leave. Baselines are other experiments: none at first.
fn variable(name: &str, before: &[String]) -> Value {
    let (figure, label, before) = match name {
        "baseline" => ("trainpilot_experiment_phase".to_owned(), "experiment", &before[..1]),
        "hyperparameter" | "metric" => (format!("trainpilot_learner_course_{name}"), name, &before[..3]),
        _ => ("trainpilot_experiment_phase".to_owned(), name, before),
    };
    let matchers: Vec<String> = before.iter().map(|label| format!("{label}=~\"${label}\"")).collect();
    let query = format!("label_values({figure}{{{}}}, {label})", matchers.join(","));
    let all = name != "baseline";
    json!({
        "name": name, "label": name, "type": "query", "datasource": datasource(), "definition": query,
        "query": {"query": query, "refId": "values"}, "includeAll": all, "allValue": ".*", "multi": true,
        "current": if all { json!({"text": "All", "value": "$__all"}) } else { json!({"text": "", "value": ""}) },
        "refresh": 2, "sort": 1, "hide": 0, "options": [], "regex": "",
    })
}

fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

fn drawn(panel: &Panel) -> Value {
    let legend = json!({"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []});
    let mut curves = json!({"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}});
    let (kind, options) = match panel.kind {
        Kind::Timeseries => ("timeseries", curves),
        Kind::Stat => (
            "stat",
            json!({
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false}, "textMode": "value_and_name",
                "graphMode": "none", "colorMode": "value", "justifyMode": "auto", "orientation": "auto", "wideLayout": true,
                "showPercentChange": false, "percentChangeColorMode": "standard",
            }),
        ),
        Kind::Table => ("table", json!({"showHeader": true, "frameIndex": 0})),
        Kind::Course => {
            curves["xField"] = json!(STEPS);
            ("trend", curves)
        }
    };
    let table = matches!(panel.kind, Kind::Table | Kind::Course);
    let target = |(place, query): (usize, &Query)| {
        json!({
            "refId": char::from(b'A' + place as u8).to_string(), "datasource": datasource(), "expr": query.expr,
            "legendFormat": query.legend, "instant": table, "range": !table, "format": if table { "table" } else { "time_series" },
        })
    };
    let drawing = match panel.kind {
        Kind::Stat => json!({}),
        Kind::Table => json!({"align": "auto", "inspect": false}),
        Kind::Timeseries | Kind::Course => json!({
            "lineWidth": 2, "fillOpacity": if panel.stacked { 30 } else { 0 }, "showPoints": "never",
            "stacking": {"mode": if panel.stacked { "normal" } else { "none" }, "group": "A"},
        }),
    };
    let mut object = json!({
        "type": kind, "title": panel.title, "description": panel.description, "datasource": datasource(), "options": options,
        "targets": panel.queries.iter().enumerate().map(target).collect::<Vec<_>>(),
        "fieldConfig": {"defaults": {"unit": panel.unit.as_deref().unwrap_or("short"), "custom": drawing}, "overrides": []},
    });
    if matches!(panel.kind, Kind::Course) {
        // The answer has a row for each env step and quantile, and words for numbers.
        object["transformations"] = json!([
            {"id": "groupingToMatrix", "options": {"rowField": "env_step", "columnField": "quantile", "valueField": "Value"}},
            {"id": "convertFieldType", "options": {"fields": {}, "conversions": [{"targetField": STEPS, "destinationType": "number"}]}},
            {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": STEPS}]}},
        ]);
    }
    if let Some(variable) = &panel.repeat {
        (object["repeat"], object["repeatDirection"], object["maxPerRow"]) = (json!(variable), json!("h"), json!(2));
    }
    object
}
