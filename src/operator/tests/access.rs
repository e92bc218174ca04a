//! What the manifests let the operator do: as little as the suite shows to be enough.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::Value;

fn documents(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

/// What the chart grants besides the lease.
fn rules_of_the_chart() -> Vec<PolicyRule> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/trainpilot/files/rules.yaml");
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn rules(file: &str, kind: &str) -> Vec<PolicyRule> {
    let of_kind = documents(file).into_iter().filter(|document| document["kind"] == kind);
    of_kind.flat_map(|role| serde_json::from_value::<Vec<PolicyRule>>(role["rules"].clone()).unwrap()).collect()
}

#[test]
fn nothing_is_granted_wholesale_and_no_secret_is_found_by_a_list() {
    for (file, kind) in [("access.yaml", "ClusterRole"), ("access.yaml", "Role"), ("one-namespace/access.yaml", "Role")]
    {
        let rules = rules(file, kind);
        assert!(!rules.is_empty(), "{file}: {kind}");
        for rule in rules {
            let words = [Some(rule.verbs.clone()), rule.api_groups.clone(), rule.resources.clone()];
            assert!(words.iter().flatten().flatten().all(|word| word != "*"), "{file}: {rule:?}");
            let secrets = rule.resources.iter().flatten().any(|resource| resource == "secrets");
            assert!(!secrets || rule.verbs == ["get", "create", "patch"], "{file}: {rule:?}");
        }
    }
}

#[test]
fn an_operator_of_one_namespace_may_do_there_what_another_may_do_everywhere() {
    let everywhere = [rules("access.yaml", "Role"), rules("access.yaml", "ClusterRole")].concat();
    assert_eq!(rules("one-namespace/access.yaml", "Role"), everywhere);
    let kinds: Vec<Value> =
        documents("one-namespace/access.yaml").iter().map(|document| document["kind"].clone()).collect();
    assert_eq!(kinds, ["ServiceAccount", "Role", "RoleBinding"]);
}

#[test]
fn the_chart_grants_what_the_manifests_grant() {
    assert_eq!(rules_of_the_chart(), rules("access.yaml", "ClusterRole"));
}
