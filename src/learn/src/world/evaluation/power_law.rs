//! A forecast that takes no training: each curve's own power law, by least squares.

use tuning::{Outcome, Problem, Trajectory};
use wire::forecast::MetricScores;

use super::{measured, metric_scores};

/// Exponents that are tried.
const EXPONENTS: [f64; 2] = [0.05, 4.0];
const TRIED: u32 = 30;
const GRIDS: u32 = 3;

/// Scores the forecasts a + b (t + 1)^−c, fitted to observations 0 ..= `from` of each metric of each trajectory that completed.
/// They are single numbers, whose continuous ranked probability score is their absolute error.
pub fn power_law(problem: &Problem, trajectories: &[&Trajectory], from: u32) -> Vec<MetricScores> {
    let completed = |t: &&&Trajectory| t.outcome == Some(Outcome::Completed);
    let real: Vec<&Trajectory> = trajectories.iter().filter(completed).copied().collect();
    let from = from as usize;
    let metrics = problem.forecast().map(|metric| {
        let known = |t: &&Trajectory| (0..=from).map(|step| measured(metric, t, step)).collect::<Vec<_>>();
        let laws: Vec<Law> = real.iter().map(|t| Law::fit(&known(t))).collect();
        let [low, high] = metric.1.range;
        metric_scores(problem, &real, metric, from, |n, ahead| vec![laws[n].at(from + ahead).clamp(low, high)])
    });
    metrics.collect()
}

/// a + b (t + 1)^−c.
#[derive(Debug)]
struct Law {
    a: f64,
    b: f64,
    c: f64,
}

impl Law {
    /// The best of a grid of exponents, for each of which a and b are linear least squares; then of finer grids around it.
    fn fit(values: &[f64]) -> Self {
        let [mut low, mut high] = EXPONENTS;
        let mut best = Self::with_exponent(values, 1.0);
        for _ in 0..GRIDS {
            let factor = (high / low).powf(1.0 / f64::from(TRIED - 1));
            let fitted = (0..TRIED).map(|n| Self::with_exponent(values, low * factor.powi(n as i32)));
            best =
                fitted.chain([best]).min_by(|a, b| a.error(values).total_cmp(&b.error(values))).expect("one is there");
            [low, high] = [best.c / factor, best.c * factor];
        }
        best
    }

    fn with_exponent(values: &[f64], c: f64) -> Self {
        let n = values.len() as f64;
        let power = |t: usize| (t as f64 + 1.0).powf(-c);
        let mean_x = (0..values.len()).map(power).sum::<f64>() / n;
        let mean_y = values.iter().sum::<f64>() / n;
        let each = || values.iter().enumerate().map(|(t, y)| (power(t) - mean_x, y - mean_y));
        let spread = each().map(|(x, _)| x * x).sum::<f64>();
        let b = if spread > 0.0 { each().map(|(x, y)| x * y).sum::<f64>() / spread } else { 0.0 };
        Self { a: mean_y - b * mean_x, b, c }
    }

    fn at(&self, t: usize) -> f64 {
        self.a + self.b * (t as f64 + 1.0).powf(-self.c)
    }

    fn error(&self, values: &[f64]) -> f64 {
        values.iter().enumerate().map(|(t, y)| (self.at(t) - y).powi(2)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_law_is_found_and_a_constant_stays_one() {
        let curve: Vec<f64> = (0..12).map(|t| 0.2 + 1.5 * (f64::from(t) + 1.0).powf(-0.7)).collect();
        let law = Law::fit(&curve[..8]);
        assert!((law.at(11) - curve[11]).abs() < 2e-3, "{law:?}");
        let still = Law::fit(&[0.4; 5]);
        assert!((still.at(40) - 0.4).abs() < 1e-12);
        assert!((Law::fit(&[0.3]).at(9) - 0.3).abs() < 1e-12, "of one value there is no law");
    }
}
