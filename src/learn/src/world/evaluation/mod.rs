//! How good forecasts are: trainings are replayed in simulation, under the values that they had.

mod power_law;
mod statistics;

use tuning::{Draw, Metric, Outcome, Problem, Trajectory, quantile};
use wire::forecast::{Curve, Disagreement, Example, ForecastScores, HorizonScores, MetricScores};

use super::examples::{Examples, decided};
use super::{Simulation, WorldModel};
use crate::LearnError;
use crate::env::{Env, Order};
pub use power_law::power_law;
use statistics::{crps, kendall, mean};

/// Simulated trainings for each real one.
const REPLAYS: u32 = 32;
/// Most trainings that are replayed.
const MOST: usize = 64;
/// Horizons that are scored, and the last env step.
const HORIZONS: [u32; 4] = [1, 5, 10, 20];
/// The middle 80 % of forecasts lie between these quantiles.
const MIDDLE: [f64; 2] = [0.1, 0.9];
/// Trainings that are given as examples, and single forecasts of each.
const EXAMPLES: usize = 12;
const PATHS: usize = 3;

/// What simulated trainings came to, that left a real one at an observation.
struct Replay {
    /// Metrics by env step after that, then by simulated training; none where one has diverged.
    steps: Vec<Vec<Option<Vec<f64>>>>,
    /// Member of the ensemble that each is the work of.
    members: Vec<usize>,
}

impl WorldModel {
    /// Scores forecasts of those held out of `trajectories` and completed, from their start; none if there is none.
    pub fn evaluate(&self, trajectories: &[Trajectory]) -> Option<ForecastScores> {
        let (_, held_out) = self.split(trajectories);
        self.score(&held_out, 0)
    }

    /// Scores forecasts of those of `trajectories` that completed, from observation `from` on; none if there is none.
    pub fn score(&self, trajectories: &[&Trajectory], from: u32) -> Option<ForecastScores> {
        let mut completed: Vec<&Trajectory> = trajectories.to_vec();
        completed.retain(|trajectory| trajectory.outcome == Some(Outcome::Completed));
        let every = completed.len().div_ceil(MOST).max(1);
        let real: Vec<&Trajectory> = completed.into_iter().step_by(every).collect();
        if real.is_empty() || from >= self.problem.env_steps {
            return None;
        }
        let replays = real.iter().enumerate().map(|(n, trajectory)| self.replay(trajectory, from, n as u32));
        let replays: Vec<Replay> = replays.collect();
        let judged = Judged { problem: &self.problem, from: from as usize, real: &real, replays: &replays };
        let disagreement = (self.members() > 1).then(|| judged.disagreement(self.members()));
        Some(ForecastScores { surprise: self.surprise(&real).ok(), disagreement, ..judged.scores() })
    }

    /// What is forecast of all metrics of a trajectory from observation `from` on, which it must have.
    pub fn forecast(&self, trajectory: &Trajectory, from: u32) -> Example {
        let replay = self.replay(trajectory, from, 0);
        let curves = self.problem.forecast().map(|metric| curve(&self.problem, trajectory, &replay, metric));
        Example { epoch: trajectory.key.epoch, index: trajectory.key.index, from, curves: curves.collect() }
    }

    /// Negative log-likelihood as [`ForecastScores::surprise`] says, mean over members.
    fn surprise(&self, trajectories: &[&Trajectory]) -> Result<f64, LearnError> {
        let device = self.forecaster.weights().flat().device();
        let examples = Examples::new(&self.problem, self.code(), trajectories, device)?;
        let of_members = super::training::measure(&examples, self.members(), &|rows| self.forecaster.surprise(rows));
        Ok(mean(&of_members).unwrap_or_default())
    }

    fn replay(&self, trajectory: &Trajectory, from: u32, seed: u32) -> Replay {
        let draw = |n| Draw {
            seed: seed.wrapping_mul(REPLAYS).wrapping_add(n),
            task: Some(0),
            initial: trajectory.steps[0].hyperparameters.clone(),
        };
        let draws: Vec<Draw> = (0..REPLAYS).map(draw).collect();
        let mut simulation = Simulation::new(self, &[trajectory]).from(from);
        simulation.reset(&draws);
        let mut running: Vec<usize> = (0..draws.len()).collect();
        let mut steps = Vec::new();
        for pair in trajectory.steps[from as usize..].windows(2) {
            let order = Order { actions: decided(&self.problem, &pair[0]), hyperparameters: pair[1].applied.clone() };
            let metrics = simulation.step(&running, &vec![order; running.len()]);
            let mut all = vec![None; draws.len()];
            for (place, metrics) in running.iter().zip(metrics) {
                all[*place] = metrics;
            }
            running.retain(|place| all[*place].is_some());
            steps.push(all);
        }
        Replay { steps, members: (0..draws.len()).map(|place| simulation.member(place)).collect() }
    }
}

/// What a simulated training says of a metric: a diverged one has the objective at its worst bound, and of other metrics says
/// nothing.
fn said(problem: &Problem, metrics: Option<&Vec<f64>>, place: usize) -> Option<f64> {
    let worst = || problem.objective.direction.worst(&problem.metrics[place]);
    metrics.map(|metrics| metrics[place]).or_else(|| (place == problem.objective_index()).then(worst))
}

/// What simulated trainings say of a metric, ascending.
fn forecasts(problem: &Problem, replays: &[Option<Vec<f64>>], place: usize) -> Vec<f64> {
    let mut values: Vec<f64> = replays.iter().filter_map(|metrics| said(problem, metrics.as_ref(), place)).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// What was measured of a metric, within its range.
fn measured(metric: (usize, &Metric), trajectory: &Trajectory, t: usize) -> f64 {
    trajectory.steps[t].metrics[metric.0].clamp(metric.1.range[0], metric.1.range[1])
}

fn curve(problem: &Problem, trajectory: &Trajectory, replay: &Replay, metric: (usize, &Metric)) -> Curve {
    let quantiles = replay.steps.iter().filter_map(|replays| {
        let sorted = forecasts(problem, replays, metric.0);
        (!sorted.is_empty()).then(|| [0.1, 0.5, 0.9].map(|q| quantile(&sorted, q)))
    });
    let path = |n: usize| {
        let values = replay.steps.iter().map_while(|replays| Some(replays[n].as_ref()?[metric.0]));
        values.collect()
    };
    Curve {
        metric: metric.1.name.clone(),
        real: (0..trajectory.steps.len()).map(|t| measured(metric, trajectory, t)).collect(),
        quantiles: quantiles.collect(),
        paths: (0..PATHS).map(path).collect(),
    }
}

/// Env steps ahead that are scored, of forecasts from observation `from` on.
fn horizons(problem: &Problem, from: usize) -> Vec<usize> {
    let last = problem.env_steps as usize - from;
    HORIZONS.into_iter().map(|h| h as usize).filter(|h| *h < last).chain([last]).collect()
}

/// Scores forecasts of a metric of `real` trainings from observation `from` on: `forecasts` gives those of the n-th, so many
/// env steps ahead, ascending. Means over trainings that there are forecasts of.
fn metric_scores(
    problem: &Problem,
    real: &[&Trajectory],
    metric: (usize, &Metric),
    from: usize,
    forecasts: impl Fn(usize, usize) -> Vec<f64>,
) -> MetricScores {
    let at = |ahead: usize| {
        let each = real.iter().enumerate().filter_map(|(n, real)| {
            let forecasts = forecasts(n, ahead);
            let [now, before] = [from + ahead, from].map(|t| measured(metric, real, t));
            let mean = mean(&forecasts)?;
            Some([crps(&forecasts, now), (before - now).abs(), (mean - now).powi(2), (before - now).powi(2)])
        });
        let each: Vec<[f64; 4]> = each.collect();
        let of = |n: usize| mean(&each.iter().map(|scores| scores[n]).collect::<Vec<_>>()).unwrap_or_default();
        let [crps, last_value_crps, squared_error, last_value_squared_error] = [0, 1, 2, 3].map(of);
        HorizonScores { env_steps: ahead as u32, crps, last_value_crps, squared_error, last_value_squared_error }
    };
    MetricScores { metric: metric.1.name.clone(), horizons: horizons(problem, from).into_iter().map(at).collect() }
}

/// Real trainings beside what was forecast of them.
struct Judged<'a> {
    problem: &'a Problem,
    /// Observation from which they are forecast.
    from: usize,
    real: &'a [&'a Trajectory],
    replays: &'a [Replay],
}

impl Judged<'_> {
    fn scores(&self) -> ForecastScores {
        let metric = |metric: (usize, &Metric)| {
            let forecasts =
                |n: usize, ahead: usize| forecasts(self.problem, &self.replays[n].steps[ahead - 1], metric.0);
            metric_scores(self.problem, self.real, metric, self.from, forecasts)
        };
        let (ends, numbers) = (self.ends(), self.numbers());
        let shown = EXAMPLES.min(self.real.len());
        let shown = (0..shown).map(|n| n * self.real.len() / shown);
        ForecastScores {
            trajectories: self.real.len(),
            from: self.from as u32,
            surprise: None,
            coverage: coverage(&numbers),
            calibration: (1..10).map(|n| f64::from(n) / 10.0).map(|q| [q, below(&numbers, q)]).collect(),
            rank_correlation: kendall(&ends),
            bias: mean(&ends.iter().map(|(simulated, real)| simulated - real).collect::<Vec<_>>()).unwrap_or_default(),
            disagreement: None,
            metrics: self.problem.forecast().map(metric).collect(),
            examples: shown.map(|n| self.example(self.real[n], &self.replays[n])).collect(),
        }
    }

    fn pairs(&self) -> impl Iterator<Item = (&Trajectory, &Replay)> {
        self.real.iter().copied().zip(self.replays)
    }

    /// Every number that was measured, and its forecasts.
    fn numbers(&self) -> Vec<(f64, Vec<f64>)> {
        let mut numbers = Vec::new();
        for (real, replay) in self.pairs() {
            for (step, replays) in replay.steps.iter().enumerate() {
                for metric in self.problem.forecast() {
                    let x = measured(metric, real, self.from + step + 1);
                    numbers.push((x, forecasts(self.problem, replays, metric.0)));
                }
            }
        }
        numbers.retain(|(_, forecasts)| !forecasts.is_empty());
        numbers
    }

    /// Mean forecast objective at the end, and the real one.
    fn ends(&self) -> Vec<(f64, f64)> {
        let objective = self.problem.objective_index();
        let end = |(real, replay): (&Trajectory, &Replay)| {
            let simulated = mean(&forecasts(self.problem, replay.steps.last()?, objective))?;
            Some((simulated, real.steps.last()?.metrics[objective]))
        };
        self.pairs().filter_map(end).collect()
    }

    fn disagreement(&self, members: usize) -> Disagreement {
        let objective = (self.problem.objective_index(), self.problem.objective_metric());
        let mut points = Vec::new();
        for (real, replay) in self.pairs() {
            for horizon in horizons(self.problem, self.from) {
                let of_member = |member: usize| {
                    let own = replay.steps[horizon - 1].iter().zip(&replay.members).filter(|(_, of)| **of == member);
                    mean(&own.filter_map(|(m, _)| said(self.problem, m.as_ref(), objective.0)).collect::<Vec<_>>())
                };
                let means: Vec<f64> = (0..members).filter_map(of_member).collect();
                let Some(center) = mean(&means) else { continue };
                let variance = mean(&means.iter().map(|x| (x - center).powi(2)).collect::<Vec<_>>());
                let error = (center - measured(objective, real, self.from + horizon)).abs();
                points.push([variance.unwrap_or_default().sqrt(), error]);
            }
        }
        let pairs: Vec<(f64, f64)> = points.iter().map(|[disagreement, error]| (*disagreement, *error)).collect();
        Disagreement { rank_correlation: kendall(&pairs), points }
    }

    fn example(&self, real: &Trajectory, replay: &Replay) -> Example {
        let objective = (self.problem.objective_index(), self.problem.objective_metric());
        let curves = vec![curve(self.problem, real, replay, objective)];
        Example { epoch: real.key.epoch, index: real.key.index, from: self.from as u32, curves }
    }
}

/// Share of numbers that lie within the middle 80 % of their forecasts.
fn coverage(numbers: &[(f64, Vec<f64>)]) -> f64 {
    let within = |(x, forecasts): &(f64, Vec<f64>)| {
        let [low, high] = MIDDLE.map(|q| quantile(forecasts, q));
        f64::from(u8::from((low..=high).contains(x)))
    };
    mean(&numbers.iter().map(within).collect::<Vec<_>>()).unwrap_or_default()
}

/// Share of numbers that lie below a quantile of their forecasts; what is equal counts half.
fn below(numbers: &[(f64, Vec<f64>)], q: f64) -> f64 {
    let of = |(x, forecasts): &(f64, Vec<f64>)| match x.total_cmp(&quantile(forecasts, q)) {
        std::cmp::Ordering::Less => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Greater => 0.0,
    };
    mean(&numbers.iter().map(of).collect::<Vec<_>>()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::world::fixtures::{outputs, problem, settings, trajectories};

    #[test]
    fn every_metric_and_horizon_is_scored_and_only_what_was_held_out() {
        for output in outputs() {
            let model = WorldModel::new(problem(), &settings(output), 1, tch::Device::Cpu).unwrap();
            let scores = model.evaluate(&trajectories(80)).unwrap();
            assert!((1..=10).contains(&scores.trajectories), "an eighth of 80, less those that diverged");
            assert_eq!(scores.metrics.iter().map(|m| m.metric.as_str()).collect::<Vec<_>>(), ["accuracy", "share"]);
            let horizons: Vec<u32> = scores.metrics[0].horizons.iter().map(|h| h.env_steps).collect();
            assert_eq!(horizons, [1, 5, 6]);
            let sound = |h: &HorizonScores| h.crps.is_finite() && h.squared_error >= 0.0 && h.last_value_crps > 0.0;
            assert!(scores.metrics.iter().flat_map(|m| &m.horizons).all(sound));
            assert!((0.0..=1.0).contains(&scores.coverage));
            assert!(scores.surprise.unwrap().is_finite());
            assert!(scores.calibration.windows(2).all(|pair| pair[0][1] <= pair[1][1]), "{:?}", scores.calibration);
            let disagreement = scores.disagreement.unwrap();
            assert_eq!(disagreement.points.len(), scores.trajectories * 3);
            assert!(disagreement.points.iter().all(|[a, b]| *a >= 0.0 && *b >= 0.0));
            let curve = &scores.examples[0].curves[0];
            assert_eq!((curve.metric.as_str(), curve.real.len(), curve.quantiles.len()), ("accuracy", 7, 6));
        }
    }

    #[test]
    fn perfect_forecasts_score_nothing_and_cover_everything() {
        let real: Vec<Trajectory> = trajectories(9).into_iter().filter(|t| t.steps.len() == 7).collect();
        let real: Vec<&Trajectory> = real.iter().collect();
        let steps = |t: &&Trajectory| t.steps[1..].iter().map(|step| vec![Some(step.metrics.clone()); 3]).collect();
        let replays: Vec<Replay> = real.iter().map(|t| Replay { steps: steps(t), members: vec![0, 1, 0] }).collect();
        let problem = problem();
        let judged = Judged { problem: &problem, from: 0, real: &real, replays: &replays };
        let scores = judged.scores();
        assert!(judged.disagreement(2).points.iter().all(|point| *point == [0.0, 0.0]));
        assert!((scores.coverage - 1.0).abs() < 1e-12 && scores.bias.abs() < 1e-12);
        assert_eq!(scores.rank_correlation, Some(1.0));
        assert!(scores.metrics.iter().flat_map(|m| &m.horizons).all(|h| h.crps.abs() + h.squared_error < 1e-12));
    }

    #[test]
    fn from_a_later_observation_only_what_follows_is_forecast() {
        let model = WorldModel::new(problem(), &settings(outputs().remove(0)), 1, tch::Device::Cpu).unwrap();
        let all = trajectories(9);
        let scores = model.score(&all.iter().collect::<Vec<_>>(), 4).unwrap();
        assert_eq!((scores.from, scores.trajectories), (4, 6), "a third of them diverged");
        assert_eq!(scores.metrics[0].horizons.iter().map(|h| h.env_steps).collect::<Vec<_>>(), [1, 2]);
        let example = model.forecast(&all[0], 4);
        assert_eq!(example.curves.iter().map(|curve| curve.metric.as_str()).collect::<Vec<_>>(), ["accuracy", "share"]);
        assert_eq!((example.curves[1].real.len(), example.curves[1].quantiles.len()), (7, 2));
        assert!(model.score(&all.iter().collect::<Vec<_>>(), 6).is_none(), "nothing is left to forecast");
    }
}
