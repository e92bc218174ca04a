//! What the apiserver checks before it evaluates any rule: a structural schema's types, bounds and field names.
//!
//! Words follow the apiserver's, without its echo of the path. Only those keywords are known that the definition of
//! `TuningExperiment` has; a test fails when it gets another one.

use serde_json::{Map, Value};

use crate::Violation;

/// Keywords that [`check`] or CEL act on, or that say nothing about validity.
#[cfg(test)]
pub(crate) const KEYWORDS: [&str; 24] = [
    "additionalProperties",
    "default",
    "description",
    "enum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "properties",
    "required",
    "title",
    "type",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];

/// Writes whole numbers without a fraction, as the way through JSON to an apiserver does, and drops nulls that stand for
/// a default.
pub(crate) fn normalise(schema: &Value, value: &mut Value) {
    match value {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|x| number.is_f64() && x.fract() == 0.0 && x.abs() < 9.0e15);
            if let Some(whole) = whole {
                *value = Value::from(whole as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| normalise(&schema["items"], item)),
        Value::Object(fields) => {
            fields.retain(|name, value| !value.is_null() || schema["properties"][name].get("default").is_none());
            fields
                .iter_mut()
                .for_each(|(name, value)| normalise(of_field(schema, name).unwrap_or(&Value::Null), value));
        }
        _ => {}
    }
}

/// Adds everything that is wrong with `value`, which stands at `path`, to `violations`.
pub(crate) fn check(schema: &Value, value: &Value, path: &str, violations: &mut Vec<Violation>) {
    let mut wrong = |message: String| violations.push(Violation { path: path.to_owned(), message });
    if !has_type(schema, value) {
        let expected = schema["type"].as_str().unwrap_or("integer or string");
        return wrong(format!("Invalid value: {value}: must be of type {expected}"));
    }
    match value {
        Value::String(text) => check_string(schema, text, &mut wrong),
        Value::Number(_) => check_number(schema, value, &mut wrong),
        Value::Array(items) => {
            check_count(schema, items.len(), ["minItems", "maxItems"], "items", &mut wrong);
            for (place, item) in items.iter().enumerate() {
                check(&schema["items"], item, &format!("{path}[{place}]"), violations);
            }
        }
        Value::Object(fields) => check_object(schema, fields, path, violations),
        _ => {}
    }
}

fn has_type(schema: &Value, value: &Value) -> bool {
    if schema["x-kubernetes-int-or-string"] == Value::Bool(true) {
        return value.is_i64() || value.is_u64() || value.is_string();
    }
    match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        _ => true,
    }
}

fn check_string(schema: &Value, text: &str, wrong: &mut impl FnMut(String)) {
    if let Some(known) = schema["enum"].as_array().filter(|known| !known.iter().any(|word| word == text)) {
        let known: Vec<String> = known.iter().map(Value::to_string).collect();
        wrong(format!("Unsupported value: {text:?}: supported values: {}", known.join(", ")));
    }
    check_count(schema, text.chars().count(), ["minLength", "maxLength"], "chars", wrong);
}

fn check_number(schema: &Value, value: &Value, wrong: &mut impl FnMut(String)) {
    let Some(x) = value.as_f64() else { return };
    if let Some(minimum) = schema["minimum"].as_f64() {
        let exclusive = schema["exclusiveMinimum"] == Value::Bool(true);
        if exclusive && x <= minimum {
            wrong(format!("Invalid value: {x}: should be greater than {minimum}"));
        } else if x < minimum {
            wrong(format!("Invalid value: {x}: should be greater than or equal to {minimum}"));
        }
    }
    if let Some(maximum) = schema["maximum"].as_f64().filter(|maximum| x > *maximum) {
        wrong(format!("Invalid value: {x}: should be less than or equal to {maximum}"));
    }
}

fn check_count(schema: &Value, count: usize, [low, high]: [&str; 2], what: &str, wrong: &mut impl FnMut(String)) {
    if let Some(low) = schema[low].as_u64().filter(|low| (count as u64) < *low) {
        wrong(format!("Invalid value: {count}: should have at least {low} {what}"));
    }
    if let Some(high) = schema[high].as_u64().filter(|high| (count as u64) > *high) {
        wrong(format!("Too many: {count}: must have at most {high} {what}"));
    }
}

fn check_object(schema: &Value, fields: &Map<String, Value>, path: &str, violations: &mut Vec<Violation>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            violations.push(Violation { path: below(name), message: "Required value".to_owned() });
        }
    }
    let mut wrong = |message: String| violations.push(Violation { path: path.to_owned(), message });
    check_count(schema, fields.len(), ["minProperties", "maxProperties"], "entries", &mut wrong);
    let open = schema["x-kubernetes-preserve-unknown-fields"] == Value::Bool(true) || !schema["properties"].is_object();
    for (name, value) in fields {
        match of_field(schema, name) {
            Some(schema) => check(schema, value, &below(name), violations),
            None if open && schema.get("additionalProperties").is_none() && !is_empty_kind(schema) => {}
            None => violations.push(Violation { path: below(name), message: unknown(schema, name) }),
        }
    }
}

/// Whether an object has no fields at all, rather than any.
fn is_empty_kind(schema: &Value) -> bool {
    schema["x-kubernetes-preserve-unknown-fields"] != Value::Bool(true) && !schema["properties"].is_object()
}

fn of_field<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    schema["properties"].get(name).or_else(|| schema.get("additionalProperties"))
}

fn unknown(schema: &Value, name: &str) -> String {
    let known = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let nearest = known.map(|known| (distance(name, known), known)).min();
    match nearest.filter(|(distance, known)| *distance <= 1 + known.len() / 3) {
        Some((_, known)) => format!("unknown field: did you mean {known:?}?"),
        None => "unknown field".to_owned(),
    }
}

/// Letters to insert, delete or replace to get from `a` to `b`, whatever their case (Levenshtein 1966).
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_has_no_keyword_that_is_not_checked() {
        fn keywords(schema: &Value, found: &mut Vec<String>) {
            let Some(fields) = schema.as_object() else { return };
            found.extend(fields.keys().cloned());
            fields
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .for_each(|(_, s)| keywords(s, found));
            [fields.get("items"), fields.get("additionalProperties")]
                .into_iter()
                .flatten()
                .for_each(|s| keywords(s, found));
        }
        let mut found = Vec::new();
        keywords(&crate::crd::schema(), &mut found);
        found.retain(|keyword| !KEYWORDS.contains(&keyword.as_str()));
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn distances_count_single_letters_and_ignore_case() {
        assert_eq!(distance("envSteps", "envsteps"), 0);
        assert_eq!(distance("epoch", "epochs"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
