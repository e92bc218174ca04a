//! Metrics: numbers that the trainer measures, and how a network sees them.

use serde::{Deserialize, Serialize};

/// Keeps the logarithms of [`Scale::Log`] and [`Scale::Logit`] finite at the ends of the range.
const OFFSET: f64 = 0.02;

/// A number that the trainer measures at every env step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metric {
    /// Name under which the trainer reports it.
    pub name: String,
    /// Lowest and highest value worth telling apart, in the metric's own unit; values outside are clipped.
    pub range: [f64; 2],
    /// How the range is bent before a network sees it.
    #[serde(default)]
    pub scale: Scale,
    /// Whether policies and world models see it; others are only recorded.
    #[serde(default = "yes")]
    pub observed: bool,
}

/// How a metric's range is bent before a network sees it (design §2, *Metric in*).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scale {
    /// As it is.
    #[default]
    Linear,
    /// Finer towards the low end: for losses.
    Log,
    /// Finer towards both ends: for accuracies.
    Logit,
}

fn yes() -> bool {
    true
}

impl Metric {
    /// Position of `x` within the range, clipped to [0, 1]. A value that is not a number counts as the low end.
    pub fn unit(&self, x: f64) -> f64 {
        unit_in(self.range, x)
    }

    /// What a network sees of `x`, in [0, 1].
    pub fn seen(&self, x: f64) -> f64 {
        self.scale.bend(self.unit(x))
    }

    /// Width of the range, in the metric's unit.
    pub fn span(&self) -> f64 {
        self.range[1] - self.range[0]
    }
}

/// Position of `x` within `range`, clipped to [0, 1].
pub(crate) fn unit_in([low, high]: [f64; 2], x: f64) -> f64 {
    let unit = (x - low) / (high - low);
    // `clamp` would let a NaN through.
    if unit > 0.0 { unit.min(1.0) } else { 0.0 }
}

impl Scale {
    /// Bends `u` in [0, 1] onto [0, 1], keeping order and ends.
    pub fn bend(self, u: f64) -> f64 {
        match self {
            Self::Linear => u,
            Self::Log => ((u + OFFSET) / OFFSET).ln() / ((1.0 + OFFSET) / OFFSET).ln(),
            Self::Logit => {
                let end = ((1.0 + OFFSET) / OFFSET).ln();
                (((u + OFFSET) / (1.0 + OFFSET - u)).ln() + end) / (2.0 * end)
            }
        }
    }

    /// Inverse of [`Scale::bend`]: from what a network sees back to the position within the range.
    pub fn unbend(self, seen: f64) -> f64 {
        let end = ((1.0 + OFFSET) / OFFSET).ln();
        match self {
            Self::Linear => seen,
            Self::Log => OFFSET * (seen * end).exp() - OFFSET,
            Self::Logit => {
                let odds = (seen * 2.0 * end - end).exp();
                ((1.0 + OFFSET) * odds - OFFSET) / (1.0 + odds)
            }
        }
    }
}
