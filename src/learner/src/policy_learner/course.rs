//! What the trajectories of an epoch did on their way, in quantiles.

use serde::{Deserialize, Serialize};
use tuning::{Problem, Step, Trajectory, counted, quantiles};

/// The quantiles that are kept.
pub const QUANTILES: [f64; 3] = [0.1, 0.5, 0.9];

/// Env steps at which a curve is kept, about: enough for a picture, and few enough for a time series each.
const POINTS: usize = 32;

/// The course of an epoch: a curve of each metric and of each hyperparameter, in the problem's order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Course {
    /// What the trainings measured.
    pub metrics: Vec<Curve>,
    /// What was asked for: the schedules found.
    pub hyperparameters: Vec<Curve>,
}

/// How one number went, over the trajectories that were still there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Curve {
    /// Metric or hyperparameter.
    pub name: String,
    /// Its [`QUANTILES`] at some env steps, the first and the last among them.
    pub points: Vec<(u32, [f64; QUANTILES.len()])>,
}

/// The course that the trajectories of an epoch took. Lost ones are left out.
pub(super) fn course(problem: &Problem, trajectories: &[Trajectory]) -> Course {
    let counted: Vec<&Trajectory> = counted(trajectories).into_values().filter(|t| t.came_to_an_end()).collect();
    let curve = |name: &String, of: &dyn Fn(&Step) -> f64| Curve { name: name.clone(), points: points(&counted, of) };
    let metrics = problem.metrics.iter().enumerate();
    let steered = problem.hyperparameters.iter().enumerate();
    Course {
        metrics: metrics.map(|(place, metric)| curve(&metric.name, &|step| step.metrics[place])).collect(),
        hyperparameters: steered.map(|(place, h)| curve(&h.name, &|step| step.hyperparameters[place])).collect(),
    }
}

fn points(trajectories: &[&Trajectory], of: &dyn Fn(&Step) -> f64) -> Vec<(u32, [f64; QUANTILES.len()])> {
    let steps = trajectories.iter().map(|trajectory| trajectory.steps.len()).max().unwrap_or_default();
    let every = steps.div_ceil(POINTS).max(1);
    let kept = (0..steps).filter(|step| step % every == 0 || step + 1 == steps);
    let at = |step: usize| {
        let values = trajectories.iter().filter_map(|t| t.steps.get(step)).map(of);
        (step as u32, quantiles(values, QUANTILES))
    };
    kept.map(at).collect()
}
