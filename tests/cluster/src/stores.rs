//! An object store beside the cluster, which pods reach by the node's address.

use std::path::PathBuf;

use api::TuningExperiment;
use k8s_openapi::api::core::v1::{Node, Secret};
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt};
use store::{BUCKET, Server};
use tempfile::TempDir;

use crate::Space;

/// Name of the Secret by which it is reached.
pub const SECRET: &str = "store";

/// A store with one bucket.
pub struct Store {
    /// The server.
    pub server: Server,
    files: TempDir,
}

impl Store {
    /// A store that pods of `space` have a Secret for.
    pub async fn start(space: &Space) -> Self {
        let files = tempfile::tempdir().unwrap();
        let server = Server::start("0.0.0.0:0", files.path()).unwrap();
        let data = server.variables(&node_address(space).await).map(|(name, value)| (name.to_owned(), value));
        let mut secret = Secret { string_data: Some(data.into()), ..Secret::default() };
        secret.metadata.name = Some(SECRET.to_owned());
        space.api::<Secret>().create(&PostParams::default(), &secret).await.unwrap();
        Self { server, files }
    }

    /// The file behind a URL `s3://bucket/…`.
    pub fn file(&self, url: &str) -> PathBuf {
        let key = url.strip_prefix(&format!("s3://{BUCKET}/")).unwrap_or_else(|| panic!("{url} is not of {BUCKET}"));
        self.files.path().join(BUCKET).join(key)
    }

    /// The files of a repetition's policy learner that was told to keep them below `s3://bucket/runs`.
    pub fn learner(&self, experiment: &TuningExperiment, repetition: u32) -> PathBuf {
        let own = format!("{}-{}", experiment.name_any(), &experiment.uid().unwrap()[..8]);
        self.file(&format!("s3://{BUCKET}/runs/{own}/repetition-{repetition}"))
    }
}

async fn node_address(space: &Space) -> String {
    let nodes: Api<Node> = Api::all(space.api::<Secret>().into_client());
    let nodes = nodes.list(&ListParams::default()).await.unwrap().items;
    let addresses = nodes.iter().filter_map(|node| node.status.as_ref()?.addresses.as_ref()).flatten();
    let mut internal = addresses.filter(|address| address.type_ == "InternalIP");
    internal.next().expect("a node has an address").address.clone()
}
