//! One real node: etcd, the control plane, a kubelet with real containers, and DNS.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};
use serde_json::json;

use super::{
    assets::{Assets, CNI},
    certificates, kernel, pause,
    processes::Processes,
    volumes,
};
use crate::command::{output, run_unannounced, succeeds};

const API_PORT: u16 = 6443;
const SERVICES: &str = "10.96.0.0/16";
const DNS: &str = "10.96.0.10";
const PODS: &str = "10.244.0.0/24";
/// The parts in the order in which they are started.
pub const PARTS: [&str; 8] =
    ["etcd", "apiserver", "controllers", "scheduler", "containerd", "kubelet", "proxy", "coredns"];
/// The program that plays the kubelets of pretended nodes, where there is one.
const PRETENDER: &str = "kwok";

/// A node, and where everything of it lies.
pub struct Node {
    folder: PathBuf,
    processes: Processes,
}

impl Node {
    /// The node of a folder.
    pub fn at(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self { folder: folder.to_owned(), processes: Processes::new(folder)? })
    }

    /// The parts that run.
    pub fn running(&self) -> Vec<&'static str> {
        PARTS.into_iter().filter(|part| self.processes.runs(part)).collect()
    }

    /// What clients are told.
    pub fn kubeconfig(&self) -> PathBuf {
        self.path("pki/admin.conf")
    }

    /// Starts everything; the node offers `gpus` pretended GPUs.
    pub fn start(&self, assets: &Assets, gpus: u32) -> anyhow::Result<()> {
        for name in ["pki", "etcd", "kubelet", "containerd/root", "containerd/state", "cni"] {
            fs::create_dir_all(self.path(name))
                .with_context(|| format!("cannot make {}", self.path(name).display()))?;
        }
        kernel::remember(&self.path("kernel.json"))?;
        let address = own_address()?;
        certificates::make(&self.path("pki"), &address, API_PORT)?;
        self.start_control_plane(assets, &address)?;
        self.start_containers()?;
        self.start_kubelet(assets)?;
        self.start_network(assets)?;
        let ready = || self.ask("/api/v1/nodes/node1").is_some_and(|node| is_ready(&node));
        self.processes.wait_for("a ready node", "kubelet", ready)?;
        let account = || self.ask("/api/v1/namespaces/default/serviceaccounts/default").is_some();
        self.processes.wait_for("the default service account", "controllers", account)?;
        let capacity = json!({"status": {"capacity": {"nvidia.com/gpu": gpus.to_string()}}});
        self.send("PATCH", "/api/v1/nodes/node1/status", &capacity)?;
        let volumes = volumes::make(&self.path("volumes"))?;
        volumes.iter().try_for_each(|volume| self.send("POST", "/api/v1/persistentvolumes", volume))
    }

    fn start_control_plane(&self, assets: &Assets, address: &str) -> anyhow::Result<()> {
        let pki = |name: &str| self.path("pki").join(name).to_string_lossy().into_owned();
        let mut etcd = Command::new("etcd");
        etcd.arg("--data-dir").arg(self.path("etcd")).args([
            "--unsafe-no-fsync",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--initial-advertise-peer-urls=http://127.0.0.1:2380",
            "--initial-cluster=default=http://127.0.0.1:2380",
        ]);
        self.processes.start("etcd", &mut etcd)?;
        let mut apiserver = part(assets, "kube-apiserver");
        apiserver.args([
            "--etcd-servers=http://127.0.0.1:2379".to_owned(),
            format!("--service-cluster-ip-range={SERVICES}"),
            format!("--tls-cert-file={}", pki("apiserver.crt")),
            format!("--tls-private-key-file={}", pki("apiserver.key")),
            format!("--client-ca-file={}", pki("ca.crt")),
            format!("--kubelet-client-certificate={}", pki("admin.crt")),
            format!("--kubelet-client-key={}", pki("admin.key")),
            format!("--kubelet-certificate-authority={}", pki("ca.crt")),
            format!("--service-account-key-file={}", pki("accounts.pub")),
            format!("--service-account-signing-key-file={}", pki("accounts.key")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            "--allow-privileged".to_owned(),
            format!("--secure-port={API_PORT}"),
            format!("--advertise-address={address}"),
            // Clients that would rather be told a list than ask for it wait for ever on an etcd as old as Debian's.
            "--feature-gates=WatchList=false".to_owned(),
            // The node's name is in no DNS.
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
        ]);
        self.processes.start("apiserver", &mut apiserver)?;
        self.processes.wait_for("an apiserver that answers", "apiserver", || self.ask("/readyz").is_some())?;
        let mut controllers = part(assets, "kube-controller-manager");
        controllers.args([
            format!("--kubeconfig={}", pki("controllers.conf")),
            format!("--service-account-private-key-file={}", pki("accounts.key")),
            format!("--root-ca-file={}", pki("ca.crt")),
            "--use-service-account-credentials".to_owned(),
            "--leader-elect=false".to_owned(),
            "--concurrent-job-syncs=20".to_owned(),
            "--kube-api-qps=1000".to_owned(),
            "--kube-api-burst=1000".to_owned(),
        ]);
        self.processes.start("controllers", &mut controllers)?;
        let mut scheduler = part(assets, "kube-scheduler");
        scheduler.arg(format!("--kubeconfig={}", pki("scheduler.conf")));
        scheduler.args(["--leader-elect=false", "--kube-api-qps=1000", "--kube-api-burst=1000"]);
        self.processes.start("scheduler", &mut scheduler)
    }

    fn start_containers(&self) -> anyhow::Result<()> {
        let network = json!({"cniVersion": "0.4.0", "name": "pods", "plugins": [{
            "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]},
        }]});
        fs::write(self.path("cni/10-bridge.conflist"), network.to_string())?;
        let folder = self.path("containerd");
        let folder = folder.display();
        // A root without CAP_SYS_RESOURCE can't protect its sandboxes from running out of memory.
        let config = format!(
            "version = 2\nroot = \"{folder}/root\"\nstate = \"{folder}/state\"\n\
             [grpc]\n  address = \"{folder}/containerd.sock\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\"]\n  sandbox_image = \"{image}\"\n  restrict_oom_score_adj = true\n\
             [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n  runtime_type = \"io.containerd.runc.v2\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\".cni]\n  bin_dir = \"{CNI}\"\n  conf_dir = \"{cni}\"\n",
            image = pause::IMAGE,
            cni = self.path("cni").display(),
        );
        fs::write(self.path("containerd/config.toml"), config)?;
        let mut containerd = Command::new("containerd");
        self.processes.start("containerd", containerd.arg("--config").arg(self.path("containerd/config.toml")))?;
        self.processes.wait_for("containerd", "containerd", || succeeds(self.ctr().arg("version")))?;
        let pause = self.path("pause.tar");
        pause::make(&pause)?;
        self.load(&pause)
    }

    fn start_kubelet(&self, assets: &Assets) -> anyhow::Result<()> {
        let pki = |name: &str| self.path("pki").join(name).to_string_lossy().into_owned();
        let config = json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": format!("unix://{}", self.path("containerd/containerd.sock").display()),
            "cgroupDriver": "cgroupfs", "failSwapOn": false, "failCgroupV1": false,
            "clusterDNS": [DNS], "clusterDomain": "cluster.local", "resolvConf": "/etc/resolv.conf",
            "authentication": {"anonymous": {"enabled": false}, "webhook": {"enabled": true}, "x509": {"clientCAFile": pki("ca.crt")}},
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": pki("node.crt"), "tlsPrivateKeyFile": pki("node.key"),
            "maxPods": 200,
            // Images that nobody could pull again are never thrown away, however full the disk is.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        });
        fs::write(self.path("kubelet.json"), config.to_string())?;
        let mut kubelet = part(assets, "kubelet");
        kubelet.arg("--config").arg(self.path("kubelet.json")).arg("--root-dir").arg(self.path("kubelet"));
        kubelet.args([format!("--kubeconfig={}", pki("node.conf")), "--hostname-override=node1".to_owned()]);
        self.processes.start("kubelet", &mut kubelet)
    }

    fn start_network(&self, assets: &Assets) -> anyhow::Result<()> {
        let config = self.path("pki/proxy.conf");
        let mut proxy = part(assets, "kube-proxy");
        proxy.arg("--kubeconfig").arg(config).args(["--proxy-mode=iptables", "--hostname-override=node1"]);
        self.processes.start("proxy", proxy.arg("--cluster-cidr=10.244.0.0/16"))?;
        run_unannounced(Command::new("ip").args(["address", "replace", &format!("{DNS}/32"), "dev", "lo"]))?;
        let corefile = format!(
            ".:53 {{\n  bind {DNS}\n  errors\n  kubernetes cluster.local {{\n    kubeconfig {}\n    pods insecure\n    ttl 2\n  }}\n}}\n",
            self.kubeconfig().display()
        );
        fs::write(self.path("Corefile"), corefile)?;
        let mut coredns = Command::new(&assets.coredns);
        self.processes.start("coredns", coredns.arg("-conf").arg(self.path("Corefile")))
    }

    /// Has KWOK play the kubelet of every node that is annotated for it: its pods come about and go as `stages` say, and
    /// nothing is run for them.
    pub fn pretend(&self, kwok: &Path, stages: &Path) -> anyhow::Result<()> {
        if self.processes.runs(PRETENDER) {
            return Ok(());
        }
        let mut pretender = Command::new(kwok);
        pretender.arg("--kubeconfig").arg(self.kubeconfig()).arg("--config").arg(stages).args([
            "--manage-all-nodes=false",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            "--node-lease-duration-seconds=40",
        ]);
        self.processes.start(PRETENDER, &mut pretender)
    }

    /// Imports an image from a file.
    pub fn load(&self, image: &Path) -> anyhow::Result<()> {
        run_unannounced(self.ctr().args(["images", "import"]).arg(image).stdout(Stdio::null()))
    }

    /// Ends everything and leaves nothing.
    pub fn stop(&self) -> anyhow::Result<()> {
        self.processes.stop(PRETENDER);
        for part in PARTS.into_iter().rev().filter(|part| *part != "containerd") {
            self.processes.stop(part);
        }
        self.remove_containers();
        self.processes.stop("containerd");
        kernel::restore(&self.path("kernel.json"))?;
        super::leftovers::remove(&self.folder, DNS)
    }

    fn remove_containers(&self) {
        let list = |what: &str| {
            let said = self.ctr().args([what, "list", "-q"]).stderr(Stdio::null()).output();
            let text = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        for container in list("tasks") {
            let _ = succeeds(self.ctr().args(["tasks", "delete", "--force", &container]));
        }
        for container in list("containers") {
            let _ = succeeds(self.ctr().args(["containers", "delete", &container]));
        }
    }

    fn ctr(&self) -> Command {
        let mut ctr = Command::new("ctr");
        ctr.arg("--address").arg(self.path("containerd/containerd.sock")).args(["--namespace", "k8s.io"]);
        ctr
    }

    /// Asks the apiserver; nothing if it does not answer, or not with a success.
    fn ask(&self, path: &str) -> Option<String> {
        let said = self.curl(path).output().ok().filter(|said| said.status.success())?;
        Some(String::from_utf8_lossy(&said.stdout).into_owned())
    }

    /// Sends an object, or what is to be changed of one.
    fn send(&self, method: &str, path: &str, body: &serde_json::Value) -> anyhow::Result<()> {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let header = format!("Content-Type: {kind}");
        let mut curl = self.curl(path);
        output(curl.args(["--request", method, "--header", &header, "--data", &body.to_string()])).map(drop)
    }

    fn curl(&self, path: &str) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", "--max-time", "5"]);
        for (flag, file) in [("--cacert", "ca.crt"), ("--cert", "admin.crt"), ("--key", "admin.key")] {
            curl.arg(flag).arg(self.path("pki").join(file));
        }
        curl.arg(format!("https://127.0.0.1:{API_PORT}{path}"));
        curl
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// One of Kubernetes' own programs.
fn part(assets: &Assets, name: &str) -> Command {
    let mut command = Command::new(&assets.kubernetes);
    command.arg(name);
    command
}

/// The address under which this machine is known to its pods.
fn own_address() -> anyhow::Result<String> {
    let said = output(Command::new("hostname").arg("--all-ip-addresses"))?;
    let text = String::from_utf8_lossy(&said).into_owned();
    let Some(first) = text.split_whitespace().next() else { bail!("this machine has no address besides loopback") };
    Ok(first.to_owned())
}

fn is_ready(node: &str) -> bool {
    let node: serde_json::Value = serde_json::from_str(node).unwrap_or_default();
    let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
