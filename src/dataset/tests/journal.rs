//! What a journal took is there after any crash; what it did not take whole is not.
#![allow(clippy::unwrap_used)]

mod common;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use common::{epoch, key, problem, told, trajectory};
use dataset::{Journal, Location, Order, Record, Spool, SpoolError};
use tuning::Outcome;

fn records() -> Vec<Record> {
    let mut records = vec![Record::Order(Order { trajectories: 5, lost: vec![4] })];
    records.extend(epoch(3).iter().map(|trajectory| Record::Steps(told(trajectory))));
    records
}

/// Few enough bytes to try something at each of them.
fn short() -> Vec<Record> {
    let one = |index| Record::Steps(told(&trajectory(3, index, 0, 1, Outcome::Lost)));
    vec![Record::Order(Order { trajectories: 5, lost: vec![4] }), one(0), one(1), one(2), one(3)]
}

/// A journal with `records`, two to an append; gives its bytes and where each append ends.
fn written(folder: &Path, records: &[Record]) -> (Vec<u8>, Vec<usize>) {
    let mut journal = Journal::open(folder, 3).unwrap();
    let length = |journal: &Journal| fs::metadata(journal.place()).unwrap().len() as usize;
    let mut ends = vec![length(&journal)];
    for pair in records.chunks(2) {
        journal.append(pair).unwrap();
        ends.push(length(&journal));
    }
    (fs::read(journal.place()).unwrap(), ends)
}

fn holding(folder: &Path, bytes: &[u8]) {
    fs::create_dir_all(folder.join("journal")).unwrap();
    fs::write(folder.join("journal/epoch-000003.log"), bytes).unwrap();
}

#[test]
fn what_was_appended_is_there_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), &records());
    let mut journal = Journal::open(folder.path(), 3).unwrap();
    assert_eq!(journal.records().unwrap(), records());
    assert!(Journal::open(folder.path(), 4).unwrap().records().unwrap().is_empty());
    let path = PathBuf::from(journal.place());
    assert_eq!(path, folder.path().join("journal/epoch-000003.log"));
    journal.remove().unwrap();
    assert!(!path.exists());
}

#[test]
fn whatever_byte_a_crash_cuts_it_at_all_appends_before_are_there_and_more_can_follow() {
    let folder = tempfile::tempdir().unwrap();
    let records = short();
    let (bytes, ends) = written(folder.path(), &records);
    for cut in 0..=bytes.len() {
        let whole = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
        // A file system may also leave zeros where the bytes had not arrived yet.
        for torn in [bytes[..cut].to_vec(), [&bytes[..cut], &[0; 20]].concat()] {
            if torn.len() > cut && cut < ends[0] {
                continue;
            }
            holding(folder.path(), &torn);
            let mut journal = Journal::open(folder.path(), 3).unwrap();
            let mut expected = records[..(2 * whole).min(records.len())].to_vec();
            assert_eq!(journal.records().unwrap(), expected, "cut at {cut}");
            if cut % 16 == 0 {
                journal.append(&records[..1]).unwrap();
                expected.push(records[0].clone());
                assert_eq!(journal.records().unwrap(), expected, "cut at {cut}");
            }
        }
    }
}

#[test]
fn damage_before_the_last_append_is_an_error_and_not_a_loss() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, ends) = written(folder.path(), &short());
    for place in ends[0]..ends[ends.len() - 2] {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x10;
        holding(folder.path(), &damaged);
        let error = Journal::open(folder.path(), 3).unwrap_err().to_string();
        let start = ends.iter().rev().find(|end| **end <= place).unwrap();
        assert!(error.contains("epoch-000003.log") && error.contains(&format!("at byte {start}:")), "{error}");
        assert_eq!(fs::read(folder.path().join("journal/epoch-000003.log")).unwrap(), damaged, "it is left as it is");
    }
}

#[test]
fn a_file_that_is_no_journal_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for content in ["trainpilot journal 2\n", "something else that is long enough"] {
        holding(folder.path(), content.as_bytes());
        let error = Journal::open(folder.path(), 3).unwrap_err().to_string();
        assert!(error.ends_with("journal/epoch-000003.log is no journal of this version"), "{error}");
    }
}

#[test]
fn a_folder_that_takes_no_files_is_an_error_with_path_and_cause() {
    // Not even root may write here, unlike in a folder without write permission.
    let error = Journal::open(Path::new("/proc"), 3).unwrap_err();
    assert_eq!(error.to_string(), "can't create /proc/journal");
    assert!(error.source().unwrap().to_string().contains("os error"), "{error:?}");
}

fn opened(folder: &Path) -> Result<Spool, SpoolError> {
    Spool::open(Journal::open(folder, 3)?, problem(), 2, 3)
}

#[test]
fn a_spool_is_after_a_restart_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let open = || opened(folder.path()).unwrap();
    let mut spool = open();
    let verdicts = spool.store(&records()).unwrap();
    assert!(verdicts.iter().all(|verdict| *verdict == Ok(true)));
    let length = || fs::metadata(folder.path().join("journal/epoch-000003.log")).unwrap().len();
    let before = length();
    assert!(spool.store(&records()).unwrap().iter().all(|verdict| *verdict == Ok(false)));
    assert_eq!(length(), before, "what is no news is not written");
    let again = open();
    assert_eq!(again.gathered(), spool.gathered());
    assert_eq!(again.gathered().trajectories(), epoch(3));
}

#[test]
fn a_refused_record_is_not_stored_and_keeps_no_other_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = opened(folder.path()).unwrap();
    let good = |index| Record::Steps(told(&trajectory(3, index, 0, 2, Outcome::Lost)));
    let mut contradiction = told(&trajectory(3, 0, 0, 2, Outcome::Lost));
    contradiction.steps[1].metrics[0] += 1.0;
    let verdicts = spool.store(&[good(0), Record::Steps(contradiction), good(1)]).unwrap();
    assert_eq!(verdicts.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    let again = opened(folder.path()).unwrap();
    assert_eq!(again.gathered().progress(&key(3, 1, 0)).next_step, 2);
    assert_eq!(again.gathered(), spool.gathered());
}

#[test]
fn a_journal_on_a_store_is_many_objects_and_says_when_one_of_them_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::parse(folder.path().to_str().unwrap()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let open = || Journal::on_store(&location, 3, runtime.handle());
    let mut journal = open();
    records().iter().for_each(|record| journal.append(std::slice::from_ref(record)).unwrap());
    assert_eq!(open().records().unwrap(), records());
    let part = |number: u32| folder.path().join(format!("journal/epoch-000003/part-{number:08}.json"));
    assert!(part(records().len() as u32).exists() && !part(records().len() as u32 + 1).exists());
    let kept = fs::read(part(1)).unwrap();
    fs::remove_file(part(1)).unwrap();
    let error = open().records().unwrap_err().to_string();
    assert!(error.contains("part-00000001.json is damaged") && error.contains("it is gone"), "{error}");
    fs::write(part(1), &kept[..kept.len() - 1]).unwrap();
    assert!(open().records().unwrap_err().to_string().contains("part-00000001.json is damaged"));
    fs::write(part(1), kept).unwrap();
    open().remove().unwrap();
    assert!(open().records().unwrap().is_empty());
}

#[test]
fn a_journal_of_another_repetition_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), &records());
    match Spool::open(Journal::open(folder.path(), 3).unwrap(), problem(), 0, 3).unwrap_err() {
        SpoolError::Foreign { journal, source } => {
            assert!(journal.ends_with("journal/epoch-000003.log"));
            assert!(source.to_string().contains("is not of repetition 0, epoch 3"));
        }
        error => panic!("{error}"),
    }
}
