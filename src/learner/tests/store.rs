//! Learners that keep what they know on an object store, a real one as far as the protocol goes, with all its moods.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use common::{config, handle, open_at, order, ppo, steps};
use learner::{Learner, Strategy};
use store::{BUCKET, Server};
use tokio::runtime::Runtime;
use wire::artifact;
use wire::learner::{LearnerPhase, Steps};
use wire::settings::LearnerConfig;

/// Folder of the server's bucket, if this process was given a store by [`with_store`].
const BUCKET_FOLDER: &str = "TRAINPILOT_TEST_BUCKET";

/// The bucket's folder; none in a process that has no store: it runs the test again in one that has.
fn with_store(test: &str) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(BUCKET_FOLDER) {
        return Some(folder.into());
    }
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start("127.0.0.1:0", folder.path()).unwrap();
    let mounted = folder.path().join("credentials");
    std::fs::create_dir(&mounted).unwrap();
    for (name, value) in server.variables("127.0.0.1") {
        std::fs::write(mounted.join(name), format!("{value}\n")).unwrap();
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", test, "--nocapture"]).env("TRAINPILOT_CREDENTIALS", mounted);
    assert!(again.env(BUCKET_FOLDER, folder.path().join(BUCKET)).status().unwrap().success());
    None
}

fn learn(learner: &Arc<Learner>, strategy: Strategy) {
    let learner = Arc::clone(learner);
    thread::spawn(move || {
        if let Err(error) = learner.learn_all(strategy, handle()) {
            learner.fail(&error);
        }
    });
}

fn until(what: &str, learner: &Learner, is: impl Fn(&Learner) -> bool) {
    for _ in 0..3000 {
        if is(learner) {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{what}: {:?}", learner.state());
}

/// Two epochs and the final evaluation, in one go; gives the last policy.
fn live(config: &LearnerConfig, place: &str) -> Vec<u8> {
    let (learner, strategy) = open_at(config, place);
    learn(&learner, strategy);
    for epoch in 1..=3 {
        learner.order(&order(epoch, &[])).unwrap();
        [0.5, 0.6, 0.7].iter().zip(0..).for_each(|(score, index)| drop(learner.store(steps(epoch, index, *score))));
        until("it learns", &learner, |learner| learner.state().epochs_learned == epoch);
    }
    learner.policies().borrow().bytes.to_vec()
}

/// The same with a learner made anew in the middle of each epoch, as after a crash.
fn live_on(config: &LearnerConfig, place: &str) -> Vec<u8> {
    for epoch in 1..=3 {
        let (first, _) = open_at(config, place);
        first.order(&order(epoch, &[])).unwrap();
        first.store(steps(epoch, 0, 0.5)).unwrap();
        first.store(Steps { outcome: None, ..steps(epoch, 1, 0.6) }).unwrap();
        drop(first);
        let (second, strategy) = open_at(config, place);
        learn(&second, strategy);
        second.order(&order(epoch, &[])).unwrap();
        let stored = second.store(steps(epoch, 1, 0.6)).unwrap();
        assert!(stored.ended, "its steps were there, its outcome was news");
        assert_eq!(second.state().gathering.map(|gathering| gathering.ended), Some(vec![0, 1]));
        second.store(steps(epoch, 2, 0.7)).unwrap();
        until("it learns", &second, |learner| learner.state().epochs_learned == epoch);
    }
    let (learner, _) = open_at(config, place);
    learner.policies().borrow().bytes.to_vec()
}

#[test]
fn a_learner_on_a_store_learns_what_one_with_a_folder_does_and_hands_out_its_policy() {
    let test = "a_learner_on_a_store_learns_what_one_with_a_folder_does_and_hands_out_its_policy";
    let Some(bucket) = with_store(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = LearnerConfig { publish: Some(format!("s3://{BUCKET}/shelf/best.safetensors")), ..config(ppo()) };
    let on_store = live_on(&config, &format!("s3://{BUCKET}/runs/one"));
    assert_eq!(on_store, live(&LearnerConfig { publish: None, ..config.clone() }, folder.path().to_str().unwrap()));
    assert_eq!(std::fs::read(bucket.join("shelf/best.safetensors")).unwrap(), on_store);
    let (learner, _) = open_at(&config, &format!("s3://{BUCKET}/runs/one"));
    let told = learner.state().publication.unwrap();
    assert_eq!((told.sha256, told.version), (artifact::sha256(&on_store), 3));
    let left: Vec<_> = std::fs::read_dir(bucket.join("runs/one/journal")).map_or(vec![], Iterator::collect);
    assert!(left.iter().all(|entry| files(&entry.as_ref().unwrap().path()) == 0), "journals go with their epochs");
    let runtime = Runtime::new().unwrap();
    let place = format!("s3://{BUCKET}/runs/one");
    let recorded = runtime.block_on(dataset::initial_data(&place, &config.problem));
    assert_eq!(recorded.unwrap().len(), 6, "without the final evaluation");
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_file()).count()
}

#[test]
fn of_two_learners_that_think_a_place_theirs_the_one_that_is_overtaken_says_so_and_goes_on_with_what_is_there() {
    let test =
        "of_two_learners_that_think_a_place_theirs_the_one_that_is_overtaken_says_so_and_goes_on_with_what_is_there";
    let Some(_) = with_store(test) else { return };
    let (config, place) = (config(ppo()), format!("s3://{BUCKET}/runs/two"));
    let (old, _) = open_at(&config, &place);
    old.order(&order(1, &[])).unwrap();
    old.store(steps(1, 0, 0.5)).unwrap();
    let (new, _) = open_at(&config, &place);
    new.order(&order(1, &[])).unwrap();
    new.store(steps(1, 1, 0.5)).unwrap();
    let refused = old.store(steps(1, 2, 0.5)).unwrap_err().to_string();
    assert!(refused.contains("was appended to by somebody else"), "{refused}");
    assert!(old.store(steps(1, 2, 0.5)).unwrap().ended, "told again, it is taken");
    assert_eq!(old.state().gathering.unwrap().ended, [0, 1, 2]);
    let (newest, _) = open_at(&config, &place);
    newest.order(&order(1, &[])).unwrap();
    assert_eq!(newest.state().gathering.unwrap().ended, [0, 1, 2], "nothing is there twice and nothing is gone");
}

#[test]
fn steps_that_come_at_once_are_stored_by_few_writes() {
    let Some(bucket) = with_store("steps_that_come_at_once_are_stored_by_few_writes") else { return };
    let (config, place) = (config(ppo()), format!("s3://{BUCKET}/runs/many"));
    let (learner, _) = open_at(&config, &place);
    let many = wire::learner::EpochOrder { trajectories: 64, ..order(1, &[]) };
    learner.order(&many).unwrap();
    let stored: Vec<_> = (0..64)
        .map(|index| {
            let learner = Arc::clone(&learner);
            thread::spawn(move || learner.store(steps(1, index, 0.5)).unwrap())
        })
        .collect();
    assert!(stored.into_iter().all(|stored| stored.join().unwrap().ended));
    let writes = files(&bucket.join("runs/many/journal/epoch-000001"));
    assert!(writes < 64, "{writes} writes for 64 trajectories");
    let (again, _) = open_at(&config, &place);
    again.order(&many).unwrap();
    assert_eq!(again.state().gathering.unwrap().ended.len(), 64);
    assert_eq!(again.state().phase, LearnerPhase::Gathering);
}
