//! The figures of a run, in the very shape of `report --json`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tuning::{Outcome, Problem, Trajectory};
use wire::forecast::ForecastScores;

use super::run::{Epoch, Repetition, Run};
use super::statistics::{Estimate, Places, mean};

/// What a run came to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) experiment: String,
    pub(crate) algorithm: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) preset: &'static str,
    /// Price of one result: full-training equivalents learned from, mean over the repetitions.
    pub(crate) fte: f64,
    pub(crate) repetitions: Vec<RepetitionFigures>,
    pub(crate) final_evaluation: Option<FinalFigures>,
    pub(crate) cost: Cost,
}

/// What a repetition came to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RepetitionFigures {
    pub(crate) repetition: u32,
    /// Sum over its epochs.
    pub(crate) fte: f64,
    pub(crate) epochs: Vec<EpochFigures>,
}

/// What an epoch came to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EpochFigures {
    pub(crate) epoch: u32,
    pub(crate) trajectories: usize,
    /// Of this epoch alone.
    pub(crate) fte: f64,
    pub(crate) policy_version: u64,
    pub(crate) objective: ObjectiveFigures,
    pub(crate) diverged: usize,
    pub(crate) lost: usize,
    /// How good the world model's forecasts were after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) forecasts: Option<ForecastScores>,
    /// Mean objective at the end of the trajectories last simulated after it: what the next epoch was expected to give.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) simulated_objective: Option<f64>,
}

/// The objective at the end of an epoch's trajectories; none if all were lost.
#[derive(Debug, Serialize)]
pub(crate) struct ObjectiveFigures {
    pub(crate) mean: Option<f64>,
    pub(crate) best: Option<f64>,
}

/// What the final evaluation came to, all repetitions together.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FinalFigures {
    pub(crate) trajectories: usize,
    pub(crate) diverged: usize,
    pub(crate) lost: usize,
    pub(crate) metrics: BTreeMap<String, MetricFigures>,
    /// The same for each task, where trajectories have tasks.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tasks: BTreeMap<String, TaskFigures>,
}

/// What the final evaluation came to on one task.
#[derive(Debug, Serialize)]
pub(crate) struct TaskFigures {
    pub(crate) trajectories: usize,
    pub(crate) metrics: BTreeMap<String, MetricFigures>,
}

/// A metric at the end of the final evaluation's trajectories.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MetricFigures {
    #[serde(flatten)]
    pub(crate) estimate: Estimate,
    /// Mean of each repetition; none where all its trajectories were lost.
    pub(crate) repetition_means: Vec<Option<f64>>,
}

/// What a run has cost so far.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cost {
    /// Full-training equivalents of all repetitions, learned from.
    pub(crate) fte_learning: f64,
    /// Those of the final evaluation.
    pub(crate) fte_final_evaluation: f64,
    pub(crate) env_steps: u64,
    pub(crate) attempts: usize,
    /// Attempts that came to no end, whose env steps are counted all the same.
    pub(crate) lost_attempts: usize,
    /// Seconds that all attempts ran, one after the other.
    pub(crate) training_seconds: f64,
    /// Seconds in which policies were learned, one repetition after the other.
    pub(crate) learning_seconds: f64,
    /// Seconds of gathering and learning in the repetition that took longest; the final evaluation is not in it.
    pub(crate) wall_seconds: f64,
}

impl Report {
    /// Of a run, finished or not.
    pub(crate) fn of(run: &Run) -> Self {
        let repetitions: Vec<_> =
            run.repetitions.iter().map(|repetition| repetition_figures(run, repetition)).collect();
        Self {
            experiment: run.name().to_owned(),
            algorithm: run.algorithm,
            preset: run.preset,
            fte: price(run),
            repetitions,
            final_evaluation: FinalFigures::of(run),
            cost: cost(run),
        }
    }
}

/// Price of one result: what the learning of a repetition took, on average.
pub(crate) fn price(run: &Run) -> f64 {
    let each: Vec<f64> = run.repetitions.iter().map(|repetition| run.fte(repetition.env_steps())).collect();
    mean(&each).unwrap_or_default()
}

fn repetition_figures(run: &Run, repetition: &Repetition) -> RepetitionFigures {
    let epochs = repetition.epochs.iter().map(|epoch| epoch_figures(run, epoch)).collect();
    RepetitionFigures { repetition: repetition.repetition, fte: run.fte(repetition.env_steps()), epochs }
}

fn epoch_figures(run: &Run, epoch: &Epoch) -> EpochFigures {
    let (trajectories, direction) = (epoch.trajectories(), run.problem.objective.direction);
    let objectives = objectives(&run.problem, &trajectories);
    let better = |a, b| if direction.better(a, b) { a } else { b };
    EpochFigures {
        epoch: epoch.epoch,
        trajectories: trajectories.len(),
        fte: run.fte(epoch.env_steps()),
        policy_version: epoch.policy_version,
        objective: ObjectiveFigures { mean: mean(&objectives), best: objectives.iter().copied().reduce(better) },
        diverged: count(&trajectories, Outcome::Diverged),
        lost: count(&trajectories, Outcome::Lost),
        forecasts: epoch.forecasts.clone(),
        simulated_objective: epoch.simulated_objective(),
    }
}

fn count(trajectories: &[&Trajectory], outcome: Outcome) -> usize {
    trajectories.iter().filter(|trajectory| trajectory.outcome == Some(outcome)).count()
}

/// The objective at the end of each trajectory that was not lost.
pub(crate) fn objectives(problem: &Problem, trajectories: &[&Trajectory]) -> Vec<f64> {
    trajectories.iter().filter_map(|trajectory| problem.final_objective(trajectory)).collect()
}

/// The metric at place `metric` at the end of a trajectory, within its range; none where it was lost. Beyond the range
/// values are not worth telling apart: one training that all but diverged would decide the mean of a loss.
///
/// One that diverged counts with the worst bound for the objective, and for metrics of the same range, which are the
/// objective on other data; the rest have no direction and keep what was reported last.
fn final_metric(problem: &Problem, trajectory: &Trajectory, metric: usize) -> Option<f64> {
    let [low, high] = problem.metrics[metric].range;
    let last = trajectory.steps.last().map(|step| step.metrics[metric].clamp(low, high));
    match trajectory.outcome? {
        Outcome::Completed => last,
        Outcome::Diverged if problem.metrics[metric].range == problem.objective_metric().range => {
            Some(problem.objective.direction.worst(&problem.metrics[metric]))
        }
        Outcome::Diverged => last,
        Outcome::Lost => None,
    }
}

impl FinalFigures {
    /// None before any repetition has gathered its final evaluation.
    pub(crate) fn of(run: &Run) -> Option<Self> {
        let repetitions: Vec<Vec<&Trajectory>> = run.final_evaluations().map(Epoch::trajectories).collect();
        let all = repetitions.concat();
        let names: BTreeSet<&str> = all.iter().map(|trajectory| trajectory.task.as_str()).collect();
        let task = |name: &str| {
            let mut repetitions = repetitions.clone();
            repetitions.iter_mut().for_each(|all| all.retain(|trajectory| trajectory.task == name));
            let metrics = metrics(&run.problem, &repetitions);
            (name.to_owned(), TaskFigures { trajectories: repetitions.concat().len(), metrics })
        };
        (!repetitions.is_empty()).then(|| Self {
            trajectories: all.len(),
            diverged: count(&all, Outcome::Diverged),
            lost: count(&all, Outcome::Lost),
            metrics: metrics(&run.problem, &repetitions),
            tasks: names.into_iter().filter(|name| !name.is_empty()).map(task).collect(),
        })
    }
}

fn metrics(problem: &Problem, repetitions: &[Vec<&Trajectory>]) -> BTreeMap<String, MetricFigures> {
    let figures = |(place, metric): (usize, &tuning::Metric)| {
        let ends = |all: &Vec<&Trajectory>| all.iter().filter_map(|t| final_metric(problem, t, place)).collect();
        let strata: Vec<Vec<f64>> = repetitions.iter().map(ends).collect();
        let repetition_means = strata.iter().map(|ends| mean(ends)).collect();
        Some((metric.name.clone(), MetricFigures { estimate: Estimate::of(&strata)?, repetition_means }))
    };
    problem.metrics.iter().enumerate().filter_map(figures).collect()
}

/// The objective at each place of the final evaluation, for pairing with another run.
pub(crate) fn places(run: &Run) -> Places {
    let mut places = Places::new();
    for trajectory in run.final_evaluations().flat_map(Epoch::trajectories) {
        if let Some(objective) = run.problem.final_objective(trajectory) {
            places.entry((trajectory.key.index, trajectory.seed)).or_default().push(objective);
        }
    }
    places
}

fn cost(run: &Run) -> Cost {
    let learning = || run.repetitions.iter().flat_map(|repetition| &repetition.epochs);
    let attempts: Vec<&Trajectory> =
        learning().chain(run.final_evaluations()).flat_map(|epoch| &epoch.attempts).collect();
    let env_steps = |epochs: &mut dyn Iterator<Item = &Epoch>| epochs.map(Epoch::env_steps).sum::<u64>();
    let (learned, evaluated) = (env_steps(&mut learning()), env_steps(&mut run.final_evaluations()));
    let phases = |repetition: &Repetition, prefix: &str| {
        let figures = repetition.epochs.iter().flat_map(|epoch| &epoch.figures);
        figures.filter(|(name, _)| name.starts_with(prefix)).map(|(_, seconds)| seconds).sum::<f64>()
    };
    Cost {
        fte_learning: run.fte(learned),
        fte_final_evaluation: run.fte(evaluated),
        env_steps: learned + evaluated,
        attempts: attempts.len(),
        lost_attempts: attempts.iter().filter(|attempt| attempt.outcome == Some(Outcome::Lost)).count(),
        training_seconds: attempts.iter().map(|attempt| attempt.seconds()).sum(),
        learning_seconds: run.repetitions.iter().map(|repetition| phases(repetition, "seconds_learning")).sum(),
        wall_seconds: run.repetitions.iter().map(|repetition| phases(repetition, "seconds_")).fold(0.0, f64::max),
    }
}
