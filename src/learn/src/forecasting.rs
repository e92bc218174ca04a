//! The talk's forecasting experiment: a forecaster is trained on curves that converge to 1 at varying rates, generates as
//! many, and the rates found in both are compared.

use serde::Serialize;
use tch::Device;
use tuning::{
    Direction, Draw, Hyperparameter, Metric, Objective, Outcome, Problem, Random, Scale, Schedule, Step, Trajectory,
    TrajectoryKey,
};
use wire::settings::WorldModelSettings;

use crate::env::{Env, Order};
use crate::{Fit, LearnError, Simulation, WorldModel};

/// Lowest and highest rate per env step; curves draw theirs log-uniformly between them.
pub const RATES: [f64; 2] = [0.03, 0.6];
/// Env steps of a curve.
const ENV_STEPS: u32 = 30;
/// Curves to show.
const EXAMPLES: usize = 12;
/// Standard deviation of the noise on each value.
const NOISE: f64 = 0.02;
// Streams of the seed.
const RATE: u64 = 0;
const VALUES: u64 = 1;
const GENERATED: u64 = 2;

/// What came out.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecasting {
    /// Curves trained on, and as many generated.
    pub curves: u32,
    /// Kolmogorov–Smirnov distance of the rates found in real and in generated curves.
    pub ks_distance: f64,
    /// The same between two halves of the real curves: what is left where nothing differs.
    pub ks_floor: f64,
    /// Training of the forecaster.
    pub fit: Fit,
    /// Rates found in real curves, ascending.
    #[serde(skip)]
    pub real: Vec<f64>,
    /// Rates found in generated ones, ascending.
    #[serde(skip)]
    pub generated: Vec<f64>,
    /// The first real curves and the generated ones that start as they do, from step 0 on.
    #[serde(skip)]
    pub examples: Vec<[Vec<f64>; 2]>,
}

/// Trains on `curves` curves, generates as many, and compares.
///
/// # Errors
/// If the forecaster can't be built or trained.
pub fn forecasting(settings: &WorldModelSettings, curves: u32, seed: u64) -> Result<Forecasting, LearnError> {
    let problem = problem();
    let trajectories: Vec<Trajectory> = (0..curves).map(|index| trajectory(seed, index)).collect();
    let mut model = WorldModel::new(problem.clone(), settings, seed, Device::Cpu)?;
    let fit = model.fit(&trajectories)?;
    let of = |trajectory: &Trajectory| trajectory.steps.iter().map(|step| step.metrics[0]).collect::<Vec<f64>>();
    let real: Vec<Vec<f64>> = trajectories.iter().map(of).collect();
    let found: Vec<f64> = real.iter().map(|curve| rate(curve)).collect();
    let (first, second) = found.split_at(found.len() / 2);
    let generated = generate(&model, &trajectories, seed);
    let found_generated: Vec<f64> = generated.iter().map(|curve| rate(curve)).collect();
    Ok(Forecasting {
        curves,
        ks_distance: kolmogorov_smirnov(&found, &found_generated),
        ks_floor: kolmogorov_smirnov(first, second),
        fit,
        real: ascending(&found),
        generated: ascending(&found_generated),
        examples: real.into_iter().zip(generated).take(EXAMPLES).map(|(real, generated)| [real, generated]).collect(),
    })
}

/// One metric; nothing is steered, so the one hyperparameter that a problem needs never moves.
fn problem() -> Problem {
    let still = Hyperparameter {
        name: "still".to_owned(),
        initial: Some(0.1),
        initial_range: None,
        min: 0.01,
        max: 1.0,
        complement: false,
        schedule: Schedule::default(),
    };
    let accuracy = Metric { name: "accuracy".to_owned(), range: [0.0, 1.0], scale: Scale::Linear, observed: true };
    Problem {
        objective: Objective { metric: "accuracy".to_owned(), direction: Direction::Maximize },
        metrics: vec![accuracy],
        hyperparameters: vec![still],
        multipliers: vec![1.0],
        env_steps: ENV_STEPS,
    }
}

/// 1 − e^(−rt) and noise.
fn trajectory(seed: u64, index: u32) -> Trajectory {
    let rate = RATES[0] * (RATES[1] / RATES[0]).powf(Random::stream(seed, &[RATE, index.into()]).uniform());
    let mut random = Random::stream(seed, &[VALUES, index.into()]);
    let step = |step: u32| Step {
        step,
        metrics: vec![(1.0 - (-rate * f64::from(step)).exp() + NOISE * random.normal()).clamp(0.0, 1.0)],
        hyperparameters: vec![0.1],
        applied: vec![0.1],
        decision: None,
        elapsed_seconds: 0.0,
    };
    Trajectory {
        key: TrajectoryKey { repetition: 0, epoch: 1, index, attempt: 0 },
        seed: index,
        task: String::new(),
        outcome: Some(Outcome::Completed),
        steps: (0..=ENV_STEPS).map(step).collect(),
    }
}

/// As many curves as there are real ones, each from the first value of one.
fn generate(model: &WorldModel, real: &[Trajectory], seed: u64) -> Vec<Vec<f64>> {
    let starts: Vec<&Trajectory> = real.iter().collect();
    let seeds = Random::stream(seed, &[GENERATED]).bits() as u32;
    let draw = |n: usize| Draw { seed: seeds.wrapping_add(n as u32), task: Some(n), initial: vec![0.1] };
    let draws: Vec<Draw> = (0..real.len()).map(draw).collect();
    let mut simulation = Simulation::new(model, &starts);
    let mut curves: Vec<Vec<f64>> = simulation.reset(&draws);
    for _ in 0..ENV_STEPS {
        let running: Vec<usize> = (0..curves.len()).collect();
        let orders = vec![Order { actions: vec![0], hyperparameters: vec![0.1] }; curves.len()];
        for (curve, metrics) in curves.iter_mut().zip(simulation.step(&running, &orders)) {
            // Nothing diverges in what was trained on; a curve that does all the same stays where it was.
            curve.push(metrics.map_or(curve[curve.len() - 1], |metrics| metrics[0]));
        }
    }
    curves
}

/// The rate of the curve 1 − e^(−rt) that is nearest to `values` in squares: the best of a grid in ln r, then golden sections
/// around it.
fn rate(values: &[f64]) -> f64 {
    let error = |log_rate: f64| {
        let of = |(t, x): (usize, &f64)| (x - 1.0 + (-log_rate.exp() * t as f64).exp()).powi(2);
        values.iter().enumerate().map(of).sum::<f64>()
    };
    let (low, step) = ((RATES[0] / 10.0).ln(), 0.1);
    let grid = (0..80).map(|n| low + step * f64::from(n));
    let best = grid.min_by(|a, b| error(*a).total_cmp(&error(*b))).unwrap_or(low);
    let (mut a, mut b) = (best - step, best + step);
    let golden = (5_f64.sqrt() - 1.0) / 2.0;
    while b - a > 1e-6 {
        let (x, y) = (b - golden * (b - a), a + golden * (b - a));
        if error(x) < error(y) { b = y } else { a = x }
    }
    f64::midpoint(a, b).exp()
}

fn ascending(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

/// Largest difference of the shares that lie below any number.
fn kolmogorov_smirnov(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (ascending(a), ascending(b));
    let share = |values: &[f64], x: f64| values.partition_point(|value| *value <= x) as f64 / values.len() as f64;
    a.iter().chain(&b).map(|x| (share(&a, *x) - share(&b, *x)).abs()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_a_curve_without_noise_is_found() {
        for expected in [0.03, 0.1, 0.37, 0.6] {
            let curve: Vec<f64> = (0..=30).map(|t| 1.0 - (-expected * f64::from(t)).exp()).collect();
            assert!((rate(&curve) - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn the_distance_is_that_of_the_cumulative_shares() {
        assert_eq!(kolmogorov_smirnov(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 3.0, 4.0]), 0.0);
        assert_eq!(kolmogorov_smirnov(&[1.0, 2.0], &[3.0, 4.0]), 1.0);
        assert_eq!(kolmogorov_smirnov(&[1.0, 2.0, 3.0, 4.0], &[2.5, 2.6, 2.7, 5.0]), 0.5);
    }
}
