//! Trainings that a world model makes up: the environment that a policy is learned in between real trainings.

use tch::no_grad;
use tuning::{Draw, Problem, Random, Steering, Trajectory};

use super::WorldModel;
use super::forecaster::Row;
use crate::env::{Env, Order};
use crate::nets::Past;

/// Keeps the draws of simulated metrics apart from whatever else the seed of a training is used for.
const METRICS: u64 = 0x51a1;

/// Simulated trainings, each by one member of the ensemble, from the first observation of a real one.
///
/// What happens to a training follows from its seed and its orders, whatever else is in the batch.
#[derive(Debug)]
pub struct Simulation<'a> {
    model: &'a WorldModel,
    /// Metrics of real trainings at their first observation.
    starts: Vec<Vec<f64>>,
    /// As many for each member, the first member's first; some only keep the shape.
    rows: Vec<Row>,
    /// Row of each training.
    places: Vec<usize>,
    past: Past,
}

impl<'a> Simulation<'a> {
    /// Simulated trainings that start as the real `trajectories` did: each as the one that its draw names in place of a
    /// task, or else as any.
    ///
    /// # Panics
    /// If none of them has an observation.
    pub fn new(model: &'a WorldModel, trajectories: &[&Trajectory]) -> Self {
        let starts: Vec<_> = trajectories.iter().filter_map(|t| Some(t.steps.first()?.metrics.clone())).collect();
        assert!(!starts.is_empty(), "a simulation starts as a real training did");
        Self { model, starts, rows: Vec::new(), places: Vec::new(), past: model.forecaster.begin() }
    }

    /// Share of the forecast numbers that had left their metric's range and were clipped.
    pub fn clipped_share(&self) -> f64 {
        let rows = || self.places.iter().map(|row| &self.rows[*row]);
        rows().map(|row| row.outside).sum::<usize>() as f64 / rows().map(|row| row.drawn).sum::<usize>().max(1) as f64
    }

    fn row(&self, problem: &Problem, draw: &Draw) -> (usize, Row) {
        let mut random = Random::stream(draw.seed.into(), &[METRICS]);
        let any = random.below(self.starts.len());
        let start = &self.starts[draw.task.unwrap_or(any)];
        let member = random.below(self.model.members());
        let mut metrics: Vec<f64> = problem.metrics.iter().map(|metric| metric.range[0]).collect();
        for (place, metric) in problem.forecast() {
            metrics[place] = start[place].clamp(metric.range[0], metric.range[1]);
        }
        let hyperparameters = Steering::start(problem, &draw.initial).values();
        (member, Row::new(problem, metrics, hyperparameters, random))
    }
}

impl Env for Simulation<'_> {
    fn reset(&mut self, draws: &[Draw]) -> Vec<Vec<f64>> {
        let problem = self.model.problem();
        let mut members: Vec<Vec<(usize, Row)>> = vec![Vec::new(); self.model.members()];
        for (place, draw) in draws.iter().enumerate() {
            let (member, row) = self.row(problem, draw);
            members[member].push((place, row));
        }
        let most = members.iter().map(Vec::len).max().unwrap_or_default();
        let idle = members.iter().flatten().next().map(|(_, row)| row.clone());
        (self.rows, self.places) = (Vec::new(), vec![0; draws.len()]);
        for member in members {
            let end = self.rows.len() + most;
            for (place, row) in member {
                self.places[place] = self.rows.len();
                self.rows.push(row);
            }
            let missing = end - self.rows.len();
            self.rows.extend(idle.iter().cycle().take(missing).cloned());
        }
        self.past = self.model.forecaster.begin();
        self.places.iter().map(|row| self.rows[*row].metrics.clone()).collect()
    }

    fn step(&mut self, running: &[usize], orders: &[Order]) -> Vec<Option<Vec<f64>>> {
        for (place, order) in running.iter().zip(orders) {
            let row = &mut self.rows[self.places[*place]];
            row.actions.clone_from(&order.actions);
            row.coming.clone_from(&order.hyperparameters);
        }
        no_grad(|| self.model.forecaster.step(&mut self.past, &mut self.rows));
        let metrics = |place: &usize| {
            let row = &self.rows[self.places[*place]];
            (!row.over).then(|| row.metrics.clone())
        };
        running.iter().map(metrics).collect()
    }
}
