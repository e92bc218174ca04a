//! Validation offline: what the apiserver would refuse is refused here, with the same words.

use std::cell::OnceCell;
use std::fmt;

use kube_cel::{CompiledSchema, Validator, apply_defaults, compile_schema};
use serde_json::Value;

use crate::{TuningExperiment, crd, schema};

/// A mistake of the user's: where, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The field, such as `spec.metrics[1].range`.
    pub path: String,
    /// What is wrong with its value, and what was expected.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

struct Rules {
    schema: Value,
    compiled: CompiledSchema,
    validator: Validator,
}

thread_local! {
    /// Compiling the rules takes far longer than evaluating them.
    static RULES: OnceCell<Rules> = const { OnceCell::new() };
}

/// Reads an experiment from YAML, checks it as the apiserver would, and fills in defaults.
///
/// # Errors
/// Everything that is wrong: one violation with line and column if it is no YAML, else one for each field.
pub fn validate(yaml: &str) -> Result<TuningExperiment, Vec<Violation>> {
    let value = serde_saphyr::from_str(yaml).map_err(|error| {
        // What follows the first line is a picture of the place.
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        vec![at("", first.strip_prefix("error: ").unwrap_or(first))]
    })?;
    check(value, None)
}

/// What the apiserver would refuse about an experiment that is already typed.
pub fn violations(experiment: &TuningExperiment) -> Vec<Violation> {
    check(plain(experiment), None).err().unwrap_or_default()
}

/// Checks that `new` may take the place of `old`.
///
/// # Errors
/// The fields that can't be changed, by path, and whatever else is wrong with `new`.
pub fn check_update(old: &TuningExperiment, new: &TuningExperiment) -> Result<(), Vec<Violation>> {
    check(plain(new), Some(plain(old))).map(drop)
}

fn plain(experiment: &TuningExperiment) -> Value {
    serde_json::to_value(experiment).expect("plain data always serialises")
}

fn at(path: &str, message: impl Into<String>) -> Violation {
    Violation { path: path.to_owned(), message: message.into() }
}

fn check(value: Value, old: Option<Value>) -> Result<TuningExperiment, Vec<Violation>> {
    RULES.with(|cell| {
        let rules = cell.get_or_init(|| {
            let schema = crd::schema();
            Rules { compiled: compile_schema(&schema), schema, validator: Validator::new() }
        });
        rules.check(value, old)
    })
}

impl Rules {
    fn check(&self, value: Value, old: Option<Value>) -> Result<TuningExperiment, Vec<Violation>> {
        let value = self.prepare(value);
        let mut violations = kind_of(&value);
        schema::check(&self.schema, &value, "", &mut violations);
        if violations.is_empty() {
            violations = self.evaluate(&value, old.map(|old| self.prepare(old)));
        }
        if !violations.is_empty() {
            violations.sort();
            return Err(violations);
        }
        serde_json::from_value(value).map_err(|error| vec![at("", error.to_string())])
    }

    fn prepare(&self, mut value: Value) -> Value {
        schema::normalise(&self.schema, &mut value);
        let mut value = apply_defaults(&self.schema, &value);
        // Defaults may have fractions too.
        schema::normalise(&self.schema, &mut value);
        value
    }

    fn evaluate(&self, value: &Value, old: Option<Value>) -> Vec<Violation> {
        let refused = self.validator.validate_compiled(&self.compiled, value, old.as_ref()).err();
        let errors = refused.into_iter().flat_map(kube_cel::ValidationErrors::into_vec);
        errors
            .map(|error| match &old {
                Some(old) if error.rule.contains("oldSelf") => {
                    at(&narrowed(error.field_path, old, value), error.message)
                }
                _ => at(&error.field_path, error.message),
            })
            .collect()
    }
}

/// What makes an object a `TuningExperiment`, and gives it a name: checked by the apiserver outside the schema.
fn kind_of(value: &Value) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (field, expected) in [("apiVersion", "trainpilot.dev/v1alpha1"), ("kind", "TuningExperiment")] {
        match &value[field] {
            Value::Null => violations.push(at(field, format!("Required value: expected {expected:?}"))),
            found if found != expected => {
                violations.push(at(field, format!("Unsupported value: {found}: supported values: {expected:?}")));
            }
            _ => {}
        }
    }
    if !value["metadata"]["name"].is_string() {
        violations.push(at("metadata.name", "Required value"));
    }
    violations
}

/// The deepest field below `path` that holds all that differs.
fn narrowed(mut path: String, old: &Value, new: &Value) -> String {
    let within = |value: &Value| value.pointer(&format!("/{}", path.replace('.', "/"))).cloned().unwrap_or_default();
    let (mut old, mut new) = (within(old), within(new));
    loop {
        let steps: Vec<(String, Value, Value)> = match (&old, &new) {
            (Value::Object(a), Value::Object(b)) => {
                let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
                names.sort();
                names.dedup();
                names.into_iter().map(|name| (format!(".{name}"), old[name].clone(), new[name].clone())).collect()
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                (0..a.len()).map(|place| (format!("[{place}]"), old[place].clone(), new[place].clone())).collect()
            }
            _ => return path,
        };
        let mut changed = steps.into_iter().filter(|(_, old, new)| old != new);
        let (Some((step, a, b)), None) = (changed.next(), changed.next()) else { return path };
        path.push_str(&step);
        (old, new) = (a, b);
    }
}
