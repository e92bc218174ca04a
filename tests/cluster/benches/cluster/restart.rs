//! How long an operator takes that starts where thousands of pods are.

use api::Timestamp;
use cluster::{Space, operators};
use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};

use crate::crowd::{EACH, EXPERIMENTS, name};

/// Ends all operators, wishes something of every experiment meanwhile, and starts one.
pub async fn measure(space: &Space) {
    operators::scale(0).await;
    let wanted = EACH / 2;
    for number in 0..EXPERIMENTS {
        space.edit(&name(number), json!({"parallelism": wanted})).await.unwrap();
    }
    operators::scale(1).await;
    let changed = async || {
        let jobs = space.list::<Job>().await;
        jobs.iter().filter(|job| job.spec.as_ref().unwrap().parallelism == Some(wanted as i32)).count()
    };
    space.until("a batch is changed", 120, async || changed().await > 0).await;
    let first = Timestamp::now();
    space.until("every batch is changed", 120, async || changed().await == EXPERIMENTS as usize).await;
    let all = Timestamp::now();
    let log = operators::log().await;
    let (leads, known) = (said(&log, "leading"), said(&log, "everything is known"));
    let since = |then: Timestamp| then.duration_since(leads).as_secs_f64();
    println!(
        "cold start: everything is known after {:.1} s, the first write follows at {:.1} s, that of the last experiment at {:.1} s",
        since(known),
        since(first),
        since(all)
    );
}

/// When it said something.
fn said(log: &str, message: &str) -> Timestamp {
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.find(|line| line["fields"]["message"] == message).expect("it is said");
    line["timestamp"].as_str().unwrap().parse().unwrap()
}
