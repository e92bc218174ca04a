//! What is committed is what is read, to the last bit.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{any_epoch, epoch, identity, open};
use dataset::{Committed, Dataset};
use object_store::memory::InMemory;
use proptest::prelude::*;
use tuning::{Step, Trajectory};

/// Every number as its bits: unlike `==` this tells −0 from 0.
fn bits(trajectories: &[Trajectory]) -> Vec<Vec<u64>> {
    let of = |step: &Step| {
        let mut numbers = [&step.metrics[..], &step.hyperparameters, &step.applied, &[step.elapsed_seconds]].concat();
        let decision = step.decision.iter();
        numbers
            .extend(decision.flat_map(|d| d.log_probabilities.iter().chain(d.value.as_slice())).map(|x| f64::from(*x)));
        numbers.into_iter().map(f64::to_bits).collect()
    };
    trajectories.iter().flat_map(|trajectory| trajectory.steps.iter().map(of)).collect()
}

proptest! {
    #[test]
    fn whatever_is_committed_is_read_back_bit_for_bit(trajectories in any_epoch(), last: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let dataset = Dataset::with_store(Arc::new(InMemory::new()), "a/b".into(), identity());
        let read = runtime.block_on(async {
            prop_assert_eq!(dataset.commit(3, last, &trajectories).await.unwrap(), Committed::New);
            prop_assert_eq!(dataset.commit(3, last, &trajectories).await.unwrap(), Committed::AlreadyThere);
            Ok(dataset.read_epoch(3).await.unwrap())
        })?;
        let mut sorted = trajectories;
        sorted.sort_by_key(|trajectory| trajectory.key);
        prop_assert_eq!(bits(&read.trajectories), bits(&sorted));
        prop_assert_eq!(read.trajectories, sorted);
        prop_assert_eq!((read.epoch, read.final_evaluation), (3, last));
    }
}

#[tokio::test]
async fn epochs_come_back_in_order_and_with_every_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = open(&folder.path().join("not there yet"));
    assert_eq!(dataset.epochs().await.unwrap(), Vec::<u32>::new());
    for number in [2, 10, 1] {
        assert_eq!(dataset.commit(number, number == 10, &epoch(number)).await.unwrap(), Committed::New);
    }
    assert_eq!(dataset.epochs().await.unwrap(), [1, 2, 10]);
    let all = dataset.read_all().await.unwrap();
    assert_eq!(
        all.iter().map(|e| (e.epoch, e.final_evaluation)).collect::<Vec<_>>(),
        [(1, false), (2, false), (10, true)]
    );
    assert!(all.iter().all(|e| e.trajectories == epoch(e.epoch)));
}

#[tokio::test]
async fn folders_may_have_any_name_and_urls_mean_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("a b#1 %20 ö").join("x");
    open(&odd).commit(1, false, &epoch(1)).await.unwrap();
    assert!(odd.join("segments/epoch-000001.parquet").is_file());
    assert_eq!(open(&odd.join("../x")).epochs().await.unwrap(), [1]);
    let plain = folder.path().join("plain");
    open(&plain).commit(1, false, &epoch(1)).await.unwrap();
    let url = format!("file://{}", plain.display());
    assert_eq!(Dataset::open(&url, identity()).unwrap().epochs().await.unwrap(), [1]);
}
