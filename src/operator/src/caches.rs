//! What was seen of the cluster, kept up to date by watches, and never believed while it is older than our own writes.
//!
//! Kubernetes' own controllers do the same since 1.36 (KEP-5647): a decision from an old view would be taken twice.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use api::labels;
use futures::StreamExt;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::error::OperatorError;

/// Objects of a list that are read at once, each with all that nobody needs: what a page takes is not soon given back.
const PAGE: u32 = 100;

/// After this time a write that was never seen is no longer waited for: the object may have been removed in between.
const PATIENCE: Duration = Duration::from_secs(10);

/// Objects of one kind.
pub struct Cache<K: Resource<DynamicType = ()> + Clone + 'static> {
    store: Store<K>,
    names: Arc<Names>,
    written: Mutex<HashMap<ObjectRef<K>, (u64, Instant)>>,
}

/// Names of objects by the namespace and the name of their experiment, so that a look at one experiment costs the same
/// whatever others have.
type Names = Mutex<HashMap<(String, String), BTreeSet<String>>>;

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
        let config = watcher::Config::default().labels(selector).page_size(PAGE);
        let stream = watcher(api, config).modify(slim).default_backoff().reflect(writer);
        let names = Arc::new(Names::default());
        let (known, seen) = (Arc::clone(&names), store.clone());
        let follow = stream.for_each(move |event| {
            match event {
                Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                    note(&known, &object, true);
                    changed(&object);
                }
                Ok(watcher::Event::Delete(object)) => {
                    note(&known, &object, false);
                    changed(&object);
                }
                Ok(watcher::Event::Init) => {}
                Ok(watcher::Event::InitDone) => forget(&known, &seen),
                Err(error) => tracing::warn!(kind = %K::kind(&()), %error, "the watch broke off and begins anew"),
            }
            futures::future::ready(())
        });
        (Arc::new(Self { store, names, written: Mutex::default() }), follow)
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

    /// All objects of an experiment.
    pub fn of(&self, namespace: &str, experiment: &str) -> Vec<Arc<K>> {
        let key = (namespace.to_owned(), experiment.to_owned());
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let of_experiment = names.get(&key).into_iter().flatten();
        of_experiment.filter_map(|name| self.store.get(&ObjectRef::new(name).within(namespace))).collect()
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

/// Forgets the names of what went while nobody watched.
fn forget<K: Resource<DynamicType = ()> + Clone + 'static>(names: &Names, seen: &Store<K>) {
    let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
    names.retain(|(namespace, _), of_experiment| {
        of_experiment.retain(|name| seen.get(&ObjectRef::new(name).within(namespace)).is_some());
        !of_experiment.is_empty()
    });
}

/// Takes note of which experiment an object belongs to, or that it is gone.
fn note(names: &Names, object: &impl ResourceExt, is_there: bool) {
    let (Some(namespace), Some(experiment)) = (object.namespace(), object.labels().get(labels::EXPERIMENT)) else {
        return;
    };
    let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (namespace, experiment.clone());
    if is_there {
        names.entry(key).or_default().insert(object.name_any());
    } else if let Some(of_experiment) = names.get_mut(&key) {
        of_experiment.remove(&object.name_any());
        if of_experiment.is_empty() {
            names.remove(&key);
        }
    }
}

/// Versions of one kind grow with every write (KEP-5504).
pub fn version(object: &impl ResourceExt) -> Option<u64> {
    object.resource_version()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use k8s_openapi::api::core::v1::Pod;

    use super::*;

    fn pod(name: &str, experiment: &str) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.name = Some(name.to_owned());
        pod.metadata.namespace = Some("space".to_owned());
        pod.metadata.labels = Some([(labels::EXPERIMENT.to_owned(), experiment.to_owned())].into());
        pod
    }

    #[test]
    fn only_what_is_there_is_known_of_an_experiment() {
        let names = Names::default();
        let (store, mut writer) = reflector::store();
        [("a", "one"), ("b", "one"), ("c", "two"), ("d", "three")]
            .iter()
            .for_each(|(name, experiment)| note(&names, &pod(name, experiment), true));
        note(&names, &pod("c", "two"), false);
        writer.apply_watcher_event(&watcher::Event::Apply(pod("a", "one")));
        forget(&names, &store);
        let known: Vec<_> = names.into_inner().unwrap().into_iter().collect();
        assert_eq!(known, [(("space".to_owned(), "one".to_owned()), BTreeSet::from(["a".to_owned()]))]);
    }
}
