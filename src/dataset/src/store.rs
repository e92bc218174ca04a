//! Single objects at a [`Location`]: whole or not at all, and never waited for without end.

use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use crate::Location;

/// How long one object may take, the store's own repetitions included.
const WAIT: Duration = Duration::from_secs(60);

/// Why an object could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("can't {what} {object}")]
pub struct StoreError {
    /// Verb: what was tried.
    pub what: &'static str,
    /// Folder or URL, and name.
    pub object: String,
    /// Why.
    pub source: object_store::Error,
}

impl Location {
    /// Writes an object, in place of the one before.
    ///
    /// # Errors
    /// If the store fails; it may or may not be written then.
    pub async fn put(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        let done = within(self.store.put(&self.key(name), PutPayload::from(bytes))).await;
        done.map(drop).map_err(self.failed("write", name))
    }

    /// Writes an object if there is none, or the same; gives whether these bytes are there now.
    ///
    /// # Errors
    /// If the store fails; it may or may not be written then.
    pub async fn create(&self, name: &str, bytes: Bytes) -> Result<bool, StoreError> {
        let payload = PutPayload::from(bytes.clone());
        let put = within(self.store.put_opts(&self.key(name), payload, PutMode::Create.into())).await;
        let Err(source) = put else { return Ok(true) };
        // Whatever the error says: the answer to a put that succeeded may be what was lost.
        match self.get(name).await {
            Ok(Some(there)) => Ok(there == bytes),
            _ => Err(self.failed("write", name)(source)),
        }
    }

    /// An object's bytes, if there is one.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        let read = within(async { self.store.get(&self.key(name)).await?.bytes().await }).await;
        match read {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(self.failed("read", name)(source)),
        }
    }

    /// Takes an object away, if there is one.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn remove(&self, name: &str) -> Result<(), StoreError> {
        match within(self.store.delete(&self.key(name))).await {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(source) => Err(self.failed("remove", name)(source)),
        }
    }

    /// Names of the objects right here, not of those in folders below.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn names(&self) -> Result<Vec<String>, StoreError> {
        let listed = within(self.store.list(Some(&self.prefix)).try_collect::<Vec<_>>()).await;
        let listed = listed.map_err(self.failed("list", ""))?;
        let here = |object: &object_store::ObjectMeta| {
            let mut parts = object.location.prefix_match(&self.prefix)?;
            let name = parts.next()?.as_ref().to_owned();
            parts.next().is_none().then_some(name)
        };
        Ok(listed.iter().filter_map(here).collect())
    }

    /// Names of all objects below a folder of it, those in folders below that too, sorted.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn names_below(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let listed = within(self.store.list(Some(&self.key(folder))).try_collect::<Vec<_>>()).await;
        let listed = listed.map_err(self.failed("list", folder))?;
        let name = |object: &object_store::ObjectMeta| {
            let parts = object.location.prefix_match(&self.prefix)?;
            Some(parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"))
        };
        let mut names: Vec<String> = listed.iter().filter_map(name).collect();
        names.sort();
        Ok(names)
    }

    fn failed(&self, what: &'static str, name: &str) -> impl FnOnce(object_store::Error) -> StoreError {
        let object = format!("{}/{name}", self.name);
        move |source| StoreError { what, object, source }
    }
}

/// Gives up on a store that does not answer.
async fn within<T>(work: impl Future<Output = object_store::Result<T>>) -> object_store::Result<T> {
    match tokio::time::timeout(WAIT, work).await {
        Ok(done) => done,
        Err(elapsed) => Err(object_store::Error::Generic { store: "it", source: Box::new(elapsed) }),
    }
}
