//! Bad specs, as a real apiserver sees them.

#[path = "../../../../src/api/tests/refused/mod.rs"]
mod refused;

use cluster::Space;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use refused::{BASE, TABLE};

#[tokio::test]
async fn each_is_refused_with_a_sentence_that_names_the_field() {
    let space = Space::new("refusals").await;
    let client = Client::try_default().await.unwrap();
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("trainpilot.dev", "v1alpha1", "TuningExperiment"));
    let experiments: Api<DynamicObject> = Api::namespaced_with(client, &space.name, &resource);
    let try_it = async |yaml: &str| {
        let object: serde_json::Value = serde_saphyr::from_str(yaml).unwrap();
        let parameters = PatchParams { dry_run: true, ..PatchParams::apply("tests").validation_strict() };
        let name = object["metadata"]["name"].as_str().unwrap_or("small").to_owned();
        experiments.patch(&name, &parameters, &Patch::Apply(object)).await
    };
    try_it(BASE).await.unwrap();
    let mut let_through = Vec::new();
    let mut unnamed = Vec::new();
    for (from, to, said) in TABLE {
        let field = said
            .split(": ")
            .next()
            .unwrap()
            .rsplit('.')
            .next()
            .unwrap()
            .trim_end_matches(|c: char| "[]0123456789".contains(c));
        match try_it(&BASE.replacen(from, to, 1)).await {
            Ok(_) => let_through.push(to),
            Err(error) if !error.to_string().contains(field) => unnamed.push(format!("{field}: {error}")),
            Err(_) => {}
        }
    }
    assert!(let_through.is_empty(), "taken: {let_through:#?}");
    assert!(unnamed.is_empty(), "the field is not named: {unnamed:#?}");
}
