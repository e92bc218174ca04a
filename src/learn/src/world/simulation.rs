//! Trainings that a world model makes up: the environment that a policy is learned in between real trainings.

use tch::no_grad;
use tuning::{Draw, Problem, Random, Steering, Trajectory};

use super::WorldModel;
use super::examples::decided;
use super::forecaster::Row;
use crate::env::{Env, Order};
use crate::nets::Past;

/// Keeps the draws of simulated metrics apart from whatever else the seed of a training is used for.
const METRICS: u64 = 0x51a1;

/// Simulated trainings, each by one member of the ensemble, from an observation of a real one.
///
/// What happens to a training follows from its seed and its orders, whatever else is in the batch.
#[derive(Debug)]
pub struct Simulation<'a> {
    model: &'a WorldModel,
    /// Real trainings that they begin as.
    starts: Vec<&'a Trajectory>,
    /// Observation at which they leave those.
    from: u32,
    /// Whether all members forecast every training, so that it shows where they disagree.
    by_all: bool,
    /// As many for each member, the first member's first; some only keep the shape.
    rows: Vec<Row>,
    /// Row of each training.
    places: Vec<usize>,
    past: Past,
    /// Of each training, at each env step.
    disagreements: Vec<Vec<f64>>,
}

impl<'a> Simulation<'a> {
    /// Simulated trainings that start as the real `trajectories` did: each as the one that its draw names in place of a
    /// task, or else as any.
    ///
    /// # Panics
    /// If none of them has an observation.
    pub fn new(model: &'a WorldModel, trajectories: &[&'a Trajectory]) -> Self {
        let mut starts = trajectories.to_vec();
        starts.retain(|trajectory| !trajectory.steps.is_empty());
        assert!(!starts.is_empty(), "a simulation starts as a real training did");
        let past = model.forecaster.begin();
        let (rows, places, disagreements) = Default::default();
        Self { model, starts, from: 0, by_all: false, rows, places, past, disagreements }
    }

    /// The same, leaving the real trainings at observation `from` only, which all of them must have.
    pub fn from(self, from: u32) -> Self {
        Self { from, ..self }
    }

    /// The same with every training forecast by all members, of which one draws: see [`Simulation::disagreements`].
    pub fn by_all(self) -> Self {
        Self { by_all: true, ..self }
    }

    /// The member that a training is the work of.
    pub(super) fn member(&self, place: usize) -> usize {
        self.places[place] * self.model.members() / self.rows.len()
    }

    /// Share of the forecast numbers that had left their metric's range and were clipped.
    pub fn clipped_share(&self) -> f64 {
        let rows = || self.places.iter().map(|row| &self.rows[*row]);
        rows().map(|row| row.outside).sum::<usize>() as f64 / rows().map(|row| row.drawn).sum::<usize>().max(1) as f64
    }

    /// Standard deviation over members of what they expected of the objective, relative to its range: of each training, at
    /// each env step simulated. Nothing where each training is one member's.
    pub fn disagreements(&self) -> &[Vec<f64>] {
        &self.disagreements
    }

    /// The real training that one begins as; the first of its draws.
    fn start(&self, draw: &Draw, random: &mut Random) -> &'a Trajectory {
        let any = random.below(self.starts.len());
        self.starts[draw.task.unwrap_or(any)]
    }

    /// Rows that follow a training: of the member that draws it, or of all.
    fn rows_of(&self, training: usize) -> impl Iterator<Item = usize> + use<> {
        let (first, stride, count) = match self.by_all {
            true => (training, self.places.len(), self.model.members()),
            false => (self.places[training], 0, 1),
        };
        (0..count).map(move |member| first + member * stride)
    }

    /// The member that draws a training, and the training at its first observation.
    fn row(&self, problem: &Problem, draw: &Draw) -> (usize, Row) {
        let mut random = metrics_of(draw);
        let start = self.start(draw, &mut random);
        let member = random.below(self.model.members());
        let metrics = within(problem, &start.steps[0].metrics);
        let hyperparameters = Steering::start(problem, &draw.initial).values();
        (member, Row::new(problem, metrics, hyperparameters, random))
    }

    /// Puts rows where the members that forecast them expect them.
    fn place(&mut self, leads: Vec<(usize, Row)>) {
        let members = self.model.members();
        self.disagreements = if self.by_all { vec![Vec::new(); leads.len()] } else { Vec::new() };
        if self.by_all {
            let trainings = leads.len();
            self.places = leads.iter().enumerate().map(|(place, (member, _))| member * trainings + place).collect();
            let rows = (0..members).flat_map(|_| leads.iter().map(|(_, row)| row.clone()));
            self.rows = rows.collect();
            return;
        }
        let mut of_members: Vec<Vec<(usize, Row)>> = vec![Vec::new(); members];
        self.places = vec![0; leads.len()];
        for (place, (member, row)) in leads.into_iter().enumerate() {
            of_members[member].push((place, row));
        }
        let most = of_members.iter().map(Vec::len).max().unwrap_or_default();
        let idle = of_members.iter().flatten().next().map(|(_, row)| row.clone());
        self.rows = Vec::new();
        for member in of_members {
            let end = self.rows.len() + most;
            for (place, row) in member {
                self.places[place] = self.rows.len();
                self.rows.push(row);
            }
            let missing = end - self.rows.len();
            self.rows.extend(idle.iter().cycle().take(missing).cloned());
        }
    }

    /// Shows the forecasters what came up to the observation at which simulation begins.
    fn show(&mut self, draws: &[Draw]) {
        let problem = self.model.problem();
        // Rows that only keep the shape, and companions of those that draw, go the way of the first or of theirs.
        let mut of_row = vec![0; self.rows.len()];
        for training in 0..draws.len() {
            self.rows_of(training).for_each(|row| of_row[row] = training);
        }
        let started: Vec<_> = draws.iter().map(|draw| self.start(draw, &mut metrics_of(draw))).collect();
        for t in 0..self.from as usize {
            let steps: Vec<_> = of_row.iter().map(|training| &started[*training].steps[t..t + 2]).collect();
            let next: Vec<Vec<f64>> = steps.iter().map(|steps| within(problem, &steps[1].metrics)).collect();
            for (row, steps) in self.rows.iter_mut().zip(&steps) {
                row.actions = decided(problem, &steps[0]);
                row.coming.clone_from(&steps[1].applied);
            }
            let next: Vec<&[f64]> = next.iter().map(Vec::as_slice).collect();
            no_grad(|| self.model.forecaster.show(&mut self.past, &mut self.rows, &next));
        }
    }

    /// Makes every member's row of a training what the one that draws made it, and notes how far apart they were.
    fn agree(&mut self, running: &[usize]) {
        let members = self.model.members() as f64;
        let problem = self.model.problem();
        let span = problem.metrics[problem.objective_index()].span();
        for place in running {
            let expected: Vec<f64> = self.rows_of(*place).map(|row| self.rows[row].expected / span).collect();
            let mean = expected.iter().sum::<f64>() / members;
            let variance = expected.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / members;
            self.disagreements[*place].push(variance.sqrt());
            let lead = self.rows[self.places[*place]].clone();
            for row in self.rows_of(*place) {
                self.rows[row].clone_from(&lead);
            }
        }
    }
}

/// What a training draws its metrics from.
fn metrics_of(draw: &Draw) -> Random {
    Random::stream(draw.seed.into(), &[METRICS])
}

/// Metrics as a world model knows them: within their ranges, and those that it does not forecast at the low end.
fn within(problem: &Problem, metrics: &[f64]) -> Vec<f64> {
    let mut known: Vec<f64> = problem.metrics.iter().map(|metric| metric.range[0]).collect();
    for (place, metric) in problem.forecast() {
        known[place] = metrics[place].clamp(metric.range[0], metric.range[1]);
    }
    known
}

impl Env for Simulation<'_> {
    fn reset(&mut self, draws: &[Draw]) -> Vec<Vec<f64>> {
        let problem = self.model.problem();
        let leads = draws.iter().map(|draw| self.row(problem, draw)).collect();
        self.place(leads);
        self.past = self.model.forecaster.begin();
        self.show(draws);
        self.places.iter().map(|row| self.rows[*row].metrics.clone()).collect()
    }

    fn step(&mut self, running: &[usize], orders: &[Order]) -> Vec<Option<Vec<f64>>> {
        for (place, order) in running.iter().zip(orders) {
            for row in self.rows_of(*place) {
                let row = &mut self.rows[row];
                row.actions.clone_from(&order.actions);
                row.coming.clone_from(&order.hyperparameters);
            }
        }
        no_grad(|| self.model.forecaster.step(&mut self.past, &mut self.rows));
        if self.by_all {
            self.agree(running);
        }
        let metrics = |place: &usize| {
            let row = &self.rows[self.places[*place]];
            (!row.over).then(|| row.metrics.clone())
        };
        running.iter().map(metrics).collect()
    }
}
