//! A comparison as text and as CSV.

use comfy_table::CellAlignment;

use super::rows::{Comparison, Row};
use crate::results::figures::MetricFigures;
use crate::text::{number, number_or_dash, table, words};

/// The table for people.
pub(super) fn text(comparison: &Comparison) -> String {
    let mut headings = ["run", "algorithm", "FTE"].map(str::to_owned).to_vec();
    for metric in &comparison.metrics {
        headings.extend([format!("{}\nmean [95 %]", words(metric)), "\nIQM".to_owned()]);
    }
    headings.push(format!("P(better than\n{})", comparison.rows[0].name));
    let mut table = table(headings);
    for row in &comparison.rows {
        table.add_row(line(comparison, &row.name, &algorithm(row), &row.metrics, row));
        for (task, metrics) in &row.tasks {
            let mut cells = line(comparison, &format!("  {task}"), "", metrics, row);
            (cells[2], *cells.last_mut().expect("a row has cells")) = (String::new(), String::new());
            table.add_row(cells);
        }
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let notes: String = comparison.notes.iter().map(|note| format!("{note}\n")).collect();
    format!("{table}\n{notes}")
}

fn line(
    comparison: &Comparison,
    name: &str,
    algorithm: &str,
    metrics: &std::collections::BTreeMap<String, MetricFigures>,
    row: &Row,
) -> Vec<String> {
    let mut cells = vec![name.to_owned(), algorithm.to_owned(), number(row.fte)];
    for metric in &comparison.metrics {
        let figures = metrics.get(metric).map(|figures| figures.estimate);
        let [low, high] = figures.map_or([const { String::new() }; 2], |estimate| estimate.ci95.map(number));
        cells.push(
            figures.map_or_else(|| "–".to_owned(), |estimate| format!("{} [{low}, {high}]", number(estimate.mean))),
        );
        cells.push(number_or_dash(figures.map(|estimate| estimate.iqm)));
    }
    cells.push(row.probability_of_improvement.map_or_else(|| "–".to_owned(), |p| format!("{p:.2}")));
    cells
}

fn algorithm(row: &Row) -> String {
    if row.preset.is_empty() { row.algorithm.clone() } else { format!("{} ({})", row.algorithm, row.preset) }
}

/// The table for programs: every number in full, one row for each run and, where there are tasks, for each of them.
pub(super) fn csv(comparison: &Comparison) -> String {
    let mut headings =
        ["name", "algorithm", "preset", "task", "fte", "repetitions", "trajectories"].map(str::to_owned).to_vec();
    for metric in &comparison.metrics {
        headings.extend(["mean", "ci95_low", "ci95_high", "iqm"].map(|figure| format!("{metric}.{figure}")));
    }
    headings.push("probability_of_improvement".to_owned());
    let mut lines = vec![headings];
    for row in &comparison.rows {
        lines.push(record(comparison, row, "", &row.metrics, row.probability_of_improvement));
        lines.extend(row.tasks.iter().map(|(task, metrics)| record(comparison, row, task, metrics, None)));
    }
    let line = |cells: &Vec<String>| cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",") + "\n";
    lines.iter().map(line).collect()
}

fn record(
    comparison: &Comparison,
    row: &Row,
    task: &str,
    metrics: &std::collections::BTreeMap<String, MetricFigures>,
    probability: Option<f64>,
) -> Vec<String> {
    let mut cells = vec![row.name.clone(), row.algorithm.clone(), row.preset.to_owned(), task.to_owned()];
    cells.extend([row.fte.to_string(), row.repetitions.to_string(), row.trajectories.to_string()]);
    for metric in &comparison.metrics {
        let estimate = metrics.get(metric).map(|figures| figures.estimate);
        let numbers = estimate.map(|e| [e.mean, e.ci95[0], e.ci95[1], e.iqm].map(|x| x.to_string()));
        cells.extend(numbers.unwrap_or_default());
    }
    cells.push(probability.map_or_else(String::new, |p| p.to_string()));
    cells
}

/// A cell as RFC 4180 wants it.
fn quoted(cell: &str) -> String {
    let plain = !cell.contains([',', '"', '\n', '\r']);
    if plain { cell.to_owned() } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_with_commas_and_quotes_are_quoted() {
        assert_eq!(["a", "a,b", "a \"b\""].map(quoted), ["a", "\"a,b\"", "\"a \"\"b\"\"\""]);
    }
}
