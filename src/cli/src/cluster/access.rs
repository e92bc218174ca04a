//! Which cluster, as whom, and in which namespace; and what to say where that does not work.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use api::TuningExperiment;
use k8s_openapi::NamespaceResourceScope;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Resource};

use crate::failure::BadInput;

/// Which cluster, as whom, and in which namespace: as kubectl knows them.
#[derive(Debug, clap::Args)]
pub(super) struct Access {
    /// Namespace [default: that of the context]
    #[arg(long, short, global = true)]
    namespace: Option<String>,
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, global = true)]
    context: Option<String>,
    /// Kubeconfig [default: what KUBECONFIG names, else ~/.kube/config, else the pod's own]
    #[arg(long, value_name = "FILE", global = true)]
    kubeconfig: Option<PathBuf>,
    /// User to impersonate
    #[arg(long = "as", value_name = "USER", global = true)]
    user: Option<String>,
}

/// A namespace of a cluster.
pub(super) struct Cluster {
    pub(super) client: Client,
    pub(super) namespace: String,
}

impl Access {
    /// A client; nothing is asked of the cluster yet.
    ///
    /// # Errors
    /// [`BadInput`] if no cluster is configured.
    pub(super) async fn connect(&self) -> anyhow::Result<Cluster> {
        let mut config = self.config().await?;
        if let Some(user) = &self.user {
            config.auth_info.impersonate = Some(user.clone());
        }
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).context("can't make a client for the cluster")?;
        Ok(Cluster { client, namespace })
    }

    async fn config(&self) -> anyhow::Result<Config> {
        let unconfigured = |error: &dyn std::error::Error| BadInput(format!("no cluster is configured: {error}"));
        if self.context.is_none() && self.kubeconfig.is_none() {
            return Ok(Config::infer().await.map_err(|error| unconfigured(&error))?);
        }
        let kubeconfig = match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let kubeconfig = kubeconfig.map_err(|error| unconfigured(&error))?;
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        Ok(Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| unconfigured(&error))?)
    }
}

impl Cluster {
    /// Objects of a kind in the namespace.
    pub(super) fn api<K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// An experiment as it is now.
    ///
    /// # Errors
    /// [`BadInput`] if there is none of the name; others in a sentence that says what is missing.
    pub(super) async fn experiment(&self, name: &str) -> anyhow::Result<TuningExperiment> {
        let api: Api<TuningExperiment> = self.api();
        match api.get_opt(name).await.map_err(|error| self.refused("read TuningExperiments", error))? {
            Some(experiment) => Ok(experiment),
            // Where the kind is unknown nothing is found either.
            None => {
                api.list_metadata(&kube::api::ListParams::default().limit(1))
                    .await
                    .map_err(|error| self.refused("list TuningExperiments", error))?;
                Err(BadInput(format!("there is no experiment {name} in namespace {}", self.namespace)).into())
            }
        }
    }

    /// Why something was not done, in the words of whoever wanted it.
    pub(super) fn refused(&self, what: &str, error: kube::Error) -> anyhow::Error {
        match error {
            kube::Error::Api(status) if status.code == 403 => {
                anyhow!("you may not {what} in namespace {}: {}", self.namespace, status.message)
            }
            kube::Error::Api(status) if status.code == 401 => {
                anyhow!("the cluster does not know who you are: {}", status.message)
            }
            kube::Error::Api(status) if status.code == 404 && status.message.contains("page not found") => {
                anyhow!("the cluster knows no TuningExperiments: trainpilot is not installed there")
            }
            kube::Error::Api(status) => anyhow!("can't {what}: {}", status.message),
            error => {
                anyhow::Error::new(error).context(format!("can't {what}: the cluster does not answer as it should"))
            }
        }
    }
}
