//! Settings of the kernel that a node changes for the whole machine: what they were is written down before, and put back.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;

/// What kubelet, kube-proxy and the bridge of the pods set, below /proc/sys.
const SETTINGS: [&str; 12] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/route_localnet",
    "net/ipv4/vs/conntrack",
    "net/netfilter/nf_conntrack_max",
    "net/netfilter/nf_conntrack_tcp_timeout_established",
    "net/netfilter/nf_conntrack_tcp_timeout_close_wait",
];

/// Writes down what they are.
pub fn remember(file: &Path) -> anyhow::Result<()> {
    let value = |name: &str| Some((name.to_owned(), fs::read_to_string(place(name)).ok()?.trim().to_owned()));
    let values: BTreeMap<String, String> = SETTINGS.into_iter().filter_map(value).collect();
    fs::write(file, serde_json::to_string(&values)?).with_context(|| format!("cannot write {}", file.display()))
}

/// Puts back what was written down, if anything was.
pub fn restore(file: &Path) -> anyhow::Result<()> {
    let Ok(text) = fs::read_to_string(file) else { return Ok(()) };
    let values: BTreeMap<String, String> = serde_json::from_str(&text)?;
    for (name, value) in values {
        let path = place(&name);
        let now = fs::read_to_string(&path).unwrap_or_default();
        if now.trim() != value {
            fs::write(&path, &value).with_context(|| format!("cannot set {name} back to {value}"))?;
        }
    }
    Ok(())
}

fn place(name: &str) -> String {
    format!("/proc/sys/{name}")
}
