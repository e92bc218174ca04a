//! An axis as plotters wants it: where values lie, and which of them are labelled with what.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::prelude::Ranged;

use super::ticks::Scale;

/// Lays values along a line of pixels; those outside lie at its ends.
#[derive(Clone, Debug)]
pub(super) struct Coordinate {
    pub(super) scale: Scale,
    /// Lowest and highest value shown.
    pub(super) range: [f64; 2],
    /// Values that are labelled, and their labels.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Ranged for Coordinate {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let [low, high] = self.range.map(|x| self.scale.to_line(x));
        let share = ((self.scale.to_line(*value) - low) / (high - low)).clamp(0.0, 1.0);
        start + (f64::from(end - start) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Light points are those between the labelled ones: there are none.
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.ticks.iter().map(|(value, _)| *value).collect()
        }
    }

    fn range(&self) -> Range<f64> {
        self.range[0]..self.range[1]
    }
}

impl ValueFormatter<f64> for Coordinate {
    fn format_ext(&self, value: &f64) -> String {
        let found = self.ticks.iter().find(|(tick, _)| tick == value);
        found.map(|(_, label)| label.clone()).unwrap_or_default()
    }
}
