//! What a policy network reads of a trajectory, one observation after the other: the same when it acts and when it learns.

use serde::{Deserialize, Serialize};

use crate::{Inputs, Observer, Problem, SymbolCode};

/// How a policy network reads trajectories.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reading {
    /// A vector for each observation.
    Vectors(Inputs),
    /// The symbols that have come since the observation before: actions, then the observation (the talk).
    Symbols(SymbolCode),
}

impl Reading {
    /// Numbers that it reads at each observation.
    pub fn width(&self, problem: &Problem) -> usize {
        match self {
            Self::Vectors(inputs) => inputs.width(problem),
            Self::Symbols(code) => code.env_step(problem),
        }
    }

    /// Begins a trajectory.
    pub fn start<'a>(&self, problem: &'a Problem) -> Reader<'a> {
        match self {
            Self::Vectors(inputs) => Reader::Vectors(Observer::new(problem, *inputs)),
            Self::Symbols(code) => Reader::Symbols { problem, code: *code, is_first: true },
        }
    }
}

/// A trajectory that is being read.
#[derive(Clone, Debug)]
pub enum Reader<'a> {
    /// In vectors.
    Vectors(Observer<'a>),
    /// In symbols.
    Symbols {
        /// What is tuned.
        problem: &'a Problem,
        /// How it is written.
        code: SymbolCode,
        /// Whether the next observation is the first.
        is_first: bool,
    },
}

impl Reader<'_> {
    /// What is read at the next observation, as many numbers as [`Reading::width`] says. `before` are the actions taken since
    /// the one before, of no account at the first; `metrics` and `hyperparameters` are raw, in the problem's order.
    ///
    /// In symbols, the first observation has [`SymbolCode::start`] before it, at the end of C places of which the others are 0.
    pub fn read(&mut self, before: &[usize], metrics: &[f64], hyperparameters: &[f64]) -> Vec<f32> {
        match self {
            Self::Vectors(observer) => observer.observe(metrics, hyperparameters),
            Self::Symbols { problem, code, is_first } => {
                let steered = problem.hyperparameters.len();
                let mut symbols = vec![0.0; steered];
                if std::mem::replace(is_first, false) {
                    symbols[steered - 1] = code.start(problem) as f32;
                } else {
                    symbols.iter_mut().zip(before).for_each(|(symbol, action)| *symbol = *action as f32);
                }
                // Symbols are small whole numbers: floats hold them exactly.
                symbols.extend(code.write(problem, metrics, hyperparameters).into_iter().map(f32::from));
                symbols
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::problem;

    #[test]
    fn symbols_are_the_actions_since_the_observation_before_and_the_observation() {
        let (problem, code) = (problem(), SymbolCode::OURS);
        let reading = Reading::Symbols(code);
        let (metrics, values) = ([8.0, 0.3, 0.0], [1.0, 0.0]);
        let written: Vec<f32> = code.write(&problem, &metrics, &values).into_iter().map(f32::from).collect();
        let mut reader = reading.start(&problem);
        let first = reader.read(&[], &metrics, &values);
        assert_eq!((first.len(), reading.width(&problem)), (2 + 8, 2 + 8));
        assert_eq!(first, [vec![0.0, 128.0], written.clone()].concat());
        assert_eq!(reader.read(&[6, 2], &metrics, &values), [vec![6.0, 2.0], written].concat());
    }

    #[test]
    fn vectors_are_an_observers() {
        let problem = problem();
        let (mut reader, mut observer) =
            (Reading::Vectors(Inputs::ALL).start(&problem), Observer::new(&problem, Inputs::ALL));
        for metrics in [[8.0, 0.3, 0.0], [2.0, 0.6, 0.0]] {
            assert_eq!(reader.read(&[3, 3], &metrics, &[0.01, 0.9]), observer.observe(&metrics, &[0.01, 0.9]));
        }
    }
}
