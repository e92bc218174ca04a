//! `kubectl trainpilot`: looking at experiments, changing them, and bringing home what they learned.

use api::Phase;
use cluster::Space;
use cluster::dataset::{attempts, attempts_in};
use cluster::experiments::{CURVES, on_store, slow};
use cluster::plugin::Plugin;
use cluster::stores::Store;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::Value;

#[tokio::test]
async fn a_run_is_watched_and_steered_with_the_plugin() {
    let space = Space::new("plugin-live").await;
    let plugin = Plugin::of(&space);
    assert!(plugin.says(&["status"]).contains("no experiment in namespace plugin-live"));
    space.start(&slow(1000)).await;
    let page = || plugin.says(&["top", "curves"]);
    space.until("an env step is seen", 90, async || page().contains("Running ┆ 1/8")).await;
    let top = page();
    assert!(top.contains("4 trainings") && top.contains("learning_rate") && top.contains("score"), "{top}");
    assert!(plugin.says(&["top", "curves", "--limit", "1"]).contains("… and 3 more"));

    let logs = plugin.says(&["logs", "curves", "--epoch", "1", "--index", "2"]);
    assert!(logs.lines().all(|line| line.starts_with("r0 e1 i2 ")), "{logs}");
    assert!(logs.contains("r0 e1 i2 trainpilot-agent | "), "{logs}");
    let learner = plugin.says(&["logs", "curves", "--learners"]);
    assert!(
        learner.lines().all(|line| line.starts_with("r0 learner | ")) && learner.contains("listening"),
        "{learner}"
    );

    plugin.says(&["scale", "curves", "2"]);
    assert_eq!(space.experiment("curves").await.spec.parallelism, 2);
    plugin.says(&["suspend", "curves"]);
    space.reaches("curves", Phase::Suspended, 60).await;
    assert!(plugin.says(&["status", "curves"]).starts_with("Suspended, ppo"));
    plugin.says(&["resume", "curves"]);
    plugin.says(&["scale", "curves", "4"]);
    // It ends by itself when the experiment is over, and has seen pods that came later.
    let logs = tokio::task::spawn_blocking(move || plugin.says(&["logs", "curves", "--follow"])).await.unwrap();
    assert!(logs.contains("r0 e3 i0 ") && logs.contains("r0 learner | "), "{logs}");
    space.reaches("curves", Phase::Complete, 60).await;
}

#[tokio::test]
async fn what_was_learned_is_brought_home_from_a_volume() {
    let space = Space::new("plugin-home").await;
    let plugin = Plugin::of(&space);
    space.start(CURVES).await;
    let done = space.reaches("curves", Phase::Complete, 240).await;
    assert!(plugin.says(&["status"]).contains("curves"));
    assert_eq!(plugin.says(&["export", "curves"]), "runs/curves\n");
    let brought = plugin.folder().join("runs/curves/repetition-0");
    for epoch in 1..=3 {
        let there = attempts(&done, 0, epoch).await;
        assert_eq!(there, attempts_in(&brought, &done, 0, epoch).await, "epoch {epoch}");
    }
    // The pod that was made for it is gone.
    let none = async || space.list::<Pod>().await.is_empty();
    space.until("no pod is left", 30, none).await;

    // What is brought is a run like one that was made here.
    let cost: Value = serde_json::from_str(&plugin.here(&["cost", "runs/curves", "--json"])).unwrap();
    assert_eq!(cost[3]["trainings"], 12);
    assert!(plugin.here(&["status", "runs/curves"]).starts_with("Complete"));
    plugin.here(&["policy", "export", "runs/curves", "policy.safetensors"]);
    assert_eq!(plugin.says(&["report", "curves"]), "runs/curves/report.html\n");
    assert!(plugin.says(&["compare", "curves", "curves"]).contains("curves"));
    let explained: Value =
        serde_json::from_str(&plugin.says(&["explain", "curves", "1", "3", "--epoch", "2", "--json"])).unwrap();
    let steered = &explained["hyperparameters"][0];
    let taken = steered["action"].as_u64().unwrap() as usize;
    let (again, recorded) = (steered["probabilities"][taken].as_f64().unwrap(), steered["recorded"].as_f64().unwrap());
    assert!((again - recorded).abs() < 1e-6, "{explained}");

    let (code, why) = plugin.refuses(&["export", "other"]);
    assert_eq!((code, why.contains("no experiment other in namespace plugin-home")), (2, true), "{why}");
    let held = plugin.folder().join("runs/curves/run.json");
    let text = std::fs::read_to_string(&held).unwrap();
    std::fs::write(&held, text.replace(&done.uid().unwrap(), "00000000-0000-0000-0000-000000000000")).unwrap();
    let (code, why) = plugin.refuses(&["export", "curves"]);
    assert_eq!((code, why.contains("runs/curves holds another run")), (2, true), "{why}");
}

#[tokio::test]
async fn what_was_learned_is_brought_home_from_a_store() {
    let space = Space::new("plugin-store").await;
    let _store = Store::start(&space).await;
    let plugin = Plugin::of(&space);
    space.start(&on_store(&slow(300))).await;
    // While it runs, from the learner itself.
    let begun = async || space.experiment("curves").await.status.is_some_and(|status| status.epoch == "1/2");
    space.until("an epoch is learned", 120, begun).await;
    let report: Value = serde_json::from_str(&plugin.says(&["report", "curves", "--json"])).unwrap();
    assert!(report.is_object(), "{report}");
    let done = space.reaches_beside("curves", Phase::Complete, 240).await;
    plugin.says(&["export", "curves"]);
    let brought = plugin.folder().join("runs/curves/repetition-0");
    assert_eq!(attempts_in(&brought, &done, 0, 3).await.len(), 4);
}

#[tokio::test]
async fn whoever_may_not_is_told_what() {
    let space = Space::new("plugin-rights").await;
    let plugin = Plugin::of(&space);
    space.start(&slow(1000)).await;
    let nobody = ["--as", "system:serviceaccount:plugin-rights:default"];
    for (arguments, what) in [
        (&["status", "curves"][..], "you may not read TuningExperiments in namespace plugin-rights"),
        (&["status"], "you may not list TuningExperiments in namespace plugin-rights"),
        (&["suspend", "curves"], "you may not read TuningExperiments"),
    ] {
        let (code, why) = plugin.refuses(&[arguments, &nobody].concat());
        assert_eq!(code, 1);
        assert!(why.contains(what) && why.contains("forbidden"), "{why}");
    }
    let (code, why) = plugin.refuses(&["status", "--kubeconfig", "none.yaml"]);
    assert_eq!((code, why.contains("no cluster is configured") && why.contains("none.yaml")), (2, true), "{why}");
    let (code, why) = plugin.refuses(&["status", "--context", "elsewhere"]);
    assert_eq!((code, why.contains("elsewhere")), (2, true), "{why}");
}
