//! The table of every attempt at every trajectory.

use std::fmt::Write;

use tuning::{Outcome, Trajectory};

use crate::results::run::{Epoch, Run};
use crate::text::{duration, escape, number, number_or_dash, words};

/// A cell: what is shown, and what it is sorted by.
struct Cell {
    shown: String,
    sorted: String,
}

fn plain(x: impl ToString) -> Cell {
    Cell { shown: x.to_string(), sorted: x.to_string() }
}

fn figure(x: Option<f64>) -> Cell {
    Cell { shown: number_or_dash(x), sorted: x.map_or_else(String::new, |x| x.to_string()) }
}

/// The table as HTML, one row for each attempt.
pub(super) fn trajectories(run: &Run) -> String {
    let has_tasks = epochs(run).any(|(epoch, _)| epoch.attempts.iter().any(|attempt| !attempt.task.is_empty()));
    let mut html = String::from("<table class=\"sortable\"><thead><tr>");
    for name in headings(run, has_tasks) {
        html.push_str(&format!("<th scope=\"col\"><button>{}</button></th>", escape(&name)));
    }
    html.push_str("</tr></thead><tbody>\n");
    for (epoch, is_final) in epochs(run) {
        for attempt in &epoch.attempts {
            row(&mut html, cells(run, attempt, is_final, has_tasks));
        }
    }
    html.push_str("</tbody></table>");
    html
}

fn epochs(run: &Run) -> impl Iterator<Item = (&Epoch, bool)> {
    run.repetitions.iter().flat_map(|repetition| {
        let learning = repetition.epochs.iter().map(|epoch| (epoch, false));
        learning.chain(repetition.final_evaluation.iter().map(|epoch| (epoch, true)))
    })
}

fn headings(run: &Run, has_tasks: bool) -> Vec<String> {
    let mut names: Vec<String> = ["repetition", "epoch", "index", "attempt"].map(str::to_owned).to_vec();
    names.extend(has_tasks.then(|| "task".to_owned()));
    names.extend(["seed", "outcome", "env steps"].map(str::to_owned));
    names.extend(run.problem.hyperparameters.iter().map(|h| words(&h.name)));
    let objective = words(&run.problem.objective.metric);
    names.extend([format!("{objective} at first"), format!("{objective} at last"), "time".to_owned()]);
    names
}

fn cells(run: &Run, attempt: &Trajectory, is_final: bool, has_tasks: bool) -> Vec<Cell> {
    let key = attempt.key;
    let epoch = if is_final { "final".to_owned() } else { key.epoch.to_string() };
    let epoch = Cell { shown: epoch, sorted: key.epoch.to_string() };
    let mut cells = vec![plain(key.repetition), epoch, plain(key.index), plain(key.attempt)];
    cells.extend(has_tasks.then(|| plain(escape(&attempt.task))));
    cells.push(plain(attempt.seed));
    cells.push(plain(attempt.outcome.map_or("running", Outcome::as_str)));
    cells.push(plain(attempt.env_steps()));
    cells.extend((0..run.problem.hyperparameters.len()).map(|place| travelled(attempt, place)));
    let objective = run.problem.objective_index();
    cells.push(figure(attempt.steps.first().map(|step| step.metrics[objective])));
    cells.push(figure(run.problem.final_objective(attempt)));
    let seconds = attempt.steps.last().map(|step| step.elapsed_seconds);
    let time = Cell { shown: seconds.map_or_else(|| "–".to_owned(), duration), ..figure(seconds) };
    cells.push(time);
    cells
}

/// From which value to which a hyperparameter went; sorted by the latter.
fn travelled(attempt: &Trajectory, place: usize) -> Cell {
    let ends = attempt.steps.first().zip(attempt.steps.last());
    let Some((first, last)) = ends.map(|(a, b)| (a.hyperparameters[place], b.hyperparameters[place])) else {
        return figure(None);
    };
    Cell { shown: format!("{} → {}", number(first), number(last)), sorted: last.to_string() }
}

fn row(html: &mut String, cells: Vec<Cell>) {
    html.push_str("<tr>");
    for Cell { shown, sorted } in cells {
        let written = if shown == sorted {
            write!(html, "<td>{shown}</td>")
        } else {
            write!(html, "<td data-sort=\"{sorted}\">{shown}</td>")
        };
        written.expect("a string takes everything");
    }
    html.push_str("</tr>\n");
}
