//! Whether two runs train the same thing, so that their results may stand in one table.

use std::collections::BTreeMap;

use api::{TuningExperimentSpec, meaning};
use serde::Serialize;

use crate::failure::BadInput;
use crate::results::run::Run;

/// Checks that both runs start the same trainer for as many env steps, measure the same and evaluate on the same tasks.
/// Algorithm, seed, starting values and what policies see may differ: they are what is compared.
///
/// # Errors
/// [`BadInput`] that names the first field that differs, with both values.
pub(super) fn check(first: &Run, other: &Run) -> Result<(), BadInput> {
    let fields = fields(&first.experiment.spec).into_iter().zip(fields(&other.experiment.spec));
    let Some(((field, ours), (_, theirs))) = fields.into_iter().find(|((_, a), (_, b))| a != b) else {
        return Ok(());
    };
    Err(BadInput(format!(
        "{} and {} are not runs on the same task: {field} is {ours} and {theirs}",
        first.folder.display(),
        other.folder.display()
    )))
}

fn fields(spec: &TuningExperimentSpec) -> Vec<(&'static str, String)> {
    let trainer = spec.trajectory.template.trainer();
    let env: BTreeMap<_, _> = trainer.env.iter().map(|env| (&env.name, (&env.value, &env.rest))).collect();
    let metrics: BTreeMap<_, _> = spec.metrics.iter().map(|metric| (&metric.name, metric.range)).collect();
    vec![
        ("the trainer's command", shown(&trainer.command)),
        ("the trainer's args", shown(&trainer.args)),
        ("the trainer's env", shown(&env)),
        ("trajectory.envSteps", shown(&spec.trajectory.env_steps)),
        ("objective", shown(&spec.objective)),
        ("metrics (names and ranges)", shown(&metrics)),
        ("the tasks of the final evaluation", shown(&tasks(spec))),
    ]
}

/// Name, environment and arguments of the tasks that results are quoted from.
fn tasks(spec: &TuningExperimentSpec) -> Vec<(&String, &BTreeMap<String, String>, &Vec<String>)> {
    meaning::tasks(spec, true).iter().map(|task| (&task.name, &task.env, &task.args)).collect()
}

fn shown(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data always serialises")
}
