//! The figures of a comparison, in the very shape of `compare --json`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::failure::BadInput;
use crate::results::figures::{FinalFigures, MetricFigures, places, price};
use crate::results::run::Run;
use crate::results::statistics::probability_of_improvement;

/// Runs beside one another.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    /// What is compared: the objective first, then every metric that no policy saw.
    #[serde(skip)]
    pub(crate) metrics: Vec<String>,
    pub(crate) rows: Vec<Row>,
    /// Why some probabilities are missing, if any is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
}

/// A run in a comparison.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) algorithm: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) preset: &'static str,
    /// Price of one result: full-training equivalents learned from, mean over the repetitions.
    pub(crate) fte: f64,
    pub(crate) repetitions: usize,
    /// Trajectories of the final evaluation, all repetitions together.
    pub(crate) trajectories: usize,
    pub(crate) metrics: BTreeMap<String, MetricFigures>,
    /// Probability that a training ends with a better objective than its pair in the first run; none in the first row,
    /// and where there are no pairs.
    pub(crate) probability_of_improvement: Option<f64>,
    /// The same metrics for each task, where trajectories have tasks.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tasks: BTreeMap<String, BTreeMap<String, MetricFigures>>,
}

impl Comparison {
    /// Of runs on the same task.
    ///
    /// # Errors
    /// [`BadInput`] if one has no final evaluation yet.
    pub(crate) fn of(runs: &[Run]) -> anyhow::Result<Self> {
        let problem = &runs[0].problem;
        let unseen = problem.metrics.iter().filter(|metric| !metric.observed).map(|metric| metric.name.clone());
        let mut metrics = vec![problem.objective.metric.clone()];
        metrics.extend(unseen.filter(|name| *name != problem.objective.metric));
        let mut rows = runs.iter().map(|run| row(run, &metrics)).collect::<anyhow::Result<Vec<_>>>()?;
        name_apart(runs, &mut rows);
        let (first, mut notes) = (places(&runs[0]), Vec::new());
        for (run, row) in runs.iter().zip(&mut rows).skip(1) {
            row.probability_of_improvement =
                probability_of_improvement(problem.objective.direction, &places(run), &first);
            if row.probability_of_improvement.is_none() {
                notes.push(unpaired(&runs[0], run));
            }
        }
        Ok(Self { metrics, rows, notes })
    }
}

fn row(run: &Run, metrics: &[String]) -> anyhow::Result<Row> {
    let Some(evaluation) = FinalFigures::of(run) else {
        let sentence = "has no final evaluation yet: let `trainpilot run` finish it first";
        return Err(BadInput(format!("{} {sentence}", run.folder.display())).into());
    };
    let chosen =
        |all: BTreeMap<String, MetricFigures>| all.into_iter().filter(|(name, _)| metrics.contains(name)).collect();
    let tasks = evaluation.tasks.into_iter().map(|(task, figures)| (task, chosen(figures.metrics)));
    Ok(Row {
        name: run.name().to_owned(),
        algorithm: run.algorithm.to_owned(),
        preset: run.preset,
        fte: price(run),
        repetitions: run.final_evaluations().count(),
        trajectories: evaluation.trajectories,
        tasks: tasks.collect(),
        metrics: chosen(evaluation.metrics),
        probability_of_improvement: None,
    })
}

/// Runs of the same experiment are named by their folders.
fn name_apart(runs: &[Run], rows: &mut [Row]) {
    for (run, row) in runs.iter().zip(rows) {
        if runs.iter().filter(|other| other.name() == run.name()).count() > 1 {
            row.name = run.folder.display().to_string();
        }
    }
}

fn unpaired(first: &Run, run: &Run) -> String {
    format!(
        "{} and {} have no trainings of the same seed, so they can't be compared in pairs (their seeds are {} and {})",
        first.name(),
        run.name(),
        first.experiment.spec.seed,
        run.experiment.spec.seed
    )
}
