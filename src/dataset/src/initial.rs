//! Trajectories of earlier experiments, for a world model to begin with.

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};
use tuning::{Problem, Trajectory};

use crate::dataset::epoch_of;
use crate::decode::Segment;
use crate::error::{DatasetError, Fault};
use crate::location::Location;

/// Reads all that earlier experiments learned from at `place`: a dataset, or a run's folder with one for each repetition.
/// Final evaluations are left out: their seeds are for judging alone.
///
/// # Errors
/// If there is none, or a segment is damaged, or was gathered with other metrics, hyperparameters, multipliers or env steps
/// than those of `problem`, names in the same order.
pub async fn initial_data(place: &str, problem: &Problem) -> Result<Vec<Trajectory>, DatasetError> {
    let failed = |source| DatasetError::Location { location: place.to_owned(), source };
    let location = Location::parse(place).map_err(failed)?;
    let store_error = |what, file: &str| {
        let file = file.to_owned();
        move |source| DatasetError::Store { what, file, source }
    };
    let listed = location.store.list(Some(&location.prefix)).try_collect::<Vec<ObjectMeta>>().await;
    let listed = listed.map_err(store_error("list", &location.name))?;
    let mut files: Vec<Path> = listed.into_iter().map(|object| object.location).collect();
    files.retain(|file| is_segment(file, &location.prefix));
    files.sort();
    let mut trajectories = Vec::new();
    for file in files {
        let name = file.to_string();
        let bytes = location.store.get(&file).await.map_err(store_error("read", &name))?;
        let bytes = bytes.bytes().await.map_err(store_error("read", &name))?;
        let read = read(bytes, problem).map_err(|source| DatasetError::Segment { file: name, source })?;
        trajectories.extend(read);
    }
    if trajectories.is_empty() { Err(DatasetError::Empty { place: location.name }) } else { Ok(trajectories) }
}

/// Whether `file` is `segments/epoch-NNNNNN.parquet` below `prefix`, or below a repetition's folder in it.
fn is_segment(file: &Path, prefix: &Path) -> bool {
    let parts: Vec<String> =
        file.prefix_match(prefix).into_iter().flatten().map(|part| part.as_ref().to_owned()).collect();
    match parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["segments", name] => epoch_of(name).is_some(),
        [repetition, "segments", name] => repetition.starts_with("repetition-") && epoch_of(name).is_some(),
        _ => false,
    }
}

fn read(bytes: bytes::Bytes, problem: &Problem) -> Result<Vec<Trajectory>, Fault> {
    let segment = Segment::open(bytes)?;
    if let Some((what, found, wanted)) = segment.header.identity.problem.trajectories_differ(problem) {
        return Err(Fault::Foreign { what, found, wanted });
    }
    if segment.header.final_evaluation { Ok(Vec::new()) } else { segment.trajectories() }
}
