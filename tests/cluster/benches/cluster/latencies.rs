//! How long it takes from an event to the operator's write that follows from it, as a client sees both.

use std::time::{Duration, Instant};

use api::TuningExperiment;
use cluster::Space;
use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::crowd::{EACH, EXPERIMENTS, name};

/// Bursts of events, in each of which something happens to every experiment at once.
const BURSTS: u32 = 8;
/// Between a burst and the next: what the last one brought about has settled by then.
const SETTLED: Duration = Duration::from_secs(4);

/// From a wish for more or fewer trainers at once to the batch that has it.
pub async fn wishes(space: &Space) {
    let mut seconds = Vec::new();
    for burst in 0..BURSTS {
        let wanted = EACH - 1 + burst % 2;
        let wishes = (0..EXPERIMENTS).map(async |number| {
            let experiment = name(number);
            let job = format!("{experiment}-r0-e1");
            let has = |job: &Job| job.spec.as_ref().unwrap().parallelism == Some(wanted as i32);
            let change = async || drop(space.edit(&experiment, json!({"parallelism": wanted})).await.unwrap());
            from_to(space, &job, change, has).await
        });
        seconds.extend(join_all(wishes).await);
        tokio::time::sleep(SETTLED).await;
    }
    tell("from a wish to the write that follows", seconds);
}

/// From the end of a trainer's pod to the status that tells of it.
pub async fn ends(space: &Space) {
    let mut seconds = Vec::new();
    for _ in 0..BURSTS {
        let ends = (0..EXPERIMENTS).map(async |number| {
            let experiment = name(number);
            let pod = a_trainer_of(space, &experiment).await;
            let before = space.experiment(&experiment).await.status.unwrap().trajectories.running;
            let fewer = |now: &TuningExperiment| now.status.as_ref().unwrap().trajectories.running < before;
            let end = Patch::Merge(json!({"status": {"phase": "Failed"}}));
            let change = async || {
                let pods = space.api::<Pod>();
                pods.patch_status(&pod, &PatchParams::default(), &end).await.map(drop).unwrap();
            };
            from_to(space, &experiment, change, fewer).await
        });
        seconds.extend(join_all(ends).await);
        tokio::time::sleep(SETTLED).await;
    }
    tell("from the end of a pod to the status that tells of it", seconds);
}

/// Seconds from a change to the moment at which an object is told to be as it should be then.
async fn from_to<K>(space: &Space, name: &str, change: impl AsyncFn(), is_so: impl Fn(&K) -> bool) -> f64
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + DeserializeOwned + Clone + std::fmt::Debug + Send,
    K: 'static,
{
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut seen = watcher(space.api::<K>(), config).default_backoff().applied_objects().boxed();
    let first = seen.try_next().await.unwrap().expect("a watch has no end");
    assert!(!is_so(&first), "{name} is so already: nothing would be measured");
    let began = Instant::now();
    change().await;
    while !is_so(&seen.try_next().await.unwrap().expect("a watch has no end")) {}
    began.elapsed().as_secs_f64()
}

async fn a_trainer_of(space: &Space, experiment: &str) -> String {
    let selector = format!("trainpilot.dev/experiment={experiment},trainpilot.dev/role=trajectory");
    let parameters = ListParams::default().labels(&selector).fields("status.phase=Running").limit(1);
    space.api::<Pod>().list(&parameters).await.unwrap().items[0].name_any()
}

fn tell(what: &str, mut seconds: Vec<f64>) {
    seconds.sort_by(f64::total_cmp);
    let quantile = |q: f64| 1000.0 * seconds[((seconds.len() - 1) as f64 * q).round() as usize];
    let (median, most) = (quantile(0.5), quantile(0.99));
    println!("{what}: p50 {median:.0} ms, p99 {most:.0} ms ({} events, {EXPERIMENTS} at once)", seconds.len());
}
