//! Learning curves that others recorded, as a problem and its trajectories.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use dataset::Table;
use tuning::{
    Direction, Hyperparameter, Metric, Objective, Outcome, Problem, Scale, Schedule, Step, Trajectory, TrajectoryKey,
};

/// How a table of curves is to be understood: a row for each curve and step.
#[derive(Args, Clone, Debug, Default)]
pub struct CurveArgs {
    /// Column that tells curves apart [default: the first]
    #[arg(long, value_name = "COLUMN")]
    pub curve: Option<String>,
    /// Column with the step; steps count in their order [default: the second]
    #[arg(long, value_name = "COLUMN")]
    pub step: Option<String>,
    /// Columns that are forecast, the objective first [default: all others]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub metrics: Vec<String>,
    /// Columns with numbers above 0 that were set, not measured; forecasts know them [default: none]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub hyperparameters: Vec<String>,
    /// Metrics that are forecast in their logarithm
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub log: Vec<String>,
}

/// Why a table gives no curves.
#[derive(Debug, thiserror::Error)]
pub enum CurveError {
    /// A column is not there.
    #[error("there is no column {name:?}: there are {}", there.join(", "))]
    Column {
        /// What was asked for.
        name: String,
        /// All columns.
        there: Vec<String>,
    },
    /// A cell is not what it should be.
    #[error("row {row}, column {column:?}: {found:?}, expected {expected}")]
    Cell {
        /// Row, from 1 below the head.
        row: usize,
        /// Name of the column.
        column: String,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// There are too few.
    #[error("{whole} of {curves} curves have all {steps} steps: expected at least 8")]
    TooFew {
        /// Curves with every step.
        whole: usize,
        /// All curves.
        curves: usize,
        /// Steps that any curve has.
        steps: usize,
    },
    /// Nothing can be forecast.
    #[error("expected at least one metric, and three steps")]
    Nothing,
}

/// Curves of one problem.
#[derive(Clone, Debug)]
pub struct Curves {
    /// Metrics on the ranges that they have in the table; with a still hyperparameter, where there is none.
    pub problem: Problem,
    /// Every curve that has all steps, in the order of their names.
    pub trajectories: Vec<Trajectory>,
    /// Those names.
    pub names: Vec<String>,
    /// Curves that lack some.
    pub left_out: usize,
}

/// Places of columns.
struct Columns {
    curve: usize,
    step: usize,
    metrics: Vec<usize>,
    hyperparameters: Vec<usize>,
}

/// Metrics and hyperparameters.
type Numbers = (Vec<f64>, Vec<f64>);
/// A curve: its numbers at its steps, which are numbers with an order.
type Rows = BTreeMap<u64, Numbers>;

/// Understands a table.
///
/// # Errors
/// If a column or number is missing, or too few curves have all steps.
pub fn curves(table: &Table, args: &CurveArgs) -> Result<Curves, CurveError> {
    let columns = columns(table, args)?;
    let mut all: BTreeMap<&str, Rows> = BTreeMap::new();
    for (row, cells) in table.rows.iter().enumerate() {
        let number = |place: &usize| number(table, row, *place);
        let metrics = columns.metrics.iter().map(number).collect::<Result<Vec<f64>, _>>()?;
        let hyperparameters = columns.hyperparameters.iter().map(|place| above_zero(table, row, *place));
        let hyperparameters = hyperparameters.collect::<Result<Vec<f64>, _>>()?;
        let step = ordered(number(&columns.step)?);
        all.entry(&cells[columns.curve]).or_default().insert(step, (metrics, hyperparameters));
    }
    let steps: BTreeSet<u64> = all.values().flat_map(|rows| rows.keys().copied()).collect();
    if columns.metrics.is_empty() || steps.len() < 3 {
        return Err(CurveError::Nothing);
    }
    let is_whole = |curve: &(&&str, &Rows)| curve.1.len() == steps.len();
    let (names, whole): (Vec<&str>, Vec<&Rows>) = all.iter().filter(is_whole).unzip();
    if whole.len() < 8 {
        return Err(CurveError::TooFew { whole: whole.len(), curves: all.len(), steps: steps.len() });
    }
    let problem = problem(table, args, &columns, &whole);
    let trajectories = (0..).zip(&whole).map(|(index, rows)| trajectory(index, rows)).collect();
    let names = names.into_iter().map(str::to_owned).collect();
    Ok(Curves { problem, trajectories, names, left_out: all.len() - whole.len() })
}

fn columns(table: &Table, args: &CurveArgs) -> Result<Columns, CurveError> {
    let place = |name: &String| {
        let there = || table.columns.clone();
        table.column(name).ok_or_else(|| CurveError::Column { name: name.clone(), there: there() })
    };
    let or = |name: &Option<String>, other: usize| name.as_ref().map_or(Ok(other), place);
    let (curve, step) = (or(&args.curve, 0)?, or(&args.step, 1)?);
    let hyperparameters = args.hyperparameters.iter().map(place).collect::<Result<Vec<usize>, _>>()?;
    let metrics = args.metrics.iter().map(place).collect::<Result<Vec<usize>, _>>()?;
    args.log.iter().try_for_each(|name| place(name).map(drop))?;
    let is_other = |n: &usize| *n != curve && *n != step && !hyperparameters.contains(n);
    let others = (0..table.columns.len()).filter(is_other).collect();
    Ok(Columns { curve, step, metrics: if metrics.is_empty() { others } else { metrics }, hyperparameters })
}

fn number(table: &Table, row: usize, place: usize) -> Result<f64, CurveError> {
    let found = &table.rows[row][place];
    let number = found.parse().ok().filter(|x: &f64| x.is_finite());
    number.ok_or_else(|| cell(table, row, place, "a finite number"))
}

fn above_zero(table: &Table, row: usize, place: usize) -> Result<f64, CurveError> {
    let x = number(table, row, place)?;
    if x > 0.0 { Ok(x) } else { Err(cell(table, row, place, "a number above 0")) }
}

fn cell(table: &Table, row: usize, place: usize, expected: &'static str) -> CurveError {
    let (column, found) = (table.columns[place].clone(), table.rows[row][place].clone());
    CurveError::Cell { row: row + 1, column, found, expected }
}

/// A finite number as one that sorts alike.
fn ordered(x: f64) -> u64 {
    let bits = (x + 0.0).to_bits();
    if x < 0.0 { !bits } else { bits | 1 << 63 }
}

fn problem(table: &Table, args: &CurveArgs, columns: &Columns, whole: &[&Rows]) -> Problem {
    let values = |of: &dyn Fn(&Numbers) -> f64| {
        let all = whole.iter().flat_map(|rows| rows.values()).map(of);
        all.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], x| [low.min(x), high.max(x)])
    };
    let metric = |(n, place): (usize, &usize)| {
        let [low, high] = values(&|(metrics, _)| metrics[n]);
        let name = table.columns[*place].clone();
        let scale = if args.log.contains(&name) { Scale::Log } else { Scale::Linear };
        // One that never changes needs a range all the same.
        let room = if high > low { 0.0 } else { 0.5 };
        Metric { name, range: [low - room, high + room], scale, observed: true }
    };
    let steered = |(n, place): (usize, &usize)| {
        let [low, high] = values(&|(_, hyperparameters)| hyperparameters[n]);
        hyperparameter(&table.columns[*place], if high > low { [low, high] } else { [low / 2.0, low * 2.0] })
    };
    let metrics: Vec<Metric> = columns.metrics.iter().enumerate().map(metric).collect();
    let mut hyperparameters: Vec<Hyperparameter> = columns.hyperparameters.iter().enumerate().map(steered).collect();
    if hyperparameters.is_empty() {
        hyperparameters.push(hyperparameter("nothing", [0.5, 2.0]));
    }
    Problem {
        objective: Objective { metric: metrics[0].name.clone(), direction: Direction::Minimize },
        metrics,
        hyperparameters,
        multipliers: vec![1.0],
        env_steps: whole[0].len() as u32 - 1,
    }
}

fn hyperparameter(name: &str, [min, max]: [f64; 2]) -> Hyperparameter {
    Hyperparameter {
        name: name.to_owned(),
        initial: Some((min * max).sqrt()),
        initial_range: None,
        min,
        max,
        complement: false,
        schedule: Schedule::default(),
    }
}

fn trajectory(index: u32, rows: &Rows) -> Trajectory {
    let step = |(step, (metrics, hyperparameters)): (u32, &Numbers)| {
        let set = if hyperparameters.is_empty() { vec![1.0] } else { hyperparameters.clone() };
        let (metrics, applied) = (metrics.clone(), set.clone());
        Step { step, metrics, hyperparameters: set, applied, decision: None, elapsed_seconds: 0.0 }
    };
    Trajectory {
        key: TrajectoryKey { repetition: 0, epoch: 1, index, attempt: 0 },
        seed: index,
        task: String::new(),
        outcome: Some(Outcome::Completed),
        steps: (0..).zip(rows.values()).map(step).collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn table(curves: usize) -> Table {
        let row = |n: usize, step: usize| {
            let cells =
                [format!("c{n:02}"), (10 * step).to_string(), format!("{}", 1.0 / (step + 1) as f64), "0.1".into()];
            cells.to_vec()
        };
        let columns = ["run", "iteration", "loss", "rate"].map(str::to_owned).to_vec();
        Table { columns, rows: (0..curves).flat_map(|n| (0..5).rev().map(move |step| row(n, step))).collect() }
    }

    #[test]
    fn curves_are_whole_and_in_the_order_of_their_steps() {
        let mut table = table(10);
        table.rows.remove(3);
        let args = CurveArgs { hyperparameters: vec!["rate".to_owned()], ..CurveArgs::default() };
        let curves = curves(&table, &args).unwrap();
        assert_eq!((curves.trajectories.len(), curves.left_out, curves.problem.env_steps), (9, 1, 4));
        assert_eq!(curves.names[..2], ["c01", "c02"]);
        let losses: Vec<f64> = curves.trajectories[0].steps.iter().map(|step| step.metrics[0]).collect();
        assert_eq!(losses, [1.0, 0.5, 1.0 / 3.0, 0.25, 0.2]);
        assert_eq!(curves.problem.metrics.len(), 1);
        assert_eq!((curves.problem.metrics[0].range, curves.problem.hyperparameters[0].min), ([0.2, 1.0], 0.05));
        assert!(curves.problem.check().is_ok());
    }

    #[test]
    fn what_is_missing_or_no_number_is_named() {
        let said = |table: &Table, args: &CurveArgs| curves(table, args).unwrap_err().to_string();
        let args = CurveArgs { metrics: vec!["accuracy".to_owned()], ..CurveArgs::default() };
        let expected = "there is no column \"accuracy\": there are run, iteration, loss, rate";
        assert_eq!(said(&table(10), &args), expected);
        let mut broken = table(10);
        broken.rows[6][2] = "n/a".to_owned();
        let expected = "row 7, column \"loss\": \"n/a\", expected a finite number";
        assert_eq!(said(&broken, &CurveArgs::default()), expected);
        assert!(said(&table(5), &CurveArgs::default()).starts_with("5 of 5 curves have all 5 steps"));
    }

    #[test]
    fn numbers_sort_as_they_should() {
        let numbers = [-2.5, -1.0, -0.0, 1e-3, 7.0, 1e9];
        assert!(numbers.windows(2).all(|pair| ordered(pair[0]) < ordered(pair[1])));
        assert_eq!(ordered(-0.0), ordered(0.0));
    }
}
