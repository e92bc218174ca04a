//! Volumes of learners: folders of this machine, since nothing here provides any.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use api::TuningExperiment;
use k8s_openapi::api::core::v1::PersistentVolume;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

/// Names the folder that volumes are made in.
pub const VARIABLE: &str = "TRAINPILOT_TEST_VOLUMES";

/// The folder of a learner's volume: `NAME-rR-learner` or `NAME-rR-world-model`.
pub fn folder(namespace: &str, learner: &str) -> PathBuf {
    let all = std::env::var_os(VARIABLE).unwrap_or_else(|| panic!("{VARIABLE} is not set: `cargo xtask e2e` sets it"));
    PathBuf::from(all).join(format!("{namespace}-{learner}"))
}

/// Makes the volumes of all learners of an experiment, empty.
pub async fn make(client: &Client, namespace: &str, experiment: &TuningExperiment) {
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let name = experiment.name_any();
    let learners = (0..experiment.spec.repetitions)
        .flat_map(|r| ["learner", "world-model"].map(|kind| format!("{name}-r{r}-{kind}")));
    for learner in learners {
        let path = folder(namespace, &learner);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        // Learners are nobody in particular.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        let volume = format!("{namespace}-{learner}");
        let _ = volumes.delete(&volume, &DeleteParams::default()).await;
        while volumes.get_opt(&volume).await.unwrap().is_some() {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        let object = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume},
            "spec": {
                "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": path},
                "claimRef": {"namespace": namespace, "name": format!("storage-{learner}-0")},
            },
        });
        let parameters = PatchParams::apply("tests").force();
        volumes.patch(&volume, &parameters, &Patch::Apply(object)).await.unwrap();
    }
}
