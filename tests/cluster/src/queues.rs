//! Kueue, the real one, for as long as a test lasts.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::Space;
use crate::charts::Release;

/// Names the folder of Kueue's chart.
const VARIABLE: &str = "KUEUE_CHART";
const NAMESPACE: &str = "kueue-system";

/// Who admits Jobs into the queue `research`.
pub struct Kueue {
    objects: String,
}

impl Kueue {
    /// Installs it, with a queue in a namespace that has quota for `gpus`; pods of the class `urgent` go first.
    pub fn install(space: &Space, gpus: u32) -> Self {
        let chart = std::env::var_os(VARIABLE).map(PathBuf::from);
        let chart = chart.unwrap_or_else(|| panic!("{VARIABLE} is not set: `cargo xtask e2e` sets it"));
        let image = [
            "controllerManager.manager.image.repository=localhost/kueue",
            "controllerManager.manager.image.tag=v0.14.0",
            "controllerManager.manager.image.pullPolicy=Never",
            "controllerManager.manager.resources.requests.cpu=50m",
        ];
        let values = image.iter().flat_map(|value| ["--set", *value]);
        let rest = ["--create-namespace", "--wait", "--timeout", "120s"];
        let arguments: Vec<&str> = [chart.to_str().unwrap()].into_iter().chain(values).chain(rest).collect();
        // Made first, so that it is removed whatever happens next.
        let kueue = Self { objects: objects(&space.name, gpus) };
        release().helm("install", &arguments).unwrap();
        kubectl("apply", &kueue.objects);
        kueue
    }
}

impl Drop for Kueue {
    fn drop(&mut self) {
        kubectl("delete", &self.objects);
        if let Err(error) = release().helm("uninstall", &["--wait"]) {
            eprintln!("Kueue stays: {error}");
        }
    }
}

fn release() -> Release<'static> {
    Release { name: "kueue", namespace: NAMESPACE }
}

fn objects(namespace: &str, gpus: u32) -> String {
    format!(
        r#"
apiVersion: kueue.x-k8s.io/v1beta1
kind: ResourceFlavor
metadata: {{name: any}}
---
apiVersion: kueue.x-k8s.io/v1beta1
kind: ClusterQueue
metadata: {{name: research}}
spec:
  namespaceSelector: {{}}
  preemption: {{withinClusterQueue: LowerPriority}}
  resourceGroups:
  - coveredResources: [cpu, memory, nvidia.com/gpu]
    flavors:
    - name: any
      resources:
      - {{name: cpu, nominalQuota: 100}}
      - {{name: memory, nominalQuota: 100Gi}}
      - {{name: nvidia.com/gpu, nominalQuota: {gpus}}}
---
apiVersion: kueue.x-k8s.io/v1beta1
kind: LocalQueue
metadata: {{name: research, namespace: {namespace}}}
spec: {{clusterQueue: research}}
---
apiVersion: kueue.x-k8s.io/v1beta1
kind: WorkloadPriorityClass
metadata: {{name: urgent}}
value: 1000
"#
    )
}

/// Webhooks that have just begun may not answer at once.
fn kubectl(verb: &str, objects: &str) {
    for _ in 0..20 {
        let mut kubectl = Command::new("kubectl").args([verb, "-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        kubectl.stdin.take().unwrap().write_all(objects.as_bytes()).unwrap();
        if kubectl.wait().unwrap().success() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    eprintln!("kubectl {verb} went wrong");
}
