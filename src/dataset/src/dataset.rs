//! Committed epochs of one repetition: one Parquet file each, which never changes.

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use sha2::{Digest, Sha256};
use tuning::{Outcome, Trajectory, TrajectoryKey};

use crate::decode::Segment;
use crate::encode::encode;
use crate::error::{DatasetError, Fault};
use crate::header::{Entry, FORMAT, Header, Identity};
use crate::location::Location;
use crate::record::check;

/// Committed epochs below one prefix of an object store, `segments/epoch-NNNNNN.parquet` each.
#[derive(Clone, Debug)]
pub struct Dataset {
    location: Location,
    identity: Identity,
}

/// What a commit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// The epoch is stored now.
    New,
    /// It was stored before, with the same content.
    AlreadyThere,
}

/// A committed epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// Epoch, from 1.
    pub epoch: u32,
    /// Whether it is the final evaluation.
    pub final_evaluation: bool,
    /// Every attempt at every trajectory, sorted by index and attempt.
    pub trajectories: Vec<Trajectory>,
}

impl Dataset {
    /// The dataset of `identity` at `place`: a folder, which need not exist, or a URL (`file`, `s3`, `gs`, `az`; credentials
    /// come from the environment, or the folder that [`crate::CREDENTIALS_VARIABLE`] names).
    pub fn open(place: &str, identity: Identity) -> Result<Self, DatasetError> {
        let failed = |source| DatasetError::Location { location: place.to_owned(), source };
        Ok(Self { location: Location::parse(place).map_err(failed)?, identity })
    }

    /// The dataset of `identity` below `prefix` in `store`, which must have atomic creation (`PutMode::Create`).
    pub fn with_store(store: Arc<dyn ObjectStore>, prefix: Path, identity: Identity) -> Self {
        let name = format!("{store}/{prefix}");
        Self { location: Location { store, prefix, name }, identity }
    }

    /// Stores an epoch, all or nothing, in one atomic step. Repeating it changes nothing; with other content it is an
    /// error, and what is there stays. After any other error it may or may not be stored: repeat it. Encoding keeps the
    /// calling thread busy for some microseconds a row.
    pub async fn commit(
        &self,
        epoch: u32,
        final_evaluation: bool,
        trajectories: &[Trajectory],
    ) -> Result<Committed, DatasetError> {
        let trajectories = self.sorted(epoch, trajectories)?;
        let header = self.header(epoch, final_evaluation, &trajectories)?;
        let encoded = encode(&header, &trajectories);
        let bytes = encoded.map_err(|source| DatasetError::Encode { file: self.file(epoch), source })?;
        let (key, payload) = (self.key(epoch), PutPayload::from(bytes));
        match self.location.store.put_opts(&key, payload, PutMode::Create.into()).await {
            Ok(_) => Ok(Committed::New),
            // Whatever the error says: the answer to a put that succeeded may be what was lost.
            Err(source) => self.compare(epoch, final_evaluation, &trajectories, source).await,
        }
    }

    /// Numbers of the committed epochs, ascending.
    pub async fn epochs(&self) -> Result<Vec<u32>, DatasetError> {
        let folder = self.location.prefix.clone().join("segments");
        let listed = self.location.store.list(Some(&folder)).try_collect::<Vec<_>>().await;
        let listed = listed.map_err(self.store_error("list", format!("{}/segments", self.location.name)))?;
        let mut epochs: Vec<u32> = listed.iter().filter_map(|object| epoch_of(object.location.filename()?)).collect();
        epochs.sort_unstable();
        Ok(epochs)
    }

    /// Reads one epoch.
    pub async fn read_epoch(&self, epoch: u32) -> Result<Epoch, DatasetError> {
        let bytes = self.get(epoch).await.map_err(self.store_error("read", self.file(epoch)))?;
        self.decode(epoch, bytes)
    }

    /// The file of one epoch, for [`Dataset::read_segment`].
    pub async fn segment(&self, epoch: u32) -> Result<Bytes, DatasetError> {
        self.get(epoch).await.map_err(self.store_error("read", self.file(epoch)))
    }

    /// Reads the file of an epoch of the dataset of `identity`, wherever it came from.
    pub fn read_segment(identity: &Identity, epoch: u32, bytes: Bytes) -> Result<Epoch, DatasetError> {
        decode(identity, epoch, bytes).map_err(|source| DatasetError::Segment { file: name_of(epoch), source })
    }

    /// Reads everything, epochs ascending.
    pub async fn read_all(&self) -> Result<Vec<Epoch>, DatasetError> {
        let mut epochs = Vec::new();
        for epoch in self.epochs().await? {
            epochs.push(self.read_epoch(epoch).await?);
        }
        Ok(epochs)
    }

    /// What it belongs to.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    fn decode(&self, epoch: u32, bytes: Bytes) -> Result<Epoch, DatasetError> {
        let decoded = decode(&self.identity, epoch, bytes);
        decoded.map_err(|source| DatasetError::Segment { file: self.file(epoch), source })
    }

    /// After a failed put: is the epoch there nevertheless, and is it the same?
    async fn compare(
        &self,
        epoch: u32,
        final_evaluation: bool,
        trajectories: &[&Trajectory],
        put: object_store::Error,
    ) -> Result<Committed, DatasetError> {
        let there = match self.get(epoch).await {
            Ok(bytes) => self.decode(epoch, bytes)?,
            Err(_) => return Err(self.store_error("commit", self.file(epoch))(put)),
        };
        let theirs: Vec<&Trajectory> = there.trajectories.iter().collect();
        let (ours, theirs) =
            (content_hash(final_evaluation, trajectories), content_hash(there.final_evaluation, &theirs));
        if ours == theirs {
            return Ok(Committed::AlreadyThere);
        }
        Err(DatasetError::Conflict { file: self.file(epoch), ours, theirs })
    }

    async fn get(&self, epoch: u32) -> object_store::Result<Bytes> {
        self.location.store.get(&self.key(epoch)).await?.bytes().await
    }

    /// `trajectories` by index and attempt, each checked.
    fn sorted<'a>(&self, epoch: u32, trajectories: &'a [Trajectory]) -> Result<Vec<&'a Trajectory>, DatasetError> {
        let refuse = |key: TrajectoryKey, what| Err(DatasetError::Content { file: self.file(epoch), key, what });
        let mut sorted: Vec<&Trajectory> = trajectories.iter().collect();
        sorted.sort_by_key(|trajectory| trajectory.key);
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0].key == pair[1].key) {
            return refuse(pair[0].key, "is there twice");
        }
        for trajectory in &sorted {
            let key = trajectory.key;
            if (key.repetition, key.epoch) != (self.identity.repetition, epoch) {
                return refuse(key, "is of another repetition or epoch");
            }
            let begins_later = trajectory.steps.first().is_some_and(|step| step.step != 0);
            if begins_later && trajectory.outcome != Some(Outcome::Lost) {
                return refuse(key, "does not begin with step 0, and is not lost");
            }
            let fits = check(&self.identity.problem, key, &trajectory.steps);
            fits.map_err(|source| DatasetError::Step { file: self.file(epoch), source })?;
        }
        Ok(sorted)
    }

    fn header(&self, epoch: u32, final_evaluation: bool, sorted: &[&Trajectory]) -> Result<Header, DatasetError> {
        let entry = |trajectory: &&Trajectory| {
            let (key, file) = (trajectory.key, self.file(epoch));
            let outcome = trajectory.outcome.ok_or(DatasetError::Content { file, key, what: "has no outcome yet" })?;
            let (task, steps) = (trajectory.task.clone(), trajectory.steps.len() as u32);
            Ok(Entry { index: key.index, attempt: key.attempt, seed: trajectory.seed, task, outcome, steps })
        };
        let trajectories = sorted.iter().map(entry).collect::<Result<_, DatasetError>>()?;
        Ok(Header { format: FORMAT, identity: self.identity.clone(), epoch, final_evaluation, trajectories })
    }

    fn key(&self, epoch: u32) -> Path {
        self.location.key(&format!("segments/{}", name_of(epoch)))
    }

    fn file(&self, epoch: u32) -> String {
        format!("{}/segments/{}", self.location.name, name_of(epoch))
    }

    fn store_error(&self, what: &'static str, file: String) -> impl FnOnce(object_store::Error) -> DatasetError {
        move |source| DatasetError::Store { what, file, source }
    }
}

fn decode(identity: &Identity, epoch: u32, bytes: Bytes) -> Result<Epoch, Fault> {
    let segment = Segment::open(bytes)?;
    segment.header.check(identity, epoch)?;
    let trajectories = segment.trajectories()?;
    Ok(Epoch { epoch, final_evaluation: segment.header.final_evaluation, trajectories })
}

fn name_of(epoch: u32) -> String {
    format!("epoch-{epoch:06}.parquet")
}

/// Inverse of [`name_of`]; none for files that are no segments.
pub(crate) fn epoch_of(name: &str) -> Option<u32> {
    let epoch = name.strip_prefix("epoch-")?.strip_suffix(".parquet")?.parse().ok()?;
    (name_of(epoch) == name).then_some(epoch)
}

/// SHA-256, in hexadecimal, of everything that a segment says of its epoch. JSON tells all finite numbers apart.
fn content_hash(final_evaluation: bool, trajectories: &[&Trajectory]) -> String {
    let json = serde_json::to_vec(&(final_evaluation, trajectories)).expect("plain data always serialises");
    Sha256::digest(json).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}
