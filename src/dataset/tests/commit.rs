//! A commit happens once or not at all, whatever the store does; what is no segment is told apart.
#![allow(clippy::unwrap_used)]

mod common;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{epoch, identity, open, problem};
use dataset::{Committed, Dataset, DatasetError, Identity};
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::*;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// A store of which the call with number `fails` fails: before anything happens, or after, so that the answer is lost.
#[derive(Debug)]
struct Flaky {
    inner: InMemory,
    calls: AtomicUsize,
    fails: usize,
    after: bool,
}

impl Flaky {
    fn new(fails: usize, after: bool) -> Arc<Self> {
        Arc::new(Self { inner: InMemory::new(), calls: AtomicUsize::new(0), fails, after })
    }

    async fn call<T>(&self, done: impl Future<Output = Result<T>>) -> Result<T> {
        let fails = self.calls.fetch_add(1, Ordering::SeqCst) == self.fails;
        if fails && !self.after {
            return Err(broken());
        }
        let answer = done.await;
        if fails { Err(broken()) } else { answer }
    }
}

fn broken() -> object_store::Error {
    object_store::Error::Generic { store: "flaky", source: "connection reset".into() }
}

impl fmt::Display for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "flaky")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Flaky {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.call(self.inner.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.call(self.inner.put_multipart_opts(location, options)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.call(self.inner.get_opts(location, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn on(store: Arc<dyn ObjectStore>) -> Dataset {
    Dataset::with_store(store, Path::from("data"), identity())
}

/// The message and all its causes.
fn text(error: &DatasetError) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A memory store with `bytes` where epoch 1 belongs.
async fn holding(bytes: Vec<u8>) -> Arc<InMemory> {
    let store = Arc::new(InMemory::new());
    store.put(&Path::from("data/segments/epoch-000001.parquet"), bytes.into()).await.unwrap();
    store
}

async fn segment() -> Vec<u8> {
    let store = Arc::new(InMemory::new());
    on(store.clone()).commit(1, false, &epoch(1)).await.unwrap();
    let stored = store.get(&Path::from("data/segments/epoch-000001.parquet")).await.unwrap();
    stored.bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn whichever_call_fails_repeating_stores_it_once() {
    for after in [false, true] {
        for fails in 0..6 {
            let dataset = on(Flaky::new(fails, after));
            for number in [1, 2] {
                let mut tries = 0;
                while let Err(error) = dataset.commit(number, false, &epoch(number)).await {
                    assert!(matches!(error, DatasetError::Store { .. }), "{error}");
                    tries += 1;
                    assert!(tries < 3);
                }
            }
            assert_eq!(dataset.epochs().await.unwrap(), [1, 2]);
            for number in [1, 2] {
                // The call that fails may be one of these.
                let read = match dataset.read_epoch(number).await {
                    Err(_) => dataset.read_epoch(number).await,
                    read => read,
                };
                assert_eq!(read.unwrap().trajectories, epoch(number));
            }
        }
    }
}

#[tokio::test]
async fn a_lost_answer_is_no_failure() {
    let dataset = on(Flaky::new(0, true));
    assert_eq!(dataset.commit(1, false, &epoch(1)).await.unwrap(), Committed::AlreadyThere);
    assert_eq!(dataset.read_epoch(1).await.unwrap().trajectories, epoch(1));
}

#[tokio::test]
async fn a_put_that_failed_stores_nothing_and_names_file_and_cause() {
    let dataset = on(Flaky::new(0, false));
    let error = text(&dataset.commit(1, false, &epoch(1)).await.unwrap_err());
    assert!(error.contains("commit flaky/data/segments/epoch-000001.parquet"), "{error}");
    assert!(error.contains("connection reset"), "{error}");
    assert_eq!(dataset.epochs().await.unwrap(), Vec::<u32>::new());
    assert_eq!(dataset.commit(1, false, &epoch(1)).await.unwrap(), Committed::New);
}

#[tokio::test]
async fn other_content_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = open(folder.path());
    dataset.commit(1, false, &epoch(1)).await.unwrap();
    let mut other = epoch(1);
    other[0].steps[2].metrics[1] = 0.5;
    for (last, trajectories) in [(false, &other), (true, &epoch(1))] {
        match dataset.commit(1, last, trajectories).await.unwrap_err() {
            DatasetError::Conflict { file, ours, theirs } => {
                assert!(file.ends_with("segments/epoch-000001.parquet"));
                assert_ne!(ours, theirs);
                assert_eq!((ours.len(), theirs.len()), (64, 64));
            }
            error => panic!("{error}"),
        }
    }
    assert_eq!(dataset.read_epoch(1).await.unwrap().trajectories, epoch(1));
}

#[tokio::test]
async fn of_commits_at_the_same_time_one_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let (dataset, trajectories) = (open(folder.path()), epoch(1));
    let commits = (0..8).map(|_| dataset.commit(1, false, &trajectories));
    let done = futures::future::join_all(commits).await;
    let done: Vec<_> = done.into_iter().map(std::result::Result::unwrap).collect();
    assert_eq!(done.iter().filter(|done| **done == Committed::New).count(), 1, "{done:?}");
}

#[tokio::test]
async fn what_a_crash_leaves_of_a_commit_is_no_epoch_and_in_nobodys_way() {
    let whole = segment().await;
    for cut in (0..=whole.len()).step_by(whole.len() / 100) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("segments")).unwrap();
        std::fs::write(folder.path().join("segments/epoch-000001.parquet#1"), &whole[..cut]).unwrap();
        let dataset = open(folder.path());
        assert_eq!(dataset.epochs().await.unwrap(), Vec::<u32>::new());
        assert_eq!(dataset.commit(1, false, &epoch(1)).await.unwrap(), Committed::New);
        assert_eq!(dataset.read_all().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_segment_cut_short_anywhere_is_refused_by_name() {
    let whole = segment().await;
    for cut in 0..whole.len() {
        let error = on(holding(whole[..cut].to_vec()).await).read_epoch(1).await.unwrap_err();
        let text = text(&error);
        assert!(matches!(error, DatasetError::Segment { .. }), "cut at {cut}: {text}");
        assert!(text.contains("data/segments/epoch-000001.parquet is no segment of this dataset: it is"), "{text}");
    }
}

#[tokio::test]
async fn every_damaged_byte_is_noticed() {
    let whole = segment().await;
    for (place, flip) in (0..whole.len()).flat_map(|place| [1_u8, 0x80, 0xff].map(|flip| (place, flip))) {
        let mut bytes = whole.clone();
        bytes[place] ^= flip;
        let error = on(holding(bytes).await).read_epoch(1).await.unwrap_err();
        assert!(matches!(error, DatasetError::Segment { .. }), "{error}");
    }
}

/// Puts the right checksum into a changed segment.
fn seal(bytes: &mut [u8]) {
    let mark = bytes.windows(6).rposition(|window| window == b"crc32:").unwrap();
    bytes[mark + 6..mark + 14].copy_from_slice(b"00000000");
    let sum = format!("{:08x}", crc32fast::hash(bytes));
    bytes[mark + 6..mark + 14].copy_from_slice(sum.as_bytes());
}

#[tokio::test]
async fn what_belongs_to_something_else_is_refused_with_the_difference() {
    let store = holding(segment().await).await;
    let mut longer = problem();
    longer.env_steps = 6;
    let others = [
        (Identity { experiment: "mnist".into(), ..identity() }, "its experiment is \"digits\", not \"mnist\""),
        (Identity { uid: "0".into(), ..identity() }, "its experiment's uid is \"6f1c\", not \"0\""),
        (Identity { repetition: 0, ..identity() }, "its repetition is \"2\", not \"0\""),
        (Identity { problem: longer, ..identity() }, "its problem is"),
    ];
    for (identity, expected) in others {
        let dataset = Dataset::with_store(store.clone(), Path::from("data"), identity);
        let found = text(&dataset.read_epoch(1).await.unwrap_err());
        assert!(found.contains("epoch-000001.parquet") && found.contains(expected), "{found}");
    }
    let moved = Path::from("data/segments/epoch-000007.parquet");
    store.copy(&Path::from("data/segments/epoch-000001.parquet"), &moved).await.unwrap();
    let found = text(&on(store).read_epoch(7).await.unwrap_err());
    assert!(found.ends_with("its epoch is \"1\", not \"7\""), "{found}");
}

#[tokio::test]
async fn an_unknown_format_and_somebody_elses_parquet_are_refused() {
    let mut bytes = segment().await;
    let mark = b"\"format\":1,";
    let places: Vec<usize> = (0..bytes.len() - mark.len()).filter(|at| bytes[*at..].starts_with(mark)).collect();
    assert_eq!(places.len(), 1);
    bytes[places[0] + mark.len() - 2] = b'2';
    seal(&mut bytes);
    let found = text(&on(holding(bytes).await).read_epoch(1).await.unwrap_err());
    assert!(found.ends_with("it has format 2; this program reads format 1"), "{found}");

    let schema = parse_message_type("message other { REQUIRED INT32 step; }").unwrap();
    let other = SerializedFileWriter::new(Vec::new(), schema.into(), Default::default()).unwrap().into_inner().unwrap();
    let found = text(&on(holding(other).await).read_epoch(1).await.unwrap_err());
    assert!(found.ends_with("its metadata has no key \"trainpilot\""), "{found}");
}

#[tokio::test]
async fn what_is_no_epoch_is_not_committed() {
    let dataset = on(Arc::new(InMemory::new()));
    let mut cases = Vec::new();
    let mut case = |change: fn(&mut Vec<tuning::Trajectory>), text| {
        let mut trajectories = epoch(1);
        change(&mut trajectories);
        cases.push((trajectories, text));
    };
    case(|t| t.push(t[2].clone()), "is there twice");
    case(|t| t[2].key.epoch = 2, "is of another repetition or epoch");
    case(|t| t[2].outcome = None, "has no outcome yet");
    case(|t| drop(t[2].steps.remove(0)), "does not begin with step 0");
    case(|t| drop(t[2].steps.remove(1)), "step 1 should stand here");
    case(|t| t[2].steps[1].metrics[0] = f64::NAN, "NaN among the metrics");
    case(|t| t[2].steps[1].decision.as_mut().unwrap().actions.clear(), "0 actions instead of 2");
    for (trajectories, expected) in cases {
        let found = text(&dataset.commit(1, false, &trajectories).await.unwrap_err());
        assert!(found.contains("data/segments/epoch-000001.parquet") && found.contains(expected), "{found}");
    }
    assert_eq!(dataset.epochs().await.unwrap(), Vec::<u32>::new());
}

#[test]
fn places_that_can_hold_no_dataset_are_refused_with_the_reason() {
    let refused = |place: &str| text(&Dataset::open(place, identity()).unwrap_err());
    assert!(refused("ftp://host/x").contains("scheme \"ftp\" is unknown; there are folders, file://, s3://"));
    assert!(refused("https://bucket.s3.amazonaws.com/x").contains("scheme \"https\" is unknown"));
    assert!(refused("s3://key:secret@bucket/x").contains("credentials belong in the environment"));
    assert!(refused("file://host/x").contains("file:///folder"));
}
