//! The definitions that the apiserver is given: what is derived from the types, tidied up.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::{TuningExperiment, TuningPolicy};

/// The definition of `TuningExperiment`.
pub fn crd() -> CustomResourceDefinition {
    tidied(&TuningExperiment::crd())
}

/// The definition of `TuningExperiment` as committed in `crds/`, byte for byte.
pub fn crd_yaml() -> String {
    yaml(&crd())
}

/// The definition of `TuningPolicy` as committed in `crds/`, byte for byte.
pub fn policy_crd_yaml() -> String {
    yaml(&tidied(&TuningPolicy::crd()))
}

fn yaml(definition: &CustomResourceDefinition) -> String {
    let text = serde_saphyr::to_string(&plain(definition)).expect("plain data always serialises");
    format!("# Generated from src/api by `cargo xtask generate`; do not edit.\n{text}")
}

fn tidied(definition: &CustomResourceDefinition) -> CustomResourceDefinition {
    let mut definition = plain(definition);
    let schema = definition.pointer_mut("/spec/versions/0/schema/openAPIV3Schema");
    tidy(schema.expect("a derived definition has a schema"));
    serde_json::from_value(definition).expect("tidying keeps a definition a definition")
}

/// The schema that objects are held to, with the fields that every object has.
pub(crate) fn schema() -> Value {
    let definition = plain(&crd());
    let mut schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    for (name, kind) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
        schema["properties"][name] = json!({"type": kind, "x-kubernetes-preserve-unknown-fields": true});
    }
    schema
}

fn plain(definition: &CustomResourceDefinition) -> Value {
    serde_json::to_value(definition).expect("plain data always serialises")
}

/// Takes out what the apiserver would warn about or take in a way that users would not expect: Rust's number formats,
/// `null` for fields that are left out, and line breaks within paragraphs.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
                fields.remove("format");
            }
            if fields.get("nullable") == Some(&Value::Bool(true)) {
                fields.remove("nullable");
            }
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = unwrapped(text);
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn unwrapped(text: &str) -> String {
    let paragraphs: Vec<String> = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
    paragraphs.join("\n\n")
}
