//! Real faults, in a process of its own: a disk that takes no more, and kill −9.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{epoch, key, open, problem, told, trajectory};
use dataset::{Committed, Dataset, DatasetError, Journal, JournalError, Order, Record, Spool, Steps};
use tuning::{Outcome, Trajectory};

/// Set in the process that suffers: where it works.
const FOLDER: &str = "TRAINPILOT_TEST_FOLDER";

fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Runs the test `name` of this file again, in a process of its own that `shell` has prepared.
fn suffer(name: &str, folder: &Path, shell: &str) -> Child {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{shell} exec \"$0\" \"$@\"")).arg(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(FOLDER, folder).stdout(Stdio::null());
    command.stderr(Stdio::piped()).spawn().unwrap()
}

/// The kernel refuses to let any file grow beyond 128 blocks (64 or 128 KiB, as the shell counts them).
const FULL: &str = "trap '' XFSZ; ulimit -f 128;";

fn succeed(child: Child) {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn small() -> Record {
    Record::Order(Order { trajectories: 1, lost: vec![] })
}

fn large(index: u32) -> Record {
    Record::Steps(told(&trajectory(3, index, 0, 6, Outcome::Completed)))
}

#[test]
fn a_full_disk_costs_a_journal_only_the_append_that_did_not_fit() {
    let Some(folder) = folder() else {
        let folder = tempfile::tempdir().unwrap();
        succeed(suffer("a_full_disk_costs_a_journal_only_the_append_that_did_not_fit", folder.path(), FULL));
        let mut journal = Journal::open(folder.path(), 3).unwrap();
        let records = journal.records().unwrap();
        let (last, others) = records.split_last().unwrap();
        assert_eq!(last, &small());
        assert!(others.len() > 10 && others.iter().zip(0..).all(|(record, index)| *record == large(index)));
        let space_is_back = [large(998), large(999)];
        journal.append(&space_is_back).unwrap();
        assert_eq!(journal.records().unwrap(), [&records[..], &space_is_back].concat());
        return;
    };
    let mut journal = Journal::open(&folder, 3).unwrap();
    let error = (0..).find_map(|index| journal.append(&[large(index)]).err()).unwrap();
    match &error {
        JournalError::Io { path, source, .. } => {
            assert!(path.ends_with("journal/epoch-000003.log"));
            assert_eq!(source.kind(), std::io::ErrorKind::FileTooLarge);
        }
        error => panic!("{error}"),
    }
    journal.append(&[small()]).unwrap();
}

/// An epoch that no file of [`FULL`] holds.
fn huge() -> Vec<Trajectory> {
    (0..2000).map(|index| trajectory(7, index, 0, 6, Outcome::Completed)).collect()
}

#[test]
fn a_full_disk_leaves_a_dataset_as_it_was() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let Some(folder) = folder() else {
        let folder = tempfile::tempdir().unwrap();
        succeed(suffer("a_full_disk_leaves_a_dataset_as_it_was", folder.path(), FULL));
        let dataset = open(folder.path());
        runtime.block_on(async {
            assert_eq!(dataset.epochs().await.unwrap(), [1, 2]);
            assert_eq!(dataset.commit(7, false, &huge()).await.unwrap(), Committed::New);
            assert_eq!(dataset.read_epoch(7).await.unwrap().trajectories, huge());
        });
        return;
    };
    let dataset = open(&folder);
    runtime.block_on(async {
        dataset.commit(1, false, &epoch(1)).await.unwrap();
        match dataset.commit(7, false, &huge()).await.unwrap_err() {
            DatasetError::Store { file, source, .. } => {
                assert!(file.ends_with("segments/epoch-000007.parquet"));
                assert!(format!("{source:?}").contains("FileTooLarge"), "{source:?}");
            }
            error => panic!("{error}"),
        }
        assert_eq!(dataset.epochs().await.unwrap(), [1]);
        dataset.commit(2, false, &epoch(2)).await.unwrap();
    });
}

#[test]
fn a_dataset_in_a_folder_that_takes_no_files_says_so() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // Not even root may write here.
    let dataset = Dataset::open("/proc/none", common::identity()).unwrap();
    let error = runtime.block_on(dataset.commit(1, false, &epoch(1))).unwrap_err();
    assert_eq!(error.to_string(), "can't commit /proc/none/segments/epoch-000001.parquet");
}

/// Gathers and commits epoch after epoch, going on where the folder says, and tells what it has done.
async fn gather_until_killed(folder: &Path) {
    let dataset = open(folder);
    let first = dataset.epochs().await.unwrap().last().map_or(1, |last| last + 1);
    for number in first.. {
        let mut spool = Spool::open(Journal::open(folder, number).unwrap(), problem(), 2, number).unwrap();
        for told in epoch(number).iter().map(told) {
            for piece in
                told.steps.iter().map(|step| Steps { steps: vec![step.clone()], outcome: None, ..told.clone() })
            {
                spool.store(&[Record::Steps(piece.clone())]).unwrap()[0].as_ref().unwrap();
                let key = piece.key;
                eprintln!("stored {number} {} {} {}", key.index, key.attempt, piece.steps[0].step);
            }
            spool.store(&[Record::Steps(Steps { steps: vec![], ..told })]).unwrap()[0].as_ref().unwrap();
        }
        dataset.commit(number, false, &spool.gathered().trajectories()).await.unwrap();
        eprintln!("committed {number}");
        spool.remove().unwrap();
    }
}

/// Checks that everything said in `line` is true of `folder`.
async fn check(folder: &Path, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let numbers: Vec<u32> = words[1..].iter().map(|word| word.parse().unwrap()).collect();
    let committed = open(folder).epochs().await.unwrap();
    match (words[0], &numbers[..]) {
        ("committed", [number]) => assert!(committed.contains(number), "{line}"),
        ("stored", [number, ..]) if committed.contains(number) => {}
        ("stored", [number, index, attempt, step]) => {
            let spool = Spool::open(Journal::open(folder, *number).unwrap(), problem(), 2, *number).unwrap();
            assert!(spool.gathered().progress(&key(*number, *index, *attempt)).next_step > *step, "{line}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn after_kill_9_everything_that_was_stored_is_there_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    if let Some(folder) = folder() {
        runtime.block_on(gather_until_killed(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    for lines in (1..90).step_by(7) {
        let mut child = suffer("after_kill_9_everything_that_was_stored_is_there_once", folder.path(), "");
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let mut heard: Vec<String> = said.by_ref().take(lines).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        heard.extend(said);
        // The last line may have been cut in the middle.
        let last = heard.len() - 1;
        for line in &heard[..last] {
            runtime.block_on(check(folder.path(), line));
        }
    }
    let epochs = runtime.block_on(open(folder.path()).read_all()).unwrap();
    assert!(epochs.len() > 5, "{}", epochs.len());
    assert!(epochs.iter().zip(1..).all(|(read, number)| read.epoch == number && read.trajectories == epoch(number)));
}
