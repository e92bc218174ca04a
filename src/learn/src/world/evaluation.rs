//! How good forecasts are: trainings that were held out are replayed in simulation, under the values that they had.

use tuning::{Draw, Outcome, Problem, Trajectory};
use wire::learner::{ForecastScores, HorizonScores, MetricScores};

use super::examples::decided;
use super::{Simulation, WorldModel};
use crate::env::{Env, Order};

/// Simulated trainings for each real one.
const REPLAYS: u32 = 32;
/// Horizons that are scored, and the last env step.
const HORIZONS: [u32; 4] = [1, 5, 10, 20];
/// The middle 80 % of forecasts lie between these quantiles.
const MIDDLE: [f64; 2] = [0.1, 0.9];

impl WorldModel {
    /// Scores forecasts of those held out of `trajectories`, and completed; none if there is none.
    pub fn evaluate(&self, trajectories: &[Trajectory]) -> Option<ForecastScores> {
        let (_, held_out) = self.split(trajectories);
        let held_out: Vec<&Trajectory> =
            held_out.into_iter().filter(|trajectory| trajectory.outcome == Some(Outcome::Completed)).collect();
        if held_out.is_empty() {
            return None;
        }
        let replays: Vec<Vec<Vec<Option<Vec<f64>>>>> =
            held_out.iter().enumerate().map(|(n, trajectory)| self.replay(trajectory, n as u32)).collect();
        Some(scores(&self.problem, &held_out, &replays))
    }

    /// Metrics of simulated trainings from the start of a real one, under its values: by env step (T), then by replay; none
    /// where a simulated one has diverged.
    pub fn replay(&self, trajectory: &Trajectory, seed: u32) -> Vec<Vec<Option<Vec<f64>>>> {
        let draw = |n| Draw {
            seed: seed.wrapping_mul(REPLAYS).wrapping_add(n),
            task: Some(0),
            initial: trajectory.steps[0].hyperparameters.clone(),
        };
        let draws: Vec<Draw> = (0..REPLAYS).map(draw).collect();
        let mut simulation = Simulation::new(self, &[trajectory]);
        simulation.reset(&draws);
        let mut running: Vec<usize> = (0..draws.len()).collect();
        let mut replayed = Vec::new();
        for pair in trajectory.steps.windows(2) {
            let order = Order { actions: decided(&self.problem, &pair[0]), hyperparameters: pair[1].applied.clone() };
            let metrics = simulation.step(&running, &vec![order; running.len()]);
            let mut all = vec![None; draws.len()];
            for (place, metrics) in running.iter().zip(metrics) {
                all[*place] = metrics;
            }
            running.retain(|place| all[*place].is_some());
            replayed.push(all);
        }
        replayed
    }
}

/// What simulated trainings say of a metric, ascending: a diverged one has the objective at its worst bound, and of other
/// metrics says nothing.
fn forecasts(problem: &Problem, replays: &[Option<Vec<f64>>], place: usize) -> Vec<f64> {
    let diverged =
        (place == problem.objective_index()).then(|| problem.objective.direction.worst(&problem.metrics[place]));
    let mut values: Vec<f64> =
        replays.iter().filter_map(|metrics| metrics.as_ref().map(|metrics| metrics[place]).or(diverged)).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn scores(problem: &Problem, real: &[&Trajectory], replays: &[Vec<Vec<Option<Vec<f64>>>>]) -> ForecastScores {
    let last = problem.env_steps;
    let mut horizons: Vec<u32> = HORIZONS.into_iter().filter(|horizon| *horizon < last).collect();
    horizons.push(last);
    let within = |(place, metric): (usize, &tuning::Metric), t: usize, trajectory: &Trajectory| {
        trajectory.steps[t].metrics[place].clamp(metric.range[0], metric.range[1])
    };
    let metrics = problem.forecast().map(|metric| {
        let horizon = |env_steps: u32| {
            let t = env_steps as usize;
            let each = real.iter().zip(replays).filter_map(|(trajectory, replays)| {
                let forecasts = forecasts(problem, &replays[t - 1], metric.0);
                let (now, before) = (within(metric, t, trajectory), within(metric, 0, trajectory));
                let mean = mean(&forecasts)?;
                Some([crps(&forecasts, now), (before - now).abs(), (mean - now).powi(2), (before - now).powi(2)])
            });
            let each: Vec<[f64; 4]> = each.collect();
            let of = |n: usize| mean(&each.iter().map(|scores| scores[n]).collect::<Vec<_>>()).unwrap_or_default();
            let [crps, last_value_crps, squared_error, last_value_squared_error] = [0, 1, 2, 3].map(of);
            HorizonScores { env_steps, crps, last_value_crps, squared_error, last_value_squared_error }
        };
        MetricScores { metric: metric.1.name.clone(), horizons: horizons.iter().copied().map(horizon).collect() }
    });
    let metrics = metrics.collect();
    let mut covered = Vec::new();
    for (trajectory, replays) in real.iter().zip(replays) {
        for (t, replays) in replays.iter().enumerate() {
            for metric in problem.forecast() {
                let forecasts = forecasts(problem, replays, metric.0);
                if !forecasts.is_empty() {
                    let [low, high] = MIDDLE.map(|q| quantile(&forecasts, q));
                    covered.push(f64::from(u8::from((low..=high).contains(&within(metric, t + 1, trajectory)))));
                }
            }
        }
    }
    let objective = problem.objective_index();
    let ends = real.iter().zip(replays).filter_map(|(trajectory, replays)| {
        let simulated = mean(&forecasts(problem, replays.last()?, objective))?;
        Some((simulated, trajectory.steps.last()?.metrics[objective]))
    });
    let ends: Vec<(f64, f64)> = ends.collect();
    ForecastScores {
        trajectories: real.len(),
        coverage: mean(&covered).unwrap_or_default(),
        rank_correlation: kendall(&ends),
        bias: mean(&ends.iter().map(|(simulated, real)| simulated - real).collect::<Vec<_>>()).unwrap_or_default(),
        metrics,
    }
}

/// E |X − x| − E |X − X'| / 2 of forecasts X, which ascend, and what was measured, x (Gneiting and Raftery 2007, equation
/// 21); pairs of a forecast with itself are left out of the second term, which would else favour few forecasts.
fn crps(forecasts: &[f64], measured: f64) -> f64 {
    let n = forecasts.len() as f64;
    let error = forecasts.iter().map(|x| (x - measured).abs()).sum::<f64>() / n;
    // Of ascending numbers the sum of all distances is that of each number times how many are below less above.
    let spread: f64 = forecasts.iter().enumerate().map(|(place, x)| x * (2.0 * place as f64 - n + 1.0)).sum();
    if n < 2.0 { error } else { error - spread / (n * (n - 1.0)) }
}

/// Kendall's τ_b, which counts ties; none where all are tied, or there are not two.
fn kendall(pairs: &[(f64, f64)]) -> Option<f64> {
    let (mut agree, mut first, mut second) = (0.0, 0.0, 0.0);
    for (n, a) in pairs.iter().enumerate() {
        for b in &pairs[..n] {
            let sign = |x: f64| if x == 0.0 { 0.0 } else { x.signum() };
            let (x, y) = (sign(a.0 - b.0), sign(a.1 - b.1));
            agree += x * y;
            first += x * x;
            second += y * y;
        }
    }
    (first * second > 0.0).then(|| agree / f64::sqrt(first * second))
}

fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let (low, share) = (place as usize, place.fract());
    sorted[low] + share * (sorted[(low + 1).min(sorted.len() - 1)] - sorted[low])
}

fn mean(xs: &[f64]) -> Option<f64> {
    (!xs.is_empty()).then(|| xs.iter().sum::<f64>() / xs.len() as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::world::fixtures::{outputs, problem, settings, trajectories};

    #[test]
    fn the_crps_is_that_of_a_slow_loop_and_of_one_forecast_the_error() {
        let forecasts: [f64; 4] = [0.1, 0.15, 0.4, 0.9];
        let mut spread = 0.0;
        for a in forecasts {
            spread += forecasts.iter().map(|b| (a - b).abs()).sum::<f64>() / 12.0;
        }
        let error = forecasts.iter().map(|x| (x - 0.3_f64).abs()).sum::<f64>() / 4.0;
        assert!((crps(&forecasts, 0.3) - (error - spread / 2.0)).abs() < 1e-12);
        assert!((crps(&[0.5], 0.3) - 0.2).abs() < 1e-12);
    }

    #[test]
    fn rank_correlation_counts_pairs_in_the_same_order() {
        assert_eq!(kendall(&[(1.0, 10.0), (2.0, 20.0), (3.0, 30.0)]), Some(1.0));
        assert_eq!(kendall(&[(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)]), Some(-1.0));
        assert_eq!(kendall(&[(1.0, 1.0), (2.0, 3.0), (3.0, 2.0)]), Some(1.0 / 3.0));
        assert_eq!((kendall(&[(1.0, 1.0)]), kendall(&[(1.0, 2.0), (1.0, 3.0)])), (None, None));
    }

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
        }
    }

    #[test]
    fn perfect_forecasts_score_nothing_and_cover_everything() {
        let real: Vec<Trajectory> = trajectories(9).into_iter().filter(|t| t.steps.len() == 7).collect();
        let real: Vec<&Trajectory> = real.iter().collect();
        let replay = |t: &&Trajectory| t.steps[1..].iter().map(|step| vec![Some(step.metrics.clone()); 3]).collect();
        let replays: Vec<Vec<Vec<Option<Vec<f64>>>>> = real.iter().map(replay).collect();
        let scores = scores(&problem(), &real, &replays);
        assert!((scores.coverage - 1.0).abs() < 1e-12 && scores.bias.abs() < 1e-12);
        assert_eq!(scores.rank_correlation, Some(1.0));
        assert!(scores.metrics.iter().flat_map(|m| &m.horizons).all(|h| h.crps.abs() + h.squared_error < 1e-12));
    }
}
