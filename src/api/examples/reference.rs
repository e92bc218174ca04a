//! Prints the reference of both kinds, `docs/reference.md`, from the definitions in `crds/`. Run by `cargo xtask generate`.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use api::{TuningExperiment, TuningPolicy};
use kube::CustomResourceExt;
use serde_json::Value;

/// Fields that are Kubernetes' own, which describes them better.
const NOT_OURS: [&str; 4] = ["template", "resources", "tolerations", "conditions"];

/// Sections, each an object with its fields.
#[derive(Default)]
struct Reference {
    text: String,
    /// Where fields were described already.
    described: HashMap<String, String>,
}

impl Reference {
    /// The section of the object at `path`, and those of the objects in it.
    fn object(&mut self, path: &str, schema: &Value) {
        let fields = schema["properties"].as_object().unwrap();
        self.text +=
            &format!("\n### `{path}`\n\n{}\n\n| field | type | what it says |\n|---|---|---|\n", words(schema));
        let mut inner = Vec::new();
        for (name, field) in fields {
            let below = format!("{path}.{name}");
            let object = object_in(field).filter(|_| !NOT_OURS.contains(&name.as_str()));
            let mut said = words(field);
            if let Some((suffix, object)) = object {
                let known = self.described.get(&object["properties"].to_string()).cloned();
                let place = known.clone().unwrap_or_else(|| below.clone() + suffix);
                said += &format!(" See [`{place}`](#{}).", anchor(&place));
                if known.is_none() {
                    self.described.insert(object["properties"].to_string(), place.clone());
                    inner.push((place, object.clone()));
                }
            }
            let required = schema["required"].as_array().is_some_and(|all| all.contains(&Value::from(name.as_str())));
            let required = if required { ", required" } else { "" };
            self.text += &format!("| `{name}` | {}{required} | {said} |\n", kind(field));
        }
        for (place, object) in inner {
            self.object(&place, &object);
        }
    }
}

/// The object with fields that a field holds, and how its path goes on.
fn object_in(field: &Value) -> Option<(&'static str, &Value)> {
    let candidates = [("", field), ("[]", &field["items"]), (".*", &field["additionalProperties"])];
    candidates.into_iter().find(|(_, schema)| schema["properties"].is_object())
}

/// Its type, with what it is bounded by.
fn kind(field: &Value) -> String {
    if let Some(words) = field["enum"].as_array() {
        return words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    if field["x-kubernetes-int-or-string"] == true {
        return "quantity".to_owned();
    }
    let bound = |name: &str, sign: &str| field[name].as_f64().map(|bound| format!("{sign} {bound}"));
    let least = if field["exclusiveMinimum"] == true { ">" } else { "≥" };
    let bounds: Vec<String> = [bound("minimum", least), bound("maximum", "≤")].into_iter().flatten().collect();
    let word = match field["type"].as_str() {
        Some("array") => format!("list of {}", kind(&field["items"])),
        Some("object") if field["additionalProperties"].is_object() => {
            format!("map to {}", kind(&field["additionalProperties"]))
        }
        other => other.unwrap_or("anything").to_owned(),
    };
    [vec![word], bounds].concat().join(" ")
}

/// What is said of it, in one line that a table can hold.
fn words(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// Where a heading is linked to.
fn anchor(place: &str) -> String {
    place.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase()
}

fn main() {
    println!("<!-- Generated from src/api by `cargo xtask generate`; do not edit. -->\n# Reference");
    println!(
        "\n`kubectl explain tx.spec` and `kubectl explain tp.spec` say the same. Fields that are Kubernetes' own are described by Kubernetes."
    );
    for definition in [TuningExperiment::crd(), TuningPolicy::crd()] {
        let kind = definition.spec.names.kind.clone();
        let definition = serde_json::to_value(definition).unwrap();
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let mut reference = Reference::default();
        for part in ["spec", "status"].into_iter().filter(|part| schema["properties"][*part]["properties"].is_object())
        {
            reference.object(part, &schema["properties"][part]);
        }
        println!("\n## {kind}\n\n{}\n{}", words(schema), reference.text.trim_end());
    }
}
