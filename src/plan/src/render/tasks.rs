//! What tasks add to a trainer's start. All pods of a Job are started alike, so that a trainer whose tasks differ is started
//! by a program of ours, which asks the agent for the task and then becomes the trainer.

use std::collections::BTreeMap;

use api::{TRAINER, TaskSpec, meaning};
use k8s_openapi::api::core::v1::{Container, EmptyDirVolumeSource, PodSpec, Volume, VolumeMount};
use wire::trainer::{TASKS_VARIABLE, TaskLaunch};

use super::{RenderError, Setting, pod};

/// Our program in the agent's image, and the volume by which the trainer's container gets it.
const PROGRAM: &str = "trainpilot-exec";
const VOLUME: &str = "trainpilot-exec";
const FOLDER: &str = "/trainpilot";
/// Bytes that an environment variable may have; the kernel's limit is 128 KiB.
const MOST: usize = 100 << 10;

/// Changes a pod so that its trainer starts as its task wants; not at all if no task adds anything.
///
/// # Errors
/// If the tasks add more than fits.
pub(super) fn add(setting: &Setting<'_>, spec: &mut PodSpec, final_evaluation: bool) -> Result<(), RenderError> {
    let tasks = meaning::tasks(&setting.experiment.spec, final_evaluation);
    if tasks.iter().all(|task| task.env.is_empty() && task.args.is_empty()) {
        return Ok(());
    }
    let launch = |task: &TaskSpec| (task.name.clone(), TaskLaunch { env: task.env.clone(), args: task.args.clone() });
    let launches: BTreeMap<String, TaskLaunch> = tasks.iter().map(launch).collect();
    let text = serde_json::to_string(&launches).expect("plain data always serialises");
    if text.len() > MOST {
        let sentence = "env and args of all tasks come to more than 100 KiB: expected less";
        return Err(RenderError::Field { field: "spec.trajectory.tasks", sentence });
    }
    for trainer in spec.containers.iter_mut().filter(|container| container.name == TRAINER) {
        let command = trainer.command.get_or_insert_default();
        command.splice(0..0, [format!("{FOLDER}/{PROGRAM}"), "--".to_owned()]);
        // In a container's environment `$(NAME)` stands for another variable.
        trainer.env.get_or_insert_default().push(pod::variable(TASKS_VARIABLE, &text.replace("$(", "$$(")));
        let mount = VolumeMount { read_only: Some(true), ..pod::mount(VOLUME, FOLDER) };
        trainer.volume_mounts.get_or_insert_default().push(mount);
    }
    spec.init_containers.get_or_insert_default().insert(0, installer(setting));
    spec.volumes.get_or_insert_default().push(Volume {
        name: VOLUME.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    });
    Ok(())
}

/// Brings our program, and ends.
fn installer(setting: &Setting<'_>) -> Container {
    Container {
        name: PROGRAM.to_owned(),
        image: Some(setting.images.agent.clone()),
        image_pull_policy: setting.images.pull_policy.clone(),
        command: Some(vec![format!("/usr/bin/{PROGRAM}"), "--install".to_owned(), FOLDER.to_owned()]),
        volume_mounts: Some(vec![pod::mount(VOLUME, FOLDER)]),
        security_context: Some(pod::security()),
        // Where a quota is on what pods ask for, one that asks for nothing is refused.
        resources: Some(pod::little()),
        ..Container::default()
    }
}
