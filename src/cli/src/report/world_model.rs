//! The chapter on the world model: how good its forecasts are, and whether the policy lives on its mistakes.

use plotters::style::RGBColor;
use wire::forecast::{Disagreement, ForecastScores, HorizonScores, MetricScores};

use super::page::section;
use super::pictures::{HALF, THIRD, color};
use crate::forecast::pictures::{calibration, disagreement, of_example};
use crate::picture::{Axis, COLORS, GREY, INK, Line, Mark, Picture, Scale};
use crate::results::figures::objectives;
use crate::results::run::{Epoch, Repetition, Run};
use crate::results::statistics::mean;
use crate::text::{counted, escape, number, number_or_dash, words};

/// The chapter; empty where there is no world model.
pub(super) fn chapter(run: &Run) -> anyhow::Result<String> {
    let last = run.repetitions.iter().filter_map(|r| r.epochs.iter().rev().find_map(|epoch| epoch.forecasts.as_ref()));
    let last: Vec<&ForecastScores> = last.collect();
    let Some(first) = last.first() else { return Ok(String::new()) };
    let pictures: Vec<Picture> = (0..first.metrics.len()).map(|metric| by_horizon(&last, metric)).collect();
    let legend = [(COLORS[0], "world model".to_owned()), (GREY, "last value".to_owned())];
    let text = format!(
        "Trainings that the world model was not trained on ({}), replayed from their first observation under the values that \
         they had: continuous ranked probability score (lower is better) over env steps ahead, after the last epoch, beside \
         the forecast that nothing changes; mean of the repetitions. {}",
        counted(first.trajectories, "training in the first repetition", "trainings in the first repetition"),
        summary(&last)
    );
    let scores = section("World model", &text, &pictures, &legend)? + &table(&last);
    Ok(scores + &curves(first)? + &trust(&last)? + &gap(run)?)
}

fn summary(last: &[&ForecastScores]) -> String {
    let of = |value: &dyn Fn(&ForecastScores) -> Option<f64>| {
        let values: Vec<f64> = last.iter().filter_map(|scores| value(scores)).collect();
        number_or_dash(mean(&values))
    };
    format!(
        "The middle 80 % of the forecasts hold {} of what was measured; the rank correlation of forecast and real objective \
         at the end is {}, and the mean forecast is off by {}. With all of the past known, the negative log-likelihood of a \
         change of a metric (or, of a world model in symbols, of a symbol) is {} nats.",
        of(&|scores| Some(scores.coverage)),
        of(&|scores| scores.rank_correlation),
        of(&|scores| Some(scores.bias)),
        of(&|scores| scores.surprise)
    )
}

/// Real and simulated curves on the same axes.
fn curves(scores: &ForecastScores) -> anyhow::Result<String> {
    if scores.examples.is_empty() {
        return Ok(String::new());
    }
    let pictures: Vec<Picture> = scores.examples.iter().map(|example| of_example(THIRD, example)).collect();
    let legend = [
        (INK, "measured".to_owned()),
        (COLORS[0], "median of the forecasts, and their middle 80 %".to_owned()),
        (GREY, "single forecasts".to_owned()),
    ];
    let text = "The objective of trainings that the world model of the first repetition was not trained on, and what it makes \
                of them from their first observation. One alone, with all its metrics and from any env step on: \
                <code>trainpilot forecast</code>.";
    section("Real and simulated curves", text, &pictures, &legend)
}

/// Whether forecasts can be taken at their word, and whether members disagree where they err.
fn trust(last: &[&ForecastScores]) -> anyhow::Result<String> {
    if last[0].calibration.is_empty() {
        return Ok(String::new());
    }
    let disagreements: Vec<&Disagreement> = last.iter().filter_map(|scores| scores.disagreement.as_ref()).collect();
    let mut pictures = vec![calibration(HALF, last)];
    let mut text = "Left: forecasts that can be taken at their word have their points on the diagonal.".to_owned();
    if !disagreements.is_empty() {
        pictures.push(disagreement(HALF, &disagreements));
        let correlations: Vec<f64> = disagreements.iter().filter_map(|d| d.rank_correlation).collect();
        text += &format!(
            " Right: of each training and horizon, how far the ensemble's mean forecast of the objective is off, against the \
             standard deviation of its members' (rank correlation {}): a policy is kept from mistakes only where members \
             disagree on them.",
            number_or_dash(mean(&correlations))
        );
    }
    section("Trust in the forecasts", &text, &pictures, &[])
}

/// Which score is meant.
type Score = fn(&HorizonScores) -> f64;

/// A score of a metric at each horizon, mean over the repetitions.
fn at_horizons(last: &[&ForecastScores], metric: usize, score: Score) -> Vec<(f64, f64)> {
    let scores: Vec<&MetricScores> = last.iter().filter_map(|scores| scores.metrics.get(metric)).collect();
    let horizons = scores.first().map_or(0, |scores| scores.horizons.len());
    let at = |place: usize| {
        let values: Vec<f64> = scores.iter().filter_map(|scores| scores.horizons.get(place)).map(score).collect();
        Some((f64::from(scores[0].horizons[place].env_steps), mean(&values)?))
    };
    (0..horizons).filter_map(at).collect()
}

fn by_horizon(last: &[&ForecastScores], metric: usize) -> Picture {
    let curves: [(RGBColor, Score); 2] =
        [(GREY, |horizon| horizon.last_value_crps), (COLORS[0], |horizon| horizon.crps)];
    let curves = curves.map(|(color, score)| (color, at_horizons(last, metric, score)));
    let all = || curves.iter().flat_map(|(_, points)| points);
    let x = Axis::over("env steps ahead", Scale::Linear, all().map(|(x, _)| *x));
    let y = Axis::over("", Scale::Linear, all().map(|(_, y)| *y).chain([0.0]));
    let mut picture = Picture::new(&words(&last[0].metrics[metric].metric), HALF, x, y);
    for (color, points) in curves {
        picture.marks.extend(points.iter().map(|point| Mark { color, at: *point, ends: [*point; 2] }));
        picture.lines.push(Line { color, width: 2.0, points });
    }
    picture
}

fn table(last: &[&ForecastScores]) -> String {
    let mut html = String::from("<div class=\"wide\"><table><thead><tr>");
    for heading in ["metric", "env steps ahead", "CRPS", "of the last value", "squared error", "of the last value"] {
        html += &format!("<th scope=\"col\">{heading}</th>");
    }
    html += "</tr></thead><tbody>\n";
    for (place, metric) in last[0].metrics.iter().enumerate() {
        let scores: [Score; 4] =
            [|h| h.crps, |h| h.last_value_crps, |h| h.squared_error, |h| h.last_value_squared_error];
        let columns = scores.map(|score| at_horizons(last, place, score));
        for (row, (env_steps, _)) in columns[0].iter().enumerate() {
            let cells: Vec<String> =
                columns.iter().map(|column| format!("<td>{}</td>", number(column[row].1))).collect();
            let name = escape(&words(&metric.metric));
            html += &format!("<tr><td>{name}</td><td>{env_steps}</td>{}</tr>\n", cells.concat());
        }
    }
    html + "</tbody></table></div>\n"
}

/// What each policy came to in simulation, and then in reality.
fn gap(run: &Run) -> anyhow::Result<String> {
    let pictures: Vec<Picture> = run
        .repetitions
        .iter()
        .enumerate()
        .filter_map(|(place, repetition)| of_policy(run, place, repetition))
        .collect();
    if pictures.is_empty() {
        return Ok(String::new());
    }
    let legend = [(GREY, "simulated".to_owned()), (color(0), "real".to_owned())];
    let text = "Mean objective at the end of the trajectories that each policy version was last simulated with, and of the \
                real ones that it then acted in (the last are those of the final evaluation). A simulated one that is better \
                says that the policy lives on mistakes of the world model.";
    section("Simulated and real", text, &pictures, &legend)
}

fn of_policy(run: &Run, place: usize, repetition: &Repetition) -> Option<Picture> {
    let acted: Vec<&Epoch> = repetition.epochs.iter().chain(&repetition.final_evaluation).collect();
    let real = |epoch: &Epoch| mean(&objectives(&run.problem, &epoch.trajectories()));
    let points = |pair: &[&Epoch]| Some((f64::from(pair[1].epoch), pair[0].simulated_objective()?, real(pair[1])?));
    let points: Vec<(f64, f64, f64)> = acted.windows(2).filter_map(points).collect();
    if points.is_empty() {
        return None;
    }
    let x = Axis::over("policy version", Scale::Linear, points.iter().map(|(x, ..)| *x));
    let y = Axis::over("", Scale::Linear, points.iter().flat_map(|(_, simulated, real)| [*simulated, *real]));
    let mut picture = Picture::new(&format!("repetition {}", repetition.repetition), THIRD, x, y);
    let simulated = points.iter().map(|(x, simulated, _)| (*x, *simulated)).collect();
    let real = points.iter().map(|(x, _, real)| (*x, *real)).collect();
    let curves: [(RGBColor, Vec<(f64, f64)>); 2] = [(GREY, simulated), (color(place), real)];
    for (color, points) in curves {
        picture.marks.extend(points.iter().map(|point| Mark { color, at: *point, ends: [*point; 2] }));
        picture.lines.push(Line { color, width: 1.8, points });
    }
    Some(picture)
}
