//! What the learners of an experiment keep, brought into a folder like that of a run on this machine.

use std::fs::{self, File};
use std::path::Path;

use anyhow::Context as _;
use api::TuningExperiment;
use kube::ResourceExt;
use plan::WorkloadName;
use serde_json::json;

use super::access::Cluster;
use super::reader::Reader;
use crate::failure::BadInput;
use crate::output;
use crate::run::Identity;

/// Brings everything that is gathered and learned so far into `folder`, in place of what an earlier export left there.
///
/// # Errors
/// [`BadInput`] if there is no such experiment, or the folder is another run's; others if the storage can't be read.
pub(super) async fn export(cluster: &Cluster, name: &str, folder: &Path) -> anyhow::Result<()> {
    let experiment = cluster.experiment(name).await?;
    let identity = Identity {
        uid: experiment.uid().unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        created: experiment.creation_timestamp().map_or(0, |time| time.0.as_second().unsigned_abs()),
    };
    check(folder, &identity)?;
    fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    output::write(&folder.join("run.json"), &serde_json::to_vec_pretty(&identity)?)?;
    for repetition in 0..experiment.spec.repetitions {
        let learner = WorkloadName::PolicyLearner { repetition }.of(name);
        let brought = bring(cluster, &learner, &folder.join(format!("repetition-{repetition}"))).await;
        brought.with_context(|| format!("can't read what repetition {repetition} keeps"))?;
    }
    let status = experiment.status.clone().unwrap_or_default();
    output::write(&folder.join("status.json"), &serde_json::to_vec_pretty(&status)?)?;
    output::write(&folder.join("experiment.yaml"), as_file(&experiment)?.as_bytes())
}

/// Nobody's run is written over.
fn check(folder: &Path, identity: &Identity) -> anyhow::Result<()> {
    let path = folder.join("run.json");
    let held = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice::<Identity>(&bytes).ok().map(|held| held.uid),
        Err(_) => None,
    };
    match held {
        Some(uid) if uid != identity.uid => {
            Err(BadInput(format!("{} holds another run ({uid}); name another folder, or remove it", folder.display()))
                .into())
        }
        None if folder.join("experiment.yaml").exists() => {
            Err(BadInput(format!("{} holds something else", folder.display())).into())
        }
        _ => Ok(()),
    }
}

async fn bring(cluster: &Cluster, learner: &str, folder: &Path) -> anyhow::Result<()> {
    let Some(reader) = Reader::open(cluster, learner).await? else { return Ok(()) };
    let path = folder.with_extension("tar");
    let read = async {
        let mut file =
            tokio::fs::File::create(&path).await.with_context(|| format!("can't write {}", path.display()))?;
        reader.archive(&mut file).await?;
        anyhow::Ok(file.sync_all().await?)
    };
    let read = tokio::select! {
        read = read => read,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    reader.close().await;
    let unpacked = read.and_then(|()| unpack(&path, folder));
    // Nothing is left of it, whatever happened.
    let _ = fs::remove_file(&path);
    unpacked
}

fn unpack(archive: &Path, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    let (mut files, mut bytes) = (0, 0);
    for entry in tar::Archive::new(File::open(archive)?).entries()? {
        let mut entry = entry.context("what came is no archive")?;
        // It refuses paths that lead out of the folder.
        entry.unpack_in(folder).with_context(|| format!("can't write into {}", folder.display()))?;
        (files, bytes) = (files + 1, bytes + entry.size());
    }
    eprintln!("{}: {files} files, {:.1} MB", folder.display(), bytes as f64 / 1e6);
    Ok(())
}

/// The experiment without what only a cluster knows of it.
fn as_file(experiment: &TuningExperiment) -> anyhow::Result<String> {
    let file = json!({
        "apiVersion": "trainpilot.dev/v1alpha1",
        "kind": "TuningExperiment",
        "metadata": {"name": experiment.name_any(), "namespace": experiment.namespace()},
        "spec": experiment.spec,
    });
    Ok(serde_saphyr::to_string(&file)?)
}
