//! Kueue, the real one. It stays once a test has installed it: its definitions take long to go.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Space;
use crate::charts::Release;

/// Names the folder of Kueue's chart.
const VARIABLE: &str = "KUEUE_CHART";
const NAMESPACE: &str = "kueue-system";

/// A queue of Kueue's named `research`, for as long as a test lasts.
pub struct Queue {
    objects: String,
}

impl Queue {
    /// Installs Kueue, and a queue in a namespace with quota for `gpus`, in which batches of the class `urgent` go first.
    pub fn open(space: &Space, gpus: u32) -> Self {
        let chart = std::env::var_os(VARIABLE).map(PathBuf::from);
        let chart = chart.unwrap_or_else(|| panic!("{VARIABLE} is not set: `cargo xtask e2e` sets it"));
        let image = [
            "controllerManager.manager.image.repository=localhost/kueue",
            "controllerManager.manager.image.tag=v0.14.0",
            "controllerManager.manager.image.pullPolicy=Never",
            "controllerManager.manager.resources.requests.cpu=50m",
        ];
        let values = image.iter().flat_map(|value| ["--set", *value]);
        let rest = ["--install", "--create-namespace", "--wait", "--timeout", "120s"];
        let arguments: Vec<&str> = [chart.to_str().unwrap()].into_iter().chain(values).chain(rest).collect();
        release().helm("upgrade", &arguments).unwrap();
        let queue = Self { objects: objects(&space.name, gpus) };
        kubectl(&["apply"], &queue.objects);
        queue
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        kubectl(&["delete", "--wait=false"], &self.objects);
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
metadata: {{name: {namespace}}}
---
apiVersion: kueue.x-k8s.io/v1beta1
kind: ClusterQueue
metadata: {{name: {namespace}}}
spec:
  namespaceSelector: {{}}
  preemption: {{withinClusterQueue: LowerPriority}}
  resourceGroups:
  - coveredResources: [cpu, memory, nvidia.com/gpu]
    flavors:
    - name: {namespace}
      resources:
      - {{name: cpu, nominalQuota: 100}}
      - {{name: memory, nominalQuota: 100Gi}}
      - {{name: nvidia.com/gpu, nominalQuota: {gpus}}}
---
apiVersion: kueue.x-k8s.io/v1beta1
kind: LocalQueue
metadata: {{name: research, namespace: {namespace}}}
spec: {{clusterQueue: {namespace}}}
---
apiVersion: kueue.x-k8s.io/v1beta1
kind: WorkloadPriorityClass
metadata: {{name: urgent}}
value: 1000
"#
    )
}

/// Webhooks that have just begun may not answer at once.
fn kubectl(verb: &[&str], objects: &str) {
    for _ in 0..20 {
        let mut kubectl = Command::new("kubectl");
        let mut kubectl =
            kubectl.args(verb).args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        kubectl.stdin.take().unwrap().write_all(objects.as_bytes()).unwrap();
        if kubectl.wait().unwrap().success() {
            return;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    panic!("kubectl {verb:?} went wrong");
}
