//! Bad specs, as a real apiserver sees them.

#[path = "../../../../src/api/tests/refused/mod.rs"]
mod refused;

use cluster::Space;
use kube::Client;
use refused::{BASE, TABLE};

#[tokio::test]
async fn each_is_refused_with_a_sentence_that_names_the_field() {
    let space = Space::new("refusals").await;
    let client = Client::try_default().await.unwrap();
    let path = format!(
        "/apis/trainpilot.dev/v1alpha1/namespaces/{}/tuningexperiments?dryRun=All&fieldValidation=Strict",
        space.name
    );
    let try_it = async |yaml: &str| {
        // What JSON can't say, such as an infinite number, never gets as far as the apiserver.
        let object: serde_json::Value = serde_saphyr::from_str(yaml).ok()?;
        let request = http::Request::post(&path).header("Content-Type", "application/json");
        Some(client.request_text(request.body(serde_json::to_vec(&object).unwrap()).unwrap()).await)
    };
    try_it(BASE).await.unwrap().unwrap();
    let mut let_through = Vec::new();
    let mut unnamed = Vec::new();
    let mut sent = 0;
    // Version and kind are said by the path too, so they are refused in other words.
    for (from, to, said) in
        TABLE.iter().filter(|row| !["apiVersion", "kind"].iter().any(|field| row.2.starts_with(field)))
    {
        let field = said
            .split(": ")
            .next()
            .unwrap()
            .rsplit('.')
            .next()
            .unwrap()
            .trim_end_matches(|c: char| "[]0123456789".contains(c));
        match try_it(&BASE.replacen(from, to, 1)).await {
            None => {}
            Some(Ok(_)) => let_through.push(to),
            Some(Err(error)) if error.to_string().contains(field) => sent += 1,
            Some(Err(error)) => unnamed.push(format!("{field}: {error}")),
        }
    }
    assert!(let_through.is_empty(), "taken: {let_through:#?}");
    assert!(unnamed.is_empty(), "the field is not named: {unnamed:#?}");
    assert!(sent >= 60, "only {sent} were sent");
}
