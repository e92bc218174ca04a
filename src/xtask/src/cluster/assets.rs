//! The programs that a cluster is made of: found, unpacked, or built from pinned Go modules.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{
    command::{run, step, succeeds},
    setup::cache_of_the_shell,
};

/// Names the folder with ready-made binaries, as they are or packed with xz.
const VARIABLE: &str = "KUBE_ASSETS";

/// Programs, and the Debian packages that bring them.
const PACKAGES: [(&str, &str); 11] = [
    ("etcd", "etcd-server"),
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("ip", "iproute2"),
    ("openssl", "openssl"),
    ("curl", "curl"),
    ("xz", "xz-utils"),
    ("buildah", "buildah"),
];

/// The cluster's DNS.
const COREDNS: &str = "github.com/coredns/coredns@v1.15.0";

/// What plays the kubelets of pretended nodes.
const KWOK: &str = "sigs.k8s.io/kwok/cmd/kwok@v0.8.0";

/// What installs charts.
const HELM: &str = "helm.sh/helm/v3/cmd/helm@v3.22.0";

/// Where the plugins that give pods their addresses lie.
pub const CNI: &str = "/usr/lib/cni";

/// Kubernetes' own programs in one, and the cluster's DNS.
pub struct Assets {
    pub kubernetes: PathBuf,
    pub coredns: PathBuf,
}

impl Assets {
    /// Finds or builds what is missing; what the machine must bring is asked for in one sentence.
    pub fn get(root: &Path) -> anyhow::Result<Self> {
        check_packages()?;
        let cache = cache()?;
        let kubernetes = asset("kubetest", &cache, |to| {
            let mut go = Command::new("go");
            go.current_dir(root.join("tests/cluster/kubernetes")).args(["build", "-trimpath", "-ldflags", LINK, "-o"]);
            build("kubetest", to, go.arg(to).arg("./kubetest"))
        })?;
        let coredns = asset("coredns", &cache, |to| {
            build("coredns", to, Command::new("go").env("GOBIN", &cache).args(["install", COREDNS]))
        })?;
        Ok(Self { kubernetes, coredns })
    }
}

/// Finds or builds KWOK, which only benchmarks need.
pub fn kwok() -> anyhow::Result<PathBuf> {
    let cache = cache()?;
    asset("kwok", &cache, |to| build("kwok", to, Command::new("go").env("GOBIN", &cache).args(["install", KWOK])))
}

/// Finds or builds Helm.
pub fn helm() -> anyhow::Result<PathBuf> {
    let cache = cache()?;
    asset("helm", &cache, |to| build("helm", to, Command::new("go").env("GOBIN", &cache).args(["install", HELM])))
}

/// Finds or builds Kueue's controller; `module` is the folder of its module, whose own replacements count.
pub fn kueue(module: &Path) -> anyhow::Result<PathBuf> {
    asset("kueue", &cache()?, |to| {
        let mut go = Command::new("go");
        build(
            "kueue",
            to,
            go.current_dir(module).args(["build", "-trimpath", "-ldflags", "-s -w", "-o"]).arg(to).arg("./cmd/kueue"),
        )
    })
}

fn cache() -> anyhow::Result<PathBuf> {
    let cache = cache_of_the_shell()?.join("kubernetes");
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    Ok(cache)
}

fn check_packages() -> anyhow::Result<()> {
    let missing = |(program, _): &(&str, &str)| find(program).is_none();
    let mut packages: Vec<&str> = PACKAGES.iter().filter(|pair| missing(pair)).map(|(_, package)| *package).collect();
    if !Path::new(CNI).join("bridge").exists() {
        packages.push("containernetworking-plugins");
    }
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    bail!("a test cluster needs more than is here: apt-get install {}", packages.join(" "))
}

fn asset(name: &str, cache: &Path, build: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<PathBuf> {
    let given = env::var_os(VARIABLE).map(PathBuf::from);
    if let Some(path) = given.as_deref().map(|folder| folder.join(name)).filter(|path| path.is_file()) {
        return Ok(path);
    }
    if let Some(path) = find(name) {
        return Ok(path);
    }
    let kept = cache.join(name);
    if kept.is_file() {
        return Ok(kept);
    }
    match given.map(|folder| folder.join(format!("{name}.xz"))).filter(|path| path.is_file()) {
        Some(packed) => unpack(&packed, &kept)?,
        None => build(&kept)?,
    }
    Ok(kept)
}

fn unpack(packed: &Path, to: &Path) -> anyhow::Result<()> {
    let partial = to.with_extension("partial");
    let file = fs::File::create(&partial).with_context(|| format!("cannot write {}", partial.display()))?;
    run(Command::new("xz").args(["--decompress", "--stdout"]).arg(packed).stdout(file))?;
    fs::set_permissions(&partial, fs::Permissions::from_mode(0o755))?;
    Ok(fs::rename(&partial, to)?)
}

/// Has Go make a program.
fn build(name: &str, to: &Path, go: &mut Command) -> anyhow::Result<()> {
    if !succeeds(Command::new("go").arg("version")) {
        bail!("{name} is neither in {VARIABLE} nor on PATH, and Go, which would build it, is not installed");
    }
    step(&format!("building {name} (some minutes, once)"));
    run(go.env("CGO_ENABLED", "0"))?;
    if to.is_file() { Ok(()) } else { bail!("building {name} did not leave {}", to.display()) }
}

/// Without it Kubernetes says that it is version 0, and refuses its own nodes. In step with go.mod.
const LINK: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.34.4 -X k8s.io/component-base/version.gitMajor=1 \
                    -X k8s.io/component-base/version.gitMinor=34";

fn find(program: &str) -> Option<PathBuf> {
    let places = env::split_paths(&env::var_os("PATH")?).collect::<Vec<_>>();
    places
        .into_iter()
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
