//! Nodes come and go.

use api::Phase;
use cluster::dataset::{attempts, once_each, whole};
use cluster::experiments::{CURVES, slow};
use cluster::nodes::Pool;
use cluster::{Space, condition};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::EvictParams;

#[tokio::test]
async fn trainings_that_wait_for_gpus_run_on_nodes_that_are_added_meanwhile() {
    let space = Space::new("pool").await;
    let pool = Pool::of(&space);
    pool.remove().await;
    let name = "- name: trainer\n";
    let hungry = format!("{name}          resources: {{limits: {{nvidia.com/gpu: 1}}}}\n");
    space.start(&pool.only(&CURVES.replace(name, &hungry))).await;
    let waits = async || condition(&space.experiment("curves").await, "Degraded").is_some();
    space.until("they wait", 120, waits).await;
    assert_eq!(condition(&space.experiment("curves").await, "Degraded").unwrap().0, "CannotStart");
    // The second node is for the one that the first has no room for.
    for (number, gpus, running) in [(0, 3, 3), (1, 3, 4)] {
        pool.add(number, gpus).await;
        let run = async || {
            pool.beat().await;
            pool.trainings().await.values().sum::<usize>() == running
        };
        space.until(&format!("{running} run"), 45, run).await;
        assert!(pool.trainings().await.values().all(|running| *running <= gpus as usize));
    }
    let content = async || condition(&space.experiment("curves").await, "Degraded").is_none();
    space.until("nothing waits any more", 30, content).await;
    assert_eq!(space.experiment("curves").await.status.unwrap().trajectories.running, 4);
    space.clear(async || pool.beat().await).await;
    pool.remove().await;
}

#[tokio::test]
async fn trainings_whose_node_is_dead_are_done_again_on_another_and_count_as_no_failure() {
    let space = Space::new("node-dead").await;
    let pool = Pool::of(&space);
    pool.remove().await;
    pool.add(0, 0).await;
    // A failure more would lose them.
    space.start(&pool.rather(&CURVES.replace("retries: 1", "retries: 0"))).await;
    let run = async || {
        pool.beat().await;
        pool.trainings().await.values().sum::<usize>() == 4
    };
    space.until("all run there", 60, run).await;
    // From here on nothing is heard of the node. Its pods are told to go, which they can't be heard to have done: only once the
    // node is taken away Kubernetes knows that they have ended.
    let told = async || space.trainings().await.is_empty();
    space.until("their node is given up", 120, told).await;
    assert_eq!(space.experiment("curves").await.status.unwrap().trajectories.lost, 0);
    pool.remove().await;
    let done = space.reaches("curves", Phase::Complete, 300).await;
    assert_eq!(done.status.as_ref().unwrap().trajectories.lost, 0);
    once_each(&done).await;
}

#[tokio::test]
async fn a_node_may_be_drained_of_learner_and_trainings() {
    let space = Space::new("drain").await;
    space.start(&slow(500).replace("retries: 1", "retries: 0")).await;
    space.has_trainings(4).await;
    let learner = async || space.api::<Pod>().get_opt("curves-r0-learner-0").await.unwrap().and_then(|pod| pod.uid());
    let before = learner().await;
    for pod in space.list::<Pod>().await {
        space.api::<Pod>().evict(&pod.name_any(), &EvictParams::default()).await.unwrap();
    }
    let another = async || learner().await.is_some_and(|now| before.as_ref() != Some(&now));
    space.until("there is another learner", 60, another).await;
    let done = space.reaches("curves", Phase::Complete, 240).await;
    assert_eq!(done.status.as_ref().unwrap().trajectories.lost, 0);
    whole(&done).await;
    let tried = attempts(&done, 0, 1).await.len();
    assert!(tried <= 8, "{tried} attempts at four trajectories, each of which was moved once");
}
