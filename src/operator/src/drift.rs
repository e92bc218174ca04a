//! Whether an object is still as it was made: somebody may have changed or removed it.

use serde::Serialize;
use serde_json::Value;

/// What of an object is ours.
const OURS: [&str; 3] = ["/metadata/labels", "/data", "/spec"];

/// Whether everything that is wanted of an object is there. What others, or the apiserver, have added is none of our business:
/// it would not go away by being written again.
pub fn is_as_wanted<K: Serialize>(found: &K, wanted: &K) -> bool {
    let value = |object: &K| serde_json::to_value(object).expect("plain data always serialises");
    let (found, wanted) = (value(found), value(wanted));
    OURS.iter().all(|place| {
        wanted.pointer(place).is_none_or(|part| found.pointer(place).is_some_and(|found| covers(found, part)))
    })
}

fn covers(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(name, part)| found.get(name).is_some_and(|found| covers(found, part)))
        }
        (Value::Array(found), Value::Array(wanted)) => {
            wanted.iter().all(|part| found.iter().any(|found| covers(found, part)))
        }
        _ => found == wanted,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use k8s_openapi::api::core::v1::{ConfigMap, Service};
    use serde::de::DeserializeOwned;
    use serde_json::json;

    use super::*;

    fn object<K: DeserializeOwned>(value: Value) -> K {
        serde_json::from_value(value).unwrap()
    }

    fn service(spec: Value) -> Service {
        let metadata = json!({"name": "s", "labels": {"app": "ours", "team": "theirs"}, "resourceVersion": "7"});
        object(json!({"metadata": metadata, "spec": spec}))
    }

    #[test]
    fn what_the_apiserver_and_others_add_is_left_alone() {
        let port = json!({"name": "learner", "port": 8092, "targetPort": 8092, "protocol": "TCP"});
        let metadata = json!({"name": "s", "labels": {"app": "ours"}});
        let spec = json!({"clusterIP": "None", "selector": {"role": "learner"}, "ports": [port]});
        let wanted: Service = object(json!({"metadata": metadata, "spec": spec}));
        let other = json!({"name": "debug", "port": 1, "protocol": "TCP"});
        let mut found = spec.clone();
        found["ports"] = json!([other, port]);
        found["clusterIPs"] = json!(["None"]);
        assert!(is_as_wanted(&service(found.clone()), &wanted));
        for (field, changed) in [
            ("selector", json!({"role": "nobody"})),
            ("ports", json!([other])),
            ("ports", json!([{"name": "learner", "port": 8092, "targetPort": 1, "protocol": "TCP"}])),
            ("clusterIP", Value::Null),
        ] {
            let mut edited = found.clone();
            edited[field] = changed;
            assert!(!is_as_wanted(&service(edited), &wanted), "{field}");
        }
    }

    #[test]
    fn a_configuration_that_was_edited_or_emptied_is_noticed() {
        let map = |data: Value| object::<ConfigMap>(json!({"metadata": {"name": "c"}, "data": data}));
        let wanted = map(json!({"config.json": "{}"}));
        assert!(is_as_wanted(&map(json!({"config.json": "{}", "more": ""})), &wanted));
        assert!(!is_as_wanted(&map(json!({"config.json": "{ }"})), &wanted));
        assert!(!is_as_wanted(&map(Value::Null), &wanted));
    }
}
