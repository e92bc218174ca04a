//! A real Prometheus beside the cluster, which scrapes the operator's pods.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use kube::config::Kubeconfig;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A server; ends with its value.
pub struct Prometheus {
    address: String,
    child: Child,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts one that asks these pods of a namespace for `/metrics` at port 8080, through the apiserver.
    pub fn of_pods(namespace: &str, pods: &[String]) -> Self {
        let kubeconfig = Kubeconfig::read().unwrap();
        let cluster = kubeconfig.clusters[0].cluster.clone().unwrap();
        let user = kubeconfig.auth_infos[0].auth_info.clone().unwrap();
        let server = cluster.server.unwrap();
        let target = server.strip_prefix("https://").unwrap();
        let job = |pod: &String| {
            json!({
                "job_name": pod, "scheme": "https", "scrape_interval": "1s", "honor_labels": true,
                "metrics_path": format!("/api/v1/namespaces/{namespace}/pods/{pod}:8080/proxy/metrics"),
                "static_configs": [{"targets": [target], "labels": {"pod": pod}}],
                "tls_config": {
                    "ca_file": cluster.certificate_authority, "cert_file": user.client_certificate,
                    "key_file": user.client_key,
                },
            })
        };
        let jobs: Vec<Value> = pods.iter().map(job).collect();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yaml");
        std::fs::write(&config, json!({"scrape_configs": jobs}).to_string()).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", config.display())).arg(format!("--web.listen-address={address}"));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.expect("prometheus is installed: its Debian package has that name");
        Self { address, child, _folder: folder }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many series an expression gives now.
    ///
    /// # Errors
    /// What the server says against the expression, or that it does not answer.
    pub fn series(&self, expression: &str) -> Result<usize, String> {
        let request = ureq::get(format!("{}/api/v1/query", self.url())).query("query", expression);
        let request = request.config().http_status_as_error(false).build();
        let text = request.call().and_then(|mut answer| answer.body_mut().read_to_string());
        let answer: Value =
            serde_json::from_str(&text.map_err(|error| error.to_string())?).map_err(|e| e.to_string())?;
        answer["data"]["result"].as_array().map(Vec::len).ok_or_else(|| answer["error"].to_string())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
