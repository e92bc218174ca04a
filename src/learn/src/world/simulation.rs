//! Trainings that a world model makes up: the environment that a policy is learned in between real trainings.

use tch::{Kind, Tensor, no_grad};
use tuning::{Draw, Random, Trajectory};
use wire::artifact::STRETCH;

use super::WorldModel;
use super::examples::{forecast, input, seen, width};
use super::residual::Density;
use crate::env::Env;
use crate::nets::{Past, to_vec};

/// Keeps the draws of simulated metrics apart from whatever else the seed of a training is used for.
const METRICS: u64 = 0x51a1;

/// Simulated trainings, each by one member of the ensemble, from the first observation of a real one.
///
/// What happens to a training follows from its seed and its hyperparameters, whatever else is in the batch.
pub struct Simulation<'a> {
    model: &'a WorldModel,
    /// Metrics of real trainings at their first observation.
    starts: Vec<Vec<f64>>,
    runs: Vec<Run>,
    /// Of each member: places of its trainings, and what its blocks remember of them.
    pasts: Vec<(Vec<usize>, Vec<Past>)>,
    step: usize,
    clipped: usize,
    sampled: usize,
}

struct Run {
    member: usize,
    /// As networks see them.
    seen: Vec<f64>,
    random: Random,
    over: bool,
}

impl<'a> Simulation<'a> {
    /// Simulated trainings that start as the real `trajectories` did.
    ///
    /// # Panics
    /// If none of them has an observation.
    pub fn new(model: &'a WorldModel, trajectories: &[Trajectory]) -> Self {
        let starts: Vec<_> = trajectories.iter().filter_map(|t| Some(t.steps.first()?.metrics.clone())).collect();
        assert!(!starts.is_empty(), "a simulation starts as a real training did");
        Self { model, starts, runs: Vec::new(), pasts: Vec::new(), step: 0, clipped: 0, sampled: 0 }
    }

    /// Share of the forecast numbers that had left their metric's range and were clipped.
    pub fn clipped_share(&self) -> f64 {
        self.clipped as f64 / self.sampled.max(1) as f64
    }

    /// Metrics in the problem's order, raw; those that are not forecast are at the low end of their range.
    fn raw(&self, seen: &[f64]) -> Vec<f64> {
        let problem = self.model.problem();
        let mut metrics: Vec<f64> = problem.metrics.iter().map(|metric| metric.range[0]).collect();
        for ((place, metric), seen) in forecast(problem).zip(seen) {
            metrics[place] = metric.raw(*seen);
        }
        metrics
    }
}

impl Env for Simulation<'_> {
    fn reset(&mut self, draws: &[Draw]) -> Vec<Vec<f64>> {
        let problem = self.model.problem();
        let run = |draw: &Draw| {
            let mut random = Random::stream(draw.seed.into(), &[METRICS]);
            let start = &self.starts[random.below(self.starts.len())];
            let member = random.below(self.model.members());
            Run { member, seen: seen(problem, start), random, over: false }
        };
        self.runs = draws.iter().map(run).collect();
        let of_member =
            |member: usize| (0..self.runs.len()).filter(|place| self.runs[*place].member == member).collect();
        self.pasts = self.model.members.iter().enumerate().map(|(n, member)| (of_member(n), member.past())).collect();
        self.step = 0;
        self.runs.iter().map(|run| self.raw(&run.seen)).collect()
    }

    fn step(&mut self, running: &[usize], hyperparameters: &[Vec<f64>]) -> Vec<Option<Vec<f64>>> {
        let problem = self.model.problem();
        let width = width(problem);
        // Trainings that are over still take part, so that what the blocks remember keeps its shape.
        let mut inputs = vec![vec![0.5_f32; width]; self.runs.len()];
        for (place, values) in running.iter().zip(hyperparameters) {
            inputs[*place] = input(problem, &self.runs[*place].seen, values, self.step);
        }
        for (member, (places, past)) in self.model.members.iter().zip(&mut self.pasts) {
            if places.is_empty() {
                continue;
            }
            let rows: Vec<f32> = places.iter().flat_map(|place| inputs[*place].clone()).collect();
            let rows =
                Tensor::from_slice(&rows).view([places.len() as i64, 1, width as i64]).to_device(member.device());
            let forecasts = Forecasts::of(&no_grad(|| member.step(&rows, past, self.step)));
            for (row, place) in places.iter().enumerate() {
                let run = &mut self.runs[*place];
                match forecasts.sample(row, &mut run.random) {
                    None => run.over = true,
                    Some(changes) => {
                        for (seen, change) in run.seen.iter_mut().zip(changes) {
                            let next = *seen + change / f64::from(STRETCH);
                            self.clipped += usize::from(!(0.0..=1.0).contains(&next));
                            self.sampled += 1;
                            *seen = next.clamp(0.0, 1.0);
                        }
                    }
                }
            }
        }
        self.step += 1;
        let metrics = |place: &usize| (!self.runs[*place].over).then(|| self.raw(&self.runs[*place].seen));
        running.iter().map(metrics).collect()
    }
}

/// The densities of one env step in plain numbers.
struct Forecasts {
    shares: Vec<f32>,
    means: Vec<f32>,
    deviations: Vec<f32>,
    divergence: Vec<f32>,
    components: usize,
    metrics: usize,
}

impl Forecasts {
    fn of(density: &Density) -> Self {
        let [.., k, m] = density.means.size()[..] else { unreachable!("means are (B, T, K, M)") };
        Self {
            shares: to_vec(&density.log_shares),
            means: to_vec(&density.means),
            deviations: to_vec(&density.log_deviations.exp()),
            divergence: to_vec(&density.divergence.sigmoid().to_kind(Kind::Float)),
            components: k as usize,
            metrics: m as usize,
        }
    }

    /// The changes of training `row`; none if it diverges.
    fn sample(&self, row: usize, random: &mut Random) -> Option<Vec<f64>> {
        let diverges = random.uniform() < f64::from(self.divergence[row]);
        let component = tuning::sample(&self.shares[row * self.components..][..self.components], random.uniform());
        let from = (row * self.components + component) * self.metrics;
        let gaussians = self.means[from..].iter().zip(&self.deviations[from..]).take(self.metrics);
        let changes = gaussians.map(|(mean, deviation)| f64::from(*mean) + f64::from(*deviation) * random.normal());
        let changes: Vec<f64> = changes.collect();
        (!diverges).then_some(changes)
    }
}
