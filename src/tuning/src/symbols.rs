//! Trajectories in symbols: what the talk's world model and policy read.

use serde::{Deserialize, Serialize};

use crate::metric::unit_in;
use crate::{EncodingError, FixedPrecision, Metric, Problem};

/// How a trajectory is written: for each observation its metrics (those that are observed, and the objective), then its
/// hyperparameters, each a number of P symbols; then the action on each hyperparameter as one symbol.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SymbolCode {
    /// Symbols of the alphabet (V).
    pub vocabulary: u16,
    /// Symbols of a number (P).
    pub symbols: u8,
    /// One range for all metrics, without scale, instead of each metric's own (the original code: 0 to 10).
    pub one_range: Option<[f64; 2]>,
}

impl SymbolCode {
    /// What ours writes: each metric on its own range and scale, to 1/16384 of it.
    pub const OURS: Self = Self { vocabulary: 128, symbols: 2, one_range: None };

    /// What the talk's code writes.
    pub const TALK: Self = Self { one_range: Some([0.0, 10.0]), ..Self::OURS };

    /// How numbers are written.
    ///
    /// # Errors
    /// If no numbers can be written so.
    pub fn precision(&self) -> Result<FixedPrecision, EncodingError> {
        FixedPrecision::new(self.vocabulary, self.symbols)
    }

    /// Symbols of an observation's metrics, M · P.
    pub fn metrics(&self, problem: &Problem) -> usize {
        problem.forecast().count() * usize::from(self.symbols)
    }

    /// Symbols of an observation, (M + C) · P.
    pub fn observation(&self, problem: &Problem) -> usize {
        self.metrics(problem) + problem.hyperparameters.len() * usize::from(self.symbols)
    }

    /// Symbols of an env step: an observation, and an action on each hyperparameter.
    pub fn env_step(&self, problem: &Problem) -> usize {
        self.observation(problem) + problem.hyperparameters.len()
    }

    /// Entries of a table with a row for each symbol: those of numbers, of actions, and the start.
    pub fn entries(&self, problem: &Problem) -> usize {
        self.start(problem) + 1
    }

    /// The symbol that stands before the first one: behind those of numbers and of actions.
    pub fn start(&self, problem: &Problem) -> usize {
        usize::from(self.vocabulary).max(problem.multipliers.len())
    }

    /// Writes an observation: raw metrics and hyperparameters, in the problem's order.
    ///
    /// # Panics
    /// If [`SymbolCode::precision`] would have refused.
    pub fn write(&self, problem: &Problem, metrics: &[f64], hyperparameters: &[f64]) -> Vec<u16> {
        let precision = self.precision().expect("the code was checked where it entered the program");
        let metrics = problem.forecast().map(|(place, metric)| self.unit(metric, metrics[place]));
        let steered = problem.hyperparameters.iter().zip(hyperparameters).map(|(h, x)| h.seen(*x));
        metrics.chain(steered).flat_map(|x| precision.encode(x)).collect()
    }

    /// A metric's value as the number in [0, 1] that is written.
    pub fn unit(&self, metric: &Metric, x: f64) -> f64 {
        self.one_range.map_or_else(|| metric.seen(x), |range| unit_in(range, x))
    }

    /// Inverse of [`SymbolCode::unit`]: a raw value, which may lie outside the metric's range.
    pub fn raw(&self, metric: &Metric, unit: f64) -> f64 {
        self.one_range.map_or_else(|| metric.raw(unit), |[low, high]| low + unit * (high - low))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::fixtures::problem;

    #[test]
    fn an_observation_is_its_metrics_then_its_hyperparameters() {
        let problem = problem();
        let code = SymbolCode { vocabulary: 8, symbols: 2, one_range: None };
        assert_eq!((code.metrics(&problem), code.observation(&problem), code.env_step(&problem)), (4, 8, 10));
        let symbols = code.write(&problem, &[8.0, 0.3, 0.0], &[1.0, 0.0]);
        let precision = code.precision().unwrap();
        let loss = precision.encode(problem.metrics[0].seen(8.0));
        let [rate, momentum] = [problem.hyperparameters[0].seen(1.0), problem.hyperparameters[1].seen(0.0)];
        let expected = [loss, vec![0, 0], precision.encode(rate), precision.encode(momentum)].concat();
        assert_eq!(symbols, expected, "the metric that nobody sees is not written");
    }

    #[test]
    fn the_talk_writes_all_metrics_on_the_range_0_to_10() {
        let (problem, code) = (problem(), SymbolCode::TALK);
        let symbols = code.write(&problem, &[5.0, 0.3, 0.9], &[0.01, 0.9]);
        let precision = code.precision().unwrap();
        assert_eq!(symbols[..4], [precision.encode(0.5), precision.encode(0.09)].concat());
        assert!((code.raw(&problem.metrics[2], 0.5) - 5.0).abs() < 1e-12, "beyond the metric's own range");
    }

    #[test]
    fn what_is_written_reads_back() {
        let problem = problem();
        for code in [SymbolCode::OURS, SymbolCode::TALK] {
            for (place, metric) in problem.forecast() {
                let x = [2.5, 0.0, 0.7][place];
                assert!((code.raw(metric, code.unit(metric, x)) - x).abs() < 1e-9);
            }
        }
    }
}
