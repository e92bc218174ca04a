//! What was seen of the cluster, kept up to date by watches, and never believed while it is older than our own writes.
//!
//! Kubernetes' own controllers do the same since 1.36 (KEP-5647): a decision from an old view would be taken twice.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::error::OperatorError;

/// After this time a write that was never seen is no longer waited for: the object may have been removed in between.
const PATIENCE: Duration = Duration::from_secs(10);

/// Objects of one kind.
pub struct Cache<K: Resource<DynamicType = ()> + Clone + 'static> {
    store: Store<K>,
    written: Mutex<HashMap<ObjectRef<K>, (u64, Instant)>>,
}

impl<K> Cache<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    /// A cache that follows `api`; every object that changes is first passed to `slim`, which drops what nobody needs, and
    /// then told to `changed`. Never ends: to be run beside it.
    pub fn follow(
        api: Api<K>,
        selector: &str,
        slim: impl Fn(&mut K) + Send + Sync + 'static,
        changed: impl Fn(&K) + Send + Sync + 'static,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send + 'static) {
        let (store, writer) = reflector::store();
        let config = watcher::Config::default().labels(selector);
        let stream = watcher(api, config).modify(slim).default_backoff().reflect(writer);
        let follow = stream.for_each(move |event| {
            match event {
                Ok(
                    watcher::Event::Apply(object) | watcher::Event::InitApply(object) | watcher::Event::Delete(object),
                ) => {
                    changed(&object);
                }
                Ok(watcher::Event::Init | watcher::Event::InitDone) => {}
                Err(error) => tracing::warn!(kind = %K::kind(&()), %error, "the watch broke off and begins anew"),
            }
            futures::future::ready(())
        });
        (Arc::new(Self { store, written: Mutex::default() }), follow)
    }

    /// Waits until all that exists has been seen once.
    pub async fn ready(&self) {
        // It fails only once the watch was dropped, and everything ends then.
        let _ = self.store.wait_until_ready().await;
    }

    /// An object.
    ///
    /// # Errors
    /// If it was written since it was seen.
    pub fn get(&self, namespace: &str, name: &str) -> Result<Option<Arc<K>>, OperatorError> {
        let key = ObjectRef::new(name).within(namespace);
        let found = self.store.get(&key);
        let version = found.as_ref().and_then(|object| version(object.as_ref())).unwrap_or(0);
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((wrote, at)) = written.get(&key) {
            if version < *wrote && at.elapsed() < PATIENCE {
                return Err(OperatorError::Stale { kind: K::kind(&()).into_owned(), name: name.to_owned() });
            }
            written.remove(&key);
        }
        Ok(found)
    }

    /// All objects for which `wanted` holds.
    pub fn select(&self, wanted: impl Fn(&K) -> bool) -> Vec<Arc<K>> {
        self.store.state_filter(wanted)
    }

    /// Takes note of what the apiserver answered to a write.
    pub fn wrote(&self, object: &K)
    where
        ObjectRef<K>: Hash + Eq,
    {
        if let (Some(namespace), Some(version)) = (object.namespace(), version(object)) {
            let key = ObjectRef::new(&object.name_any()).within(&namespace);
            self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (version, Instant::now()));
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Versions of one kind grow with every write (KEP-5504).
pub fn version(object: &impl ResourceExt) -> Option<u64> {
    object.resource_version()?.parse().ok()
}
