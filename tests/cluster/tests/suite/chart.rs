//! The Helm chart: what it makes of values, and a release from its installation to its end.

use api::{Phase, TuningExperiment};
use cluster::charts::Release;
use cluster::dataset::once_each;
use cluster::experiments::slow;
use cluster::{Space, operators};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, Config, ResourceExt};
use serde_json::json;

/// A release's name that no object of the suite's own operator has.
const RELEASE: &str = "steady";
/// The images are on the node.
const LOCAL: &str = "images.pullPolicy=Never";

#[tokio::test]
async fn what_the_chart_makes_of_values_is_taken_by_the_apiserver() {
    let space = Space::new("values").await;
    let release = Release { name: RELEASE, namespace: &space.name };
    for values in [
        &[][..],
        &["watch.ownNamespaceOnly=true", "replicas=1", "networkPolicy.enabled=false", "rbac.aggregate=false"],
        &["admission.requireQueue=true", "test.queue=research", "images.pullSecrets={mine}", "priorityClassName=high"],
        &[
            "tolerations[0].key=gpu",
            "nodeSelector.pool=small",
            "tracing.endpoint=http://collector:4318",
            "podLabels.a=b",
        ],
        &["metrics.secure=true", "log.format=text"],
        &["metrics.secure=true", "metrics.certificateSecret=certificate", "watch.ownNamespaceOnly=true"],
        &["images.registry=registry.example/team", "images.tag=v2", "test.storage.className=fast", "crds.keep=false"],
    ] {
        // A pod is not taken before its service account is there: the release below has one.
        for object in release.objects(values).unwrap().iter().filter(|object| object["kind"] != "Pod") {
            dry_run(&space, object).await.unwrap_or_else(|error| panic!("{values:?}: {error}\n{object:#}"));
        }
    }
    let chart = include_str!("../../../../charts/trainpilot/Chart.yaml");
    let chart: serde_json::Value = serde_saphyr::from_str(chart).unwrap();
    let examples = chart["annotations"]["artifacthub.io/crdsExamples"].as_str().unwrap();
    let examples: Vec<serde_json::Value> = serde_saphyr::from_str(examples).unwrap();
    assert!(!examples.is_empty());
    for example in &examples {
        dry_run(&space, example).await.unwrap_or_else(|error| panic!("{error}\n{example:#}"));
    }
    let digest = format!("images.agent.digest=sha256:{}", "a".repeat(64));
    let text = serde_json::to_string(&release.objects(&[&digest]).unwrap()).unwrap();
    assert!(text.contains(&format!("localhost/trainpilot-agent@sha256:{}", "a".repeat(64))));
    for (wrong, named) in [
        ("replica=3", "replica"),
        ("replicas=many", "replicas"),
        ("images.pullPolicy=Sometimes", "pullPolicy"),
        ("images.operator.digest=abc", "digest"),
        ("tracing.endpoint=collector", "endpoint"),
        ("log.format=xml", "format"),
    ] {
        let error = release.objects(&[wrong]).unwrap_err();
        assert!(error.contains(named), "{wrong}: {error}");
    }
}

#[tokio::test]
async fn an_experiment_without_a_queue_is_refused_where_one_is_required() {
    let space = Space::new("queue-required").await;
    let release = Release { name: "queues", namespace: &space.name };
    let values = [LOCAL, "replicas=0", "crds.enabled=false", "admission.requireQueue=true"];
    release.with_chart("install", &[], &values).unwrap();
    let namespaces: Api<Namespace> = Api::all(Client::try_default().await.unwrap());
    let required = json!({"metadata": {"labels": {"trainpilot.dev/queue": "required"}}});
    namespaces.patch(&space.name, &PatchParams::default(), &Patch::Merge(required)).await.unwrap();
    let without = serde_saphyr::from_str(cluster::experiments::CURVES).unwrap();
    // It takes the apiserver a moment to go by a new policy.
    space
        .until("an experiment without a queue is refused", 60, async || {
            let refused = dry_run(&space, &without).await.err().map(|error| error.to_string());
            refused.is_some_and(|why| why.contains("kueue.x-k8s.io/queue-name is missing"))
        })
        .await;
    let mut queued = without.clone();
    queued["metadata"]["labels"] = json!({"kueue.x-k8s.io/queue-name": "research"});
    dry_run(&space, &queued).await.unwrap();
    release.helm("uninstall", &["--wait"]).unwrap();
}

#[tokio::test]
async fn a_release_is_installed_tested_and_upgraded_and_leaves_experiments_when_it_goes() {
    let space = Space::alone("chart").await;
    operators::scale(0).await;
    let release = Release { name: RELEASE, namespace: &space.name };
    // The definitions are there already: they become the release's.
    let installing = ["--take-ownership", "--wait", "--timeout=2m"];
    release.with_chart("install", &installing, &[LOCAL]).unwrap();

    let objects = release.objects(&[]).unwrap();
    let test = objects.into_iter().find(|object| object["kind"] == "TuningExperiment").unwrap();
    space.provide(&serde_json::from_value(test).unwrap()).await;
    let tested = release.helm("test", &["--timeout=5m"]).unwrap();
    let phases: Vec<&str> = tested.lines().filter_map(|line| line.strip_prefix("Phase:")).map(str::trim).collect();
    // Who waits, what it may read, and what it waits for.
    assert_eq!(phases, ["Succeeded"; 5], "{tested}");
    assert!(space.list::<TuningExperiment>().await.is_empty(), "what a test made goes when it succeeded");

    space.start(&slow(2500)).await;
    space.has_trainings(4).await;
    let values = [LOCAL, "watch.ownNamespaceOnly=true", "log.level=debug", "log.format=text", "metrics.secure=true"];
    release.with_chart("upgrade", &["--wait", "--timeout=2m"], &values).unwrap();
    metrics_are_for_whom_the_apiserver_lets_get_them(&space).await;
    // One attempt for each index: no pod was started twice.
    once_each(&space.reaches_beside("curves", Phase::Complete, 300).await).await;

    release.helm("uninstall", &["--wait", "--timeout=2m"]).unwrap();
    assert!(space.list::<Deployment>().await.is_empty());
    let ours = |pod: &Pod| pod.labels().contains_key("app.kubernetes.io/instance");
    space.until("no operator is left", 60, async || !space.list::<Pod>().await.iter().any(ours)).await;
    assert_eq!(space.list::<TuningExperiment>().await.len(), 1);
    let definitions: Api<CustomResourceDefinition> = Api::all(Client::try_default().await.unwrap());
    definitions.get("tuningexperiments.trainpilot.dev").await.unwrap();
    operators::scale(2).await;
}

async fn metrics_are_for_whom_the_apiserver_lets_get_them(space: &Space) {
    let client = Client::try_default().await.unwrap();
    let operator = format!("{RELEASE}-trainpilot-operator");
    let ours = |pod: &&Pod| pod.labels().contains_key("app.kubernetes.io/instance");
    let pods = space.list::<Pod>().await;
    let running = |pod: &&Pod| pod.metadata.deletion_timestamp.is_none();
    let pod = pods.iter().filter(ours).find(running).unwrap();
    let host = pod.status.clone().unwrap().pod_ip.unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &space.name);
    let token = async |name: &str| {
        let account = ServiceAccount {
            metadata: ObjectMeta { name: Some(name.into()), ..Default::default() },
            ..Default::default()
        };
        accounts.create(&PostParams::default(), &account).await.unwrap();
        let asked =
            accounts.create_token_request(name, &PostParams::default(), &TokenRequest::default()).await.unwrap();
        asked.status.unwrap().token
    };
    let ask = async |token: Option<String>| {
        let mut config = Config::new(format!("https://{host}:8443").parse().unwrap());
        (config.accept_invalid_certs, config.auth_info.token) = (true, token.map(Into::into));
        let request = http::Request::get("/metrics").body(Vec::new()).unwrap();
        Client::try_from(config).unwrap().request_text(request).await
    };
    let code = |answer: Result<String, kube::Error>| match answer {
        Err(kube::Error::Api(status)) => status.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(ask(None).await), 401);
    assert_eq!(code(ask(Some("made-up".to_owned())).await), 401);
    let bindings: Api<ClusterRoleBinding> = Api::all(client);
    let binding = json!({
        "metadata": {"name": "suite-metrics"}, "subjects": [{"kind": "ServiceAccount", "name": "prometheus", "namespace": space.name}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": format!("{operator}-metrics-reader")},
    });
    bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
    let (prometheus, somebody) = (token("prometheus").await, token("somebody").await);
    assert_eq!(code(ask(Some(somebody)).await), 403);
    let text = ask(Some(prometheus)).await.unwrap();
    assert!(text.contains("trainpilot_operator_leading"), "{text}");
    bindings.delete("suite-metrics", &DeleteParams::default()).await.unwrap();
    let plain = ureq::get(format!("http://{host}:8080/metrics")).call();
    assert!(matches!(plain, Err(ureq::Error::StatusCode(404))), "{plain:?}");
}

/// Sends an object to the apiserver as if it were to be kept.
async fn dry_run(space: &Space, object: &serde_json::Value) -> Result<(), kube::Error> {
    let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    let types = object.types.clone().unwrap();
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(&types).unwrap());
    let client = Client::try_default().await.unwrap();
    let cluster_wide = ["CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy"];
    let api: Api<DynamicObject> = match types.kind.strip_suffix("Binding").unwrap_or(&types.kind) {
        kind if cluster_wide.contains(&kind) => Api::all_with(client, &resource),
        _ => Api::namespaced_with(client, &space.name, &resource),
    };
    let as_helm = PatchParams { dry_run: true, ..PatchParams::apply("helm").force().validation_strict() };
    api.patch(&object.name_any(), &as_helm, &Patch::Apply(&object)).await.map(|_| ())
}
