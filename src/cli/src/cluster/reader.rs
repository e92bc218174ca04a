//! Where a policy learner's storage can be read: in the learner's own pod while it runs, else in one that is made for it, with
//! the same volume, credentials and place, and that goes away again.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaimVolumeSource, Pod, PodSpec, ResourceRequirements, Volume};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt};
use plan::render::{LEARNER_CONTAINER, STORAGE_VOLUME};
use tokio::io::AsyncWrite;

use super::access::Cluster;
use super::inside;

const PROGRAM: &str = "/usr/bin/trainpilot-learner";

/// How long a pod of ours may be, so that none stays if we are killed.
const LIFE: u32 = 1800;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(180);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(300);

/// A pod in which the storage is at hand.
pub(super) struct Reader {
    pods: Api<Pod>,
    pod: String,
    ours: bool,
}

impl Reader {
    /// Finds or makes the pod for the learner of that name; none if there is no such learner (yet).
    pub(super) async fn open(cluster: &Cluster, learner: &str) -> anyhow::Result<Option<Self>> {
        let sets = cluster.api::<StatefulSet>().get_opt(learner).await;
        let Some(set) = sets.map_err(|error| cluster.refused("read StatefulSets", error))? else { return Ok(None) };
        let pods: Api<Pod> = cluster.api();
        let own = format!("{learner}-0");
        let known = pods.get_opt(&own).await.map_err(|error| cluster.refused("read pods", error))?;
        if known.is_some_and(|pod| runs(&pod) && pod.metadata.deletion_timestamp.is_none()) {
            return Ok(Some(Self { pods, pod: own, ours: false }));
        }
        let made = pods.create(&PostParams::default(), &pod(&set).context("its learner has no pod template")?).await;
        let made = made.map_err(|error| cluster.refused("create pods", error))?;
        let reader = Self { pods, pod: made.name_any(), ours: true };
        match reader.started().await {
            Ok(()) => Ok(Some(reader)),
            Err(error) => {
                reader.close().await;
                Err(error)
            }
        }
    }

    /// Writes the archive of all that the learner keeps for others to `out`.
    pub(super) async fn archive(&self, out: &mut (impl AsyncWrite + Unpin)) -> anyhow::Result<()> {
        inside::run(&self.pods, [&self.pod, LEARNER_CONTAINER], &[PROGRAM, "archive"], out).await
    }

    /// Takes the pod away again, if it is ours.
    pub(super) async fn close(self) {
        if self.ours {
            let at_once = DeleteParams::default().grace_period(1);
            if let Err(error) = self.pods.delete(&self.pod, &at_once).await {
                eprintln!("pod {} stays for up to {} minutes: {error}", self.pod, LIFE / 60);
            }
        }
    }

    async fn started(&self) -> anyhow::Result<()> {
        let begin = std::time::Instant::now();
        loop {
            let pod = self.pods.get(&self.pod).await.context("can't read the pod that was made")?;
            match phase(&pod) {
                "Running" if runs(&pod) => return Ok(()),
                "Failed" | "Succeeded" => bail!("pod {} ended before it was of use: {}", self.pod, waits_for(&pod)),
                _ if begin.elapsed() > PATIENCE => {
                    bail!("pod {} did not start within {} s: {}", self.pod, PATIENCE.as_secs(), waits_for(&pod))
                }
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    }
}

/// A pod of the learner's template that does nothing.
fn pod(set: &StatefulSet) -> Option<Pod> {
    let (name, spec) = (set.name_any(), set.spec.as_ref()?);
    let mut template = spec.template.spec.clone()?;
    let container = template.containers.first_mut()?;
    container.args = Some(["idle", "--seconds", &LIFE.to_string()].map(str::to_owned).to_vec());
    container.ports = None;
    container.resources = Some(small());
    if spec.volume_claim_templates.as_ref().is_some_and(|claims| !claims.is_empty()) {
        let mounts = container.volume_mounts.iter_mut().flatten();
        mounts.filter(|mount| mount.name == STORAGE_VOLUME).for_each(|mount| mount.read_only = Some(true));
        let claim =
            PersistentVolumeClaimVolumeSource { claim_name: format!("{STORAGE_VOLUME}-{name}-0"), read_only: None };
        let volume =
            Volume { name: STORAGE_VOLUME.to_owned(), persistent_volume_claim: Some(claim), ..Volume::default() };
        template.volumes.get_or_insert_default().push(volume);
    }
    let labels = [("app.kubernetes.io/name", "trainpilot-reader"), ("app.kubernetes.io/part-of", "trainpilot")];
    let mut owners = set.metadata.owner_references.clone().unwrap_or_default();
    // It goes with the experiment, but is no part of what the operator makes of it.
    owners.iter_mut().for_each(|owner| (owner.controller, owner.block_owner_deletion) = (None, None));
    Some(Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("{name}-reader-")),
            labels: Some(labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into()),
            owner_references: Some(owners),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            restart_policy: Some("Never".to_owned()),
            active_deadline_seconds: Some(LIFE.into()),
            ..template
        }),
        status: None,
    })
}

/// No device is held for reading; some memory, as each file is read whole.
fn small() -> ResourceRequirements {
    let of = |processor: &str, memory: &str| {
        let quantity = |text: &str| Quantity(text.to_owned());
        Some(BTreeMap::from([("cpu".to_owned(), quantity(processor)), ("memory".to_owned(), quantity(memory))]))
    };
    ResourceRequirements { requests: of("50m", "128Mi"), limits: of("1", "2Gi"), claims: None }
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// Whether its container runs.
fn runs(pod: &Pod) -> bool {
    let containers = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let mut states =
        containers.filter(|container| container.name == LEARNER_CONTAINER).map(|container| &container.state);
    states.any(|state| state.as_ref().is_some_and(|state| state.running.is_some()))
}

/// What the cluster says that a pod waits for.
pub(super) fn waits_for(pod: &Pod) -> String {
    let Some(status) = &pod.status else { return "nothing is known of it".to_owned() };
    let containers = status.container_statuses.iter().flatten().chain(status.init_container_statuses.iter().flatten());
    let waiting = containers.filter_map(|container| container.state.as_ref()?.waiting.as_ref()).find_map(|waiting| {
        let reason =
            waiting.reason.as_ref().filter(|reason| !["ContainerCreating", "PodInitializing"].contains(&&***reason))?;
        Some([reason, waiting.message.as_deref().unwrap_or_default()].join(" "))
    });
    let conditions = status.conditions.iter().flatten();
    let refused = conditions.filter(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    let refused = refused.filter_map(|condition| condition.message.clone()).next();
    waiting.or(refused).or(status.message.clone()).unwrap_or_else(|| phase(pod).to_owned())
}
