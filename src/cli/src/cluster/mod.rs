//! `kubectl trainpilot …`, also as `trainpilot cluster …`: experiments on a cluster, looked at and changed with the rights of
//! whoever asks. Nothing here is needed for an experiment to go on.
//!
//! Start reading at [`Command`]. [`access`] finds the cluster and says what is wrong where it can't be used; what needs the
//! dataset brings it here first ([`export`]) and goes on as if the run had been made on this machine.

mod access;
mod export;
mod inside;
mod logs;
mod reader;
mod status;
mod top;
mod wishes;

use std::path::{Path, PathBuf};

use crate::results::run::Run;
use crate::{compare, cost, explain, report};
use access::{Access, Cluster};

/// Arguments of `cluster`, and of the program as a plugin of kubectl.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    access: Access,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Status(status::Arguments),
    Top(top::Arguments),
    Logs(logs::Arguments),
    /// Say why a policy decided as it did: what it saw, its probabilities, and what came of it
    Explain {
        /// Experiment
        name: String,
        #[command(flatten)]
        which: explain::Which,
        #[command(flatten)]
        into: Into,
    },
    /// Write one HTML page on an experiment, with pictures
    Report {
        /// Experiment
        name: String,
        /// Print the figures as JSON and write no page
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        into: Into,
    },
    /// Put finished experiments on the same task beside one another
    Compare {
        /// Experiments; the others are compared with the first
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
        #[command(flatten)]
        form: compare::Form,
        #[command(flatten)]
        into: Into,
    },
    /// Say what experiments have spent on trainings: full-training equivalents, hours, and hours of devices
    Cost {
        /// Experiments
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
        /// Print JSON in place of the table
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        into: Into,
    },
    /// Bring dataset, policies and world models here, as the folder of a run that all other commands take
    Export {
        /// Experiment
        name: String,
        /// Folder [default: runs/NAME]
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    #[command(flatten)]
    Wish(wishes::Wish),
}

/// Where runs are brought that have to be read here.
#[derive(Debug, clap::Args)]
struct Into {
    /// Folder below which each experiment is brought into a folder of its name
    #[arg(long, value_name = "DIR", default_value = "runs")]
    into: PathBuf,
}

impl Into {
    async fn bring(&self, cluster: &Cluster, names: &[String]) -> anyhow::Result<Vec<Run>> {
        let mut runs = Vec::new();
        for name in names {
            let folder = self.into.join(name);
            export::export(cluster, name, &folder).await?;
            runs.push(Run::load(&folder)?);
        }
        Ok(runs)
    }

    async fn bring_one(&self, cluster: &Cluster, name: &str) -> anyhow::Result<Run> {
        let folder = self.into.join(name);
        export::export(cluster, name, &folder).await?;
        Run::load(&folder)
    }
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        // The client of the apiserver brings its own otherwise.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(async {
            let cluster = self.access.connect().await?;
            self.command.run(&cluster).await
        })
    }
}

impl Command {
    async fn run(&self, cluster: &Cluster) -> anyhow::Result<()> {
        match self {
            Self::Status(arguments) => arguments.run(cluster).await,
            Self::Top(arguments) => arguments.run(cluster).await,
            Self::Logs(arguments) => arguments.run(cluster).await,
            Self::Wish(wish) => wish.make(cluster).await,
            Self::Explain { name, which, into } => which.explain(&into.bring_one(cluster, name).await?),
            Self::Report { name, json, into } => report::write(&into.bring_one(cluster, name).await?, *json),
            Self::Compare { names, form, into } => form.print(&into.bring(cluster, names).await?),
            Self::Cost { names, json, into } => cost::print(&into.bring(cluster, names).await?, *json),
            Self::Export { name, folder } => {
                let folder = folder.clone().unwrap_or_else(|| Path::new("runs").join(name));
                export::export(cluster, name, &folder).await?;
                crate::output::print(&format!("{}\n", folder.display()))
            }
        }
    }
}
