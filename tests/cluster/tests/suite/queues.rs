//! Experiments whose batches wait in a queue of Kueue's for quota.

use std::collections::BTreeSet;

use api::{Phase, labels};
use cluster::dataset::whole;
use cluster::experiments::slow;
use cluster::queues::Queue;
use cluster::{Space, condition};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::json;

/// Four trainings at once, each with a GPU, in the queue; `more` labels.
fn queued(name: &str, milliseconds: u32, more: &str) -> String {
    let labels = format!("{{name: {name}, labels: {{kueue.x-k8s.io/queue-name: research{more}}}}}");
    let gpu = "imagePullPolicy: Never\n          resources: {limits: {nvidia.com/gpu: 1}}";
    slow(milliseconds).replace("{name: curves}", &labels).replace("imagePullPolicy: Never", gpu)
}

/// Trainings of an experiment that have not ended.
async fn trainings(space: &Space, name: &str) -> BTreeSet<String> {
    let pods = space.trainings().await;
    let own = pods.into_iter().filter(|pod| pod.labels().get(labels::EXPERIMENT).is_some_and(|of| of == name));
    own.map(|pod| pod.uid().unwrap()).collect()
}

async fn has(space: &Space, name: &str, count: usize) {
    let what = format!("{name} has {count} trainings");
    space.until(&what, 120, async || trainings(space, name).await.len() == count).await;
}

/// Waits until an experiment says that it waits in the queue, while its learner, which is in no queue, runs.
async fn waits(space: &Space, name: &str) {
    let queued =
        async || condition(&space.experiment(name).await, "Progressing").is_some_and(|(reason, _)| reason == "Queued");
    space.until(&format!("{name} is queued"), 90, queued).await;
    has(space, name, 0).await;
    let learner = space.learner(&format!("{name}-r0-learner")).await;
    assert_eq!(cluster::phase(&learner), "Running");
}

#[tokio::test]
async fn batches_wait_for_quota_are_preempted_and_go_on_and_what_is_suspended_frees_it() {
    let space = Space::new("queues").await;
    let _queue = Queue::open(&space, 4);
    space.start(&queued("first", 1000, "")).await;
    has(&space, "first", 4).await;
    space.start(&queued("second", 1000, "")).await;
    waits(&space, "second").await;
    // What is suspended frees its quota, and queues again when it goes on.
    space.edit("first", json!({"suspend": true})).await.unwrap();
    has(&space, "second", 4).await;
    space.edit("first", json!({"suspend": false})).await.unwrap();
    waits(&space, "first").await;
    // One of higher priority takes the quota of a batch that runs.
    space.start(&queued("third", 100, ", kueue.x-k8s.io/priority-class: urgent")).await;
    has(&space, "third", 4).await;
    waits(&space, "second").await;
    for name in ["third", "second", "first"] {
        let done = space.reaches_beside(name, Phase::Complete, 240).await;
        whole(&done).await;
    }
    let none = async || space.list::<Pod>().await.is_empty();
    space.until("nothing is held at the end", 60, none).await;
}

#[tokio::test]
async fn a_batch_that_was_admitted_keeps_its_width_and_the_next_has_the_new_one() {
    let space = Space::new("queues-scale").await;
    let _queue = Queue::open(&space, 4);
    space.start(&queued("curves", 1000, "")).await;
    has(&space, "curves", 4).await;
    let before = trainings(&space, "curves").await;
    space.edit("curves", json!({"parallelism": 2})).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(trainings(&space, "curves").await, before, "nobody was disturbed");
    let second = async || space.api::<Job>().get_opt("curves-r0-e2").await.unwrap();
    space.until("there is a second batch", 60, async || second().await.is_some()).await;
    assert_eq!(second().await.unwrap().spec.unwrap().parallelism, Some(2));
    has(&space, "curves", 2).await;
}
