//! The only way to write to the cluster: as the leader, under one name.

use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;

use crate::error::OperatorError;
use crate::figures::Figures;

/// Whom the apiserver knows as the owner of the fields that we write.
pub const FIELD_MANAGER: &str = "trainpilot-operator";

/// An object that we make.
pub trait Made:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()>
    + Serialize
    + DeserializeOwned
    + Clone
    + Debug
    + Send
    + Sync
    + 'static
{
}

impl<K> Made for K where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Serialize
        + DeserializeOwned
        + Clone
        + Debug
        + Send
        + Sync
        + 'static
{
}

/// Writes, as long as this replica leads.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    leading: watch::Receiver<bool>,
    figures: Arc<Figures>,
}

impl Writer {
    /// A writer that refuses while `leading` is false.
    pub fn new(client: Client, leading: watch::Receiver<bool>, figures: Arc<Figures>) -> Self {
        Self { client, leading, figures }
    }

    /// For reading.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Makes or changes an object of ours, whole.
    pub async fn apply<K: Made>(&self, object: &K) -> Result<K, OperatorError> {
        let patch = Patch::Apply(object);
        let name = object.name_any();
        self.leads()?;
        let api = self.api::<K>(object.namespace().as_deref().unwrap_or_default());
        let done = api.patch(&name, &PatchParams::apply(FIELD_MANAGER).force(), &patch).await;
        self.counted::<K, _>("apply", &name, done)
    }

    /// Makes an object if there is none of its name; says whether it did.
    pub async fn create<K: Made>(&self, object: &K) -> Result<bool, OperatorError> {
        self.leads()?;
        let api = self.api::<K>(object.namespace().as_deref().unwrap_or_default());
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        match self.tried::<K, _>("create", api.create(&parameters, object).await) {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(failed::<K>("create", &object.name_any(), error)),
        }
    }

    /// Changes some fields of an object.
    pub async fn merge<K>(&self, object: &K, change: &Value) -> Result<K, OperatorError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + DeserializeOwned + Clone + Debug,
    {
        self.leads()?;
        let (api, name) = (self.api::<K>(object.namespace().as_deref().unwrap_or_default()), object.name_any());
        // Somebody else may have put another object of the same name in its place.
        let mut change = change.clone();
        change["metadata"]["uid"] = object.uid().into();
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let done = api.patch(&name, &parameters, &Patch::Merge(change)).await;
        self.counted::<K, _>("change", &name, done)
    }

    /// Writes a status, whole.
    pub async fn status<K>(&self, object: &K, status: &Value) -> Result<K, OperatorError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + DeserializeOwned + Clone + Debug,
    {
        self.leads()?;
        let (api, name) = (self.api::<K>(object.namespace().as_deref().unwrap_or_default()), object.name_any());
        let whole = serde_json::json!({
            "apiVersion": K::api_version(&()), "kind": K::kind(&()),
            "metadata": {"name": name, "uid": object.uid()}, "status": status,
        });
        let done = api.patch_status(&name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(whole)).await;
        let done = self.tried::<K, _>("status", done);
        done.map_err(|error| failed::<K>("write the status of", &name, error))
    }

    /// Deletes that very object, and in the background what it owns. That it is gone already is no error.
    pub async fn delete<K>(&self, object: &K) -> Result<(), OperatorError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + DeserializeOwned + Clone + Debug,
    {
        self.leads()?;
        let (api, name) = (self.api::<K>(object.namespace().as_deref().unwrap_or_default()), object.name_any());
        let parameters = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Background),
            preconditions: Some(Preconditions { uid: object.uid(), ..Preconditions::default() }),
            ..DeleteParams::default()
        };
        match self.tried::<K, _>("delete", api.delete(&name, &parameters).await) {
            Ok(_) => Ok(()),
            // Gone, or another one by now.
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
            Err(error) => Err(failed::<K>("delete", &name, error)),
        }
    }

    /// Objects of a namespace.
    pub fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    fn counted<K, T>(&self, verb: &'static str, name: &str, done: kube::Result<T>) -> Result<T, OperatorError>
    where
        K: Resource<DynamicType = ()>,
    {
        self.tried::<K, T>(verb, done).map_err(|error| failed::<K>(verb, name, error))
    }

    /// Counts a request.
    fn tried<K: Resource<DynamicType = ()>, T>(&self, verb: &str, done: kube::Result<T>) -> kube::Result<T> {
        let outcome = match &done {
            Ok(_) => "done".to_owned(),
            Err(kube::Error::Api(status)) => status.code.to_string(),
            Err(_) => "unanswered".to_owned(),
        };
        self.figures.wrote(verb, &K::kind(&()), &outcome);
        done
    }

    fn leads(&self) -> Result<(), OperatorError> {
        if *self.leading.borrow() { Ok(()) } else { Err(OperatorError::NotLeading) }
    }
}

/// That something could not be done to an object.
pub fn failed<K: Resource<DynamicType = ()>>(verb: &'static str, name: &str, error: kube::Error) -> OperatorError {
    let kind = K::kind(&()).into_owned();
    OperatorError::Api { verb, kind, name: name.to_owned(), source: Box::new(error) }
}
