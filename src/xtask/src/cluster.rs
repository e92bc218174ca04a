//! `cargo xtask cluster`: a real Kubernetes on this machine, of one node with real containers, or one that exists already.

mod assets;
mod certificates;
mod kernel;
mod kueue;
mod leftovers;
mod node;
mod pause;
mod processes;
mod volumes;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;
use clap::{Args, Subcommand};

use self::{assets::Assets, node::PARTS};
pub use self::{assets::helm, kueue::Kueue, node::Node};
use crate::command::{run, step, target_directory};

#[derive(Args)]
pub struct Cluster {
    #[command(subcommand)]
    verb: Verb,
    /// Where everything of it lies [default: cluster in the target folder]
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Verb {
    /// Start it (as root); prints what to set KUBECONFIG to
    Up {
        /// GPUs that the node pretends to have
        #[arg(long, default_value_t = 4)]
        gpus: u32,
    },
    /// Stop it and leave nothing
    Down,
    /// Import images from files, as `cargo xtask images --save` leaves them
    Load {
        /// The files
        #[arg(required = true)]
        images: Vec<PathBuf>,
        /// Load them into the kind cluster of this kubectl context instead
        #[arg(long)]
        context: Option<String>,
    },
    /// Say which parts run
    Status,
}

impl Cluster {
    pub fn run(&self, root: &Path) -> anyhow::Result<()> {
        let folder = match &self.dir {
            Some(folder) => std::path::absolute(folder)?,
            None => target_directory(root)?.join("cluster"),
        };
        match &self.verb {
            Verb::Up { gpus } => {
                let node = up(root, &folder, *gpus)?;
                println!("KUBECONFIG={}", node.kubeconfig().display());
                Ok(())
            }
            Verb::Down => down(&folder),
            Verb::Load { images, context: None } => {
                let node = Node::at(&folder)?;
                images.iter().try_for_each(|image| node.load(image))
            }
            Verb::Load { images, context: Some(context) } => {
                let Some(name) = context.strip_prefix("kind-") else {
                    bail!(
                        "--context is {context:?}: expected kind-NAME; into other clusters images are pushed by a registry"
                    );
                };
                images.iter().try_for_each(|image| {
                    run(Command::new("kind").args(["load", "image-archive", "--name", name]).arg(image))
                })
            }
            Verb::Status => status(&folder),
        }
    }
}

/// Starts a node, unless it runs.
pub fn up(root: &Path, folder: &Path, gpus: u32) -> anyhow::Result<Node> {
    let assets = Assets::get(root)?;
    let node = Node::at(folder)?;
    match node.running().len() {
        0 => {
            step("starting a node");
            if let Err(error) = node.start(&assets, gpus) {
                step("it did not start; its logs are kept");
                return Err(error);
            }
            Ok(node)
        }
        count if count == PARTS.len() => Ok(node),
        _ => bail!("a part of a node runs in {}: `cargo xtask cluster down` first", folder.display()),
    }
}

/// Has nodes pretended beside the real one, by thousands of pods if need be; each is annotated for it by whoever makes it.
pub fn pretend(root: &Path, node: &Node) -> anyhow::Result<()> {
    node.pretend(&assets::kwok()?, &root.join("tests/cluster/kubernetes/stages.yaml"))
}

/// Stops a node, if there is one.
pub fn down(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() { Node::at(folder)?.stop() } else { Ok(()) }
}

fn status(folder: &Path) -> anyhow::Result<()> {
    let running = if folder.exists() { Node::at(folder)?.running() } else { Vec::new() };
    for part in PARTS {
        println!("{part:<12} {}", if running.contains(&part) { "runs" } else { "does not run" });
    }
    if running.len() == PARTS.len() { Ok(()) } else { bail!("not all of it runs") }
}
