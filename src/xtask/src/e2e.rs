//! `cargo xtask e2e`: what must hold on a real Kubernetes, from images to the suite.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::bail;
use clap::Args;

use crate::{
    check::report,
    cluster::{self, Kueue},
    command::{cargo, run, step, succeeds, target_directory},
    images::Images,
};

/// GPUs that the node pretends to have; a test counts on it.
const GPUS: u32 = 4;
/// Tests at once, of those that leave the operator alone.
const AT_ONCE: &str = "3";

#[derive(Args)]
pub struct EndToEnd {
    /// Only tests whose names contain this
    filter: Option<String>,
    /// Leave the cluster as it is at the end
    #[arg(long)]
    keep: bool,
}

impl EndToEnd {
    /// Images, cluster, operator, suite; what everything said if something failed.
    pub fn run(&self, root: &Path) -> anyhow::Result<()> {
        // The same profile as the tests', so that nothing is compiled twice.
        if !succeeds(Command::new("prometheus").arg("--version")) {
            bail!("the suite asks a Prometheus about the dashboards: apt-get install prometheus");
        }
        let helm = cluster::helm()?;
        let kueue = Kueue::get(root, &target_directory(root)?.join("images"))?;
        in_cluster(root, "dev", self.keep, |node, cluster| {
            node.load(&kueue.image)?;
            let test = |arguments: &[&str]| {
                let mut command = cargo(root);
                // Of the whole workspace, whose libraries are built already: alone it would have others.
                command.args(["test", "--workspace", "--test", "suite", "--"]).args(arguments);
                run(command.envs(cluster.clone()).env("HELM", &helm).env("KUEUE_CHART", &kueue.chart))
            };
            if let Some(filter) = &self.filter {
                return test(&["--test-threads", "1", filter]);
            }
            // Those that kill or replace the operator, count what it does, or have others admit pods, have all for themselves.
            let alone = ["operator::", "chart::", "queues::"];
            let skipped = alone.iter().flat_map(|part| ["--skip", *part]);
            let others: Vec<&str> = ["--test-threads", AT_ONCE].into_iter().chain(skipped).collect();
            let mut parts = vec![("suite", test(&others))];
            parts.extend(alone.map(|part| (part.trim_end_matches(":"), test(&["--test-threads", "1", part]))));
            report(&parts)
        })
    }
}

/// Where a cluster is, as environment variables.
type Environment = [(&'static str, PathBuf); 2];

/// Does something in a cluster in which the operator runs, built with a profile.
pub fn in_cluster(
    root: &Path,
    profile: &str,
    keep: bool,
    what: impl FnOnce(&cluster::Node, Environment) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let target = target_directory(root)?;
    let folder = target.join("cluster");
    let images = Images::for_tests(profile, &target.join("images/tars")).run(root)?;
    let node = cluster::up(root, &folder, GPUS)?;
    let kubeconfig = node.kubeconfig();
    let environment = [("KUBECONFIG", kubeconfig.clone()), ("TRAINPILOT_TEST_VOLUMES", folder.join("volumes"))];
    let outcome = install(root, &node, &images).and_then(|()| what(&node, environment));
    if outcome.is_err() {
        tell(&kubeconfig);
    }
    if !keep {
        cluster::down(&folder)?;
    }
    outcome
}

fn install(root: &Path, node: &cluster::Node, images: &[PathBuf]) -> anyhow::Result<()> {
    step("loading the images");
    images.iter().try_for_each(|image| node.load(image))?;
    let kubeconfig = node.kubeconfig();
    run(kubectl(&kubeconfig).current_dir(root).args(["apply", "--server-side", "--kustomize", "deploy"]))?;
    let started = ["rollout", "status", "deployment/trainpilot-operator", "--namespace=trainpilot", "--timeout=60s"];
    run(kubectl(&kubeconfig).args(started))
}

/// What the operator said last, and what happened.
fn tell(kubeconfig: &Path) {
    let operator = "app.kubernetes.io/name=trainpilot-operator";
    for arguments in [
        &["logs", "--namespace=trainpilot", "--tail=100", "--prefix", "--selector", operator][..],
        &["get", "tuningexperiments,jobs,statefulsets,pods", "--all-namespaces"],
        &["get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"],
    ] {
        let _ = run(kubectl(kubeconfig).args(arguments));
    }
}

fn kubectl(kubeconfig: &Path) -> Command {
    let mut command = Command::new("kubectl");
    command.env("KUBECONFIG", kubeconfig);
    command
}
