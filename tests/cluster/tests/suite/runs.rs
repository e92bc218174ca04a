//! Experiments that run to their end.

use std::process::Command;

use api::{Phase, TuningExperiment};
use cluster::dataset::{timeless, trajectories, whole};
use cluster::experiments::{CURVES, hostile, simple, slow};
use cluster::{Space, condition, volumes};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;

#[tokio::test]
async fn ppo_completes_with_every_trajectory_stored_once_and_holds_nothing_but_its_volume() {
    let space = Space::new("ppo").await;
    space.start(CURVES).await;
    let done = space.reaches("curves", Phase::Complete, 180).await;
    assert_eq!(condition(&done, "Complete").unwrap().0, "Complete");
    whole(&done).await;
    let status = done.status.unwrap();
    assert_eq!((status.trajectories.completed, status.trajectories.running, status.replicas), (12, 0, 0));
    assert_eq!(status.repetitions[0].policy_version, 3);
    assert!(space.list::<Job>().await.is_empty());
    assert_eq!(space.list::<StatefulSet>().await[0].spec.as_ref().unwrap().replicas, Some(0));
    assert_eq!(space.list::<PersistentVolumeClaim>().await.len(), 1);
}

#[tokio::test]
async fn the_restricted_standard_has_nothing_to_warn_about() {
    let space = Space::new("warnings").await;
    space.start(&slow(1000)).await;
    space.until("trainings run", 60, async || !space.trainings().await.is_empty()).await;
    for path in [
        "apis/batch/v1/namespaces/warnings/jobs/curves-r0-e1",
        "apis/apps/v1/namespaces/warnings/statefulsets/curves-r0-learner",
    ] {
        assert_eq!(space.warnings(&format!("/{path}")).await, Vec::<String>::new(), "{path}");
    }
    // A job that asks for more would be warned about: otherwise nothing was tested.
    let privileged =
        slow(1000).replace("- name: trainer\n", "- name: trainer\n          securityContext: {privileged: true}\n");
    space.start(&privileged.replace("{name: curves}", "{name: greedy}")).await;
    let job = async || space.list::<Job>().await.iter().any(|job| job.metadata.name.as_deref() == Some("greedy-r0-e1"));
    space.until("there is a job", 60, job).await;
    assert!(!space.warnings("/apis/batch/v1/namespaces/warnings/jobs/greedy-r0-e1").await.is_empty());
}

#[tokio::test]
async fn simple_completes_with_a_world_model_for_every_epoch() {
    let space = Space::new("simple").await;
    space.start(&simple()).await;
    let done = space.reaches("curves", Phase::Complete, 240).await;
    whole(&done).await;
    let folder = volumes::folder("simple", "curves-r0-learner").join("learner/world-models");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2);
}

#[tokio::test]
async fn the_same_experiment_does_the_same_as_on_one_machine() {
    let space = Space::new("same").await;
    space.start(CURVES).await;
    let done = space.reaches("curves", Phase::Complete, 180).await;
    let (local, folder) = run_here(CURVES);
    for epoch in 1..=3 {
        let pods = timeless(trajectories(&done, 0, epoch, 4).await);
        assert_eq!(pods, timeless(local_trajectories(&local, &folder, epoch).await), "epoch {epoch}");
    }
}

#[tokio::test]
async fn metrics_that_a_trainer_shows_are_read_within_its_pod() {
    let space = Space::new("shown").await;
    let sample = |kind: &str| format!("from: {{prometheus: 'curve{{kind=\"{kind}\"}}'}}");
    let shown = hostile("show")
        .replace("scale: Log}", &format!("scale: Log, {}}}", sample("loss")))
        .replace("range: [0, 1]}", &format!("range: [0, 1], {}}}", sample("score")))
        .replace("envSteps: 8", "envSteps: 3\n    metricsPage: {port: 9100}")
        .replace("epochs: 2, trajectoriesPerEpoch: 4", "epochs: 1, trajectoriesPerEpoch: 2");
    space.start(&shown).await;
    let done = space.reaches("curves", Phase::Complete, 180).await;
    for trajectory in trajectories(&done, 0, 1, 2).await {
        let metrics: Vec<_> = trajectory.steps.iter().map(|step| step.metrics.clone()).collect();
        let expected = [8.0, 4.0, 2.0, 1.0].map(|loss| vec![loss, 1.0 / (1.0 + loss)]);
        assert_eq!(metrics, expected);
    }
}

#[tokio::test]
async fn tasks_add_to_a_trainers_environment_and_arguments_as_they_do_on_one_machine() {
    let space = Space::new("tasks").await;
    let tasks = "retries: 1\n    tasks:\n    - {name: bent, env: {CURVES_CURVATURE: \"3\"}}\n    \
                 - {name: noisy, args: [--noise, \"2\"]}\n";
    let mixture = CURVES.replace("retries: 1\n", tasks).replace("trajectoriesPerEpoch: 4", "trajectoriesPerEpoch: 8");
    space.start(&mixture).await;
    let done = space.reaches("curves", Phase::Complete, 180).await;
    let (local, folder) = run_here(&mixture);
    // The final evaluation takes them in turn.
    for (epoch, count) in [(1, 8), (3, 4)] {
        let pods = timeless(trajectories(&done, 0, epoch, count).await);
        assert_eq!(pods, timeless(local_trajectories(&local, &folder, epoch).await), "epoch {epoch}");
        assert_eq!(epoch == 3, pods.windows(2).all(|pair| pair[0].task != pair[1].task), "epoch {epoch}");
    }
}

/// Runs an experiment as local processes; gives it with its unique id, and the folder of the run.
fn run_here(yaml: &str) -> (TuningExperiment, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("experiment.yaml"), yaml).unwrap();
    let mut command = Command::new(cluster::programs().join("trainpilot"));
    command.args(["run", "experiment.yaml", "--dir", "run"]).current_dir(folder.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let identity = std::fs::read(folder.path().join("run/run.json")).unwrap();
    let identity: serde_json::Value = serde_json::from_slice(&identity).unwrap();
    let mut experiment: TuningExperiment = serde_saphyr::from_str(yaml).unwrap();
    experiment.metadata.uid = identity["uid"].as_str().map(str::to_owned);
    (experiment, folder)
}

async fn local_trajectories(
    experiment: &TuningExperiment,
    folder: &tempfile::TempDir,
    epoch: u32,
) -> Vec<tuning::Trajectory> {
    let path = folder.path().join("run/repetition-0");
    cluster::dataset::attempts_in(&path, experiment, 0, epoch).await
}
