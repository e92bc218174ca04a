//! A comparison as a picture: for each metric a row of points with their intervals.

use super::rows::{Comparison, Row};
use crate::picture::{Axis, COLORS, Mark, Picture, Scale, stack};
use crate::text::words;

const WIDTH: u32 = 760;
const ROW: u32 = 30;

/// One picture with a panel for each metric, one above the other.
pub(super) fn svg(comparison: &Comparison) -> anyhow::Result<String> {
    let panels: Vec<Picture> = comparison.metrics.iter().map(|metric| panel(comparison, metric)).collect();
    stack(&panels)
}

fn panel(comparison: &Comparison, metric: &str) -> Picture {
    let rows = &comparison.rows;
    let marks: Vec<Mark> =
        rows.iter().enumerate().filter_map(|(place, row)| mark(row, place, rows.len(), metric)).collect();
    let x = Axis::over("", Scale::Linear, marks.iter().flat_map(|mark| mark.ends.map(|(x, _)| x)));
    let y = Axis { label: String::new(), scale: Scale::Linear, range: [-0.6, rows.len() as f64 - 0.4] };
    let height = 60 + ROW * rows.len() as u32;
    let title = format!("{}: mean with its 95 % interval, final evaluation", words(metric));
    let mut picture = Picture::new(&title, (WIDTH, height), x, y);
    // The first run stands on top.
    picture.rows = rows.iter().rev().map(|row| row.name.clone()).collect();
    picture.marks = marks;
    picture
}

fn mark(row: &Row, place: usize, rows: usize, metric: &str) -> Option<Mark> {
    let estimate = row.metrics.get(metric)?.estimate;
    let y = (rows - 1 - place) as f64;
    let color = COLORS[place % COLORS.len()];
    Some(Mark { color, at: (estimate.mean, y), ends: estimate.ci95.map(|end| (end, y)) })
}
