//! A Prometheus that scrapes the same endpoints with the same identity, as often as it can.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;
use wire::agent::TRAJECTORY_PATH;
use wire::tls::Role;

use crate::{peers, processor, tell};

/// Asked for more often than it manages, it shows how many it manages.
const INTERVAL: &str = "200ms";
/// Until it listens and has met every series.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Prometheus server of our own.
pub struct Prometheus {
    address: String,
    child: Child,
}

impl Prometheus {
    /// Starts one, if it is installed.
    pub fn start(folder: &Path, agents: &[String]) -> Option<Self> {
        let tls = |file: &str| folder.join("tls/operator").join(file);
        let job = json!({
            "job_name": "agents", "scheme": "https", "metrics_path": TRAJECTORY_PATH,
            "static_configs": [{"targets": agents}],
            "tls_config": {
                "ca_file": tls("ca.pem"), "cert_file": tls("cert.pem"), "key_file": tls("key.pem"),
                "server_name": Role::Agent.name(peers::UID),
            },
        });
        let global = json!({"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL});
        let config = folder.join("prometheus.yaml");
        fs::write(&config, json!({"global": global, "scrape_configs": [job]}).to_string()).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", config.display())).arg(format!("--web.listen-address={address}"));
        command.arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        Some(Self { address, child })
    }

    /// Tells how many samples it stored while it was watched.
    pub fn measure(&self, time: Duration) {
        let until = Instant::now() + PATIENCE;
        while self.stored().is_none_or(|stored| stored < 2.0 * self.series()) {
            assert!(Instant::now() < until, "Prometheus does not scrape");
            sleep(Duration::from_millis(200));
        }
        let process = self.child.id().to_string();
        let (before, used, began) = (self.stored().unwrap(), processor::seconds(&process), Instant::now());
        sleep(time);
        let samples = self.stored().unwrap() - before;
        tell("Prometheus", samples, began.elapsed(), processor::seconds(&process) - used);
    }

    /// Samples on all pages.
    fn series(&self) -> f64 {
        f64::from(peers::AGENTS) * peers::samples() as f64
    }

    fn stored(&self) -> Option<f64> {
        let page =
            ureq::get(format!("http://{}/metrics", self.address)).call().ok()?.body_mut().read_to_string().ok()?;
        let lines = page.lines().filter(|line| line.starts_with("prometheus_tsdb_head_samples_appended_total"));
        Some(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
