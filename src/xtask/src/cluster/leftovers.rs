//! What a node leaves behind in the kernel and on disk, and how it is removed.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::Context as _;

use crate::command::{output, succeeds};

/// Removes mounts, network namespaces, the bridge, the address of DNS, rules of the firewall, and the folder.
pub fn remove(folder: &Path, dns: &str) -> anyhow::Result<()> {
    let mounts = fs::read_to_string("/proc/mounts").context("cannot read the mounts")?;
    let mut points: Vec<&str> = mounts.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    // The innermost first.
    points.sort_unstable_by(|a, b| b.cmp(a));
    points.dedup();
    for point in points {
        let namespace = point.contains("/netns/cni-");
        if namespace || Path::new(point).starts_with(folder) {
            let _ = succeeds(Command::new("umount").args(["--lazy", point]));
        }
        if namespace {
            let _ = fs::remove_file(point);
        }
    }
    let _ = succeeds(Command::new("ip").args(["link", "delete", "cni0"]));
    let _ = succeeds(Command::new("ip").args(["address", "delete", &format!("{dns}/32"), "dev", "lo"]));
    for (save, restore) in [("iptables-save", "iptables-restore"), ("ip6tables-save", "ip6tables-restore")] {
        remove_rules(save, restore)?;
    }
    let _ = fs::remove_dir_all("/var/lib/cni/networks/pods");
    fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))
}

/// Everything that Kubernetes put into the firewall has its name in it.
fn remove_rules(save: &str, restore: &str) -> anyhow::Result<()> {
    let rules = output(&mut Command::new(save)).unwrap_or_default();
    let rules = String::from_utf8_lossy(&rules).into_owned();
    if !rules.contains("KUBE-") {
        return Ok(());
    }
    let kept: String = rules.lines().filter(|line| !line.contains("KUBE-")).map(|line| format!("{line}\n")).collect();
    let mut child =
        Command::new(restore).stdin(Stdio::piped()).spawn().with_context(|| format!("cannot start {restore}"))?;
    child.stdin.take().context("it has an input")?.write_all(kept.as_bytes())?;
    child.wait()?;
    Ok(())
}
