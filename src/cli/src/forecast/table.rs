//! Forecasts of recorded curves, as a table for a terminal.

use comfy_table::CellAlignment;
use wire::forecast::{CurvesForecast, HorizonScores};

use crate::text::{duration, number, number_or_dash, table, words};

/// A row for each metric and horizon, and what else there is to say.
pub(super) fn of_curves(forecast: &CurvesForecast) -> String {
    let scores = &forecast.scores;
    let what = ["CRPS", "of last value", "of power law", "squared error", "of last value", "of power law"];
    let mut table = table(["metric", "steps ahead"].into_iter().chain(what));
    for (metric, laws) in scores.metrics.iter().zip(&forecast.power_law) {
        for (own, law) in metric.horizons.iter().zip(&laws.horizons) {
            let HorizonScores { env_steps, crps, last_value_crps, squared_error, last_value_squared_error } = own;
            let figures =
                [*crps, *last_value_crps, law.crps, *squared_error, *last_value_squared_error, law.squared_error];
            let head = [words(&metric.metric), env_steps.to_string()];
            table.add_row(head.into_iter().chain(figures.map(number)));
        }
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let left_out = if forecast.left_out > 0 { format!(", {} left out", forecast.left_out) } else { String::new() };
    format!(
        "trained on {} curves of {} steps in {}{left_out}; {} others forecast from step {} on\n{table}\n\
         the middle 80 % of the forecasts hold {} of what was measured; log-likelihood {} a number; rank correlation at the end {}\n",
        forecast.trained_on,
        forecast.env_steps,
        duration(forecast.seconds),
        scores.trajectories,
        scores.from,
        number(scores.coverage),
        number_or_dash(scores.surprise.map(|surprise| -surprise)),
        number_or_dash(scores.rank_correlation)
    )
}
