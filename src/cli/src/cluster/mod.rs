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

use tokio::runtime::Runtime;

use crate::results::run::Run;
use crate::{compare, cost, explain, output, report};
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

/// A namespace of a cluster, and what drives talk with it. What is done with a run that was brought has a runtime of its own.
struct Session {
    runtime: Runtime,
    cluster: Cluster,
}

impl Session {
    fn bring(&self, name: &str, Into { into }: &Into) -> anyhow::Result<Run> {
        let folder = into.join(name);
        self.runtime.block_on(export::export(&self.cluster, name, &folder))?;
        Run::load(&folder)
    }

    fn bring_all(&self, names: &[String], into: &Into) -> anyhow::Result<Vec<Run>> {
        names.iter().map(|name| self.bring(name, into)).collect()
    }
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        // The client of the apiserver brings its own otherwise.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Runtime::new()?;
        let cluster = runtime.block_on(self.access.connect())?;
        self.command.run(&Session { runtime, cluster })
    }
}

impl Command {
    fn run(&self, session: &Session) -> anyhow::Result<()> {
        let Session { runtime, cluster } = session;
        match self {
            Self::Status(arguments) => runtime.block_on(arguments.run(cluster)),
            Self::Top(arguments) => runtime.block_on(arguments.run(cluster)),
            Self::Logs(arguments) => runtime.block_on(arguments.run(cluster)),
            Self::Wish(wish) => runtime.block_on(wish.make(cluster)),
            Self::Explain { name, which, into } => which.explain(&session.bring(name, into)?),
            Self::Report { name, json, into } => report::write(&session.bring(name, into)?, *json),
            Self::Compare { names, form, into } => form.print(&session.bring_all(names, into)?),
            Self::Cost { names, json, into } => cost::print(&session.bring_all(names, into)?, *json),
            Self::Export { name, folder } => {
                let folder = folder.clone().unwrap_or_else(|| Path::new("runs").join(name));
                runtime.block_on(export::export(cluster, name, &folder))?;
                output::print(&format!("{}\n", folder.display()))
            }
        }
    }
}
