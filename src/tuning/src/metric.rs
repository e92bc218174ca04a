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

    /// Inverse of [`Metric::seen`] on [0, 1]: from what a network sees back to the metric's own unit.
    pub fn raw(&self, seen: f64) -> f64 {
        self.range[0] + self.scale.unbend(seen) * self.span()
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::metric;

    const SCALES: [Scale; 3] = [Scale::Linear, Scale::Log, Scale::Logit];

    fn scale() -> impl Strategy<Value = Scale> {
        prop::sample::select(SCALES.to_vec())
    }

    #[test]
    fn a_range_is_laid_onto_zero_to_one() {
        let loss = metric("loss", [2.0, 6.0], Scale::Linear);
        assert_eq!([2.0, 3.0, 6.0].map(|x| loss.unit(x)), [0.0, 0.25, 1.0]);
        assert_eq!(loss.span(), 4.0);
    }

    #[test]
    fn values_outside_are_clipped_and_what_is_no_number_counts_as_the_low_end() {
        for scale in SCALES {
            let loss = metric("loss", [-1.0, 1.0], scale);
            let outside = [-7.0, f64::NEG_INFINITY, f64::NAN, 7.0, f64::INFINITY].map(|x| loss.unit(x));
            assert_eq!(outside, [0.0, 0.0, 0.0, 1.0, 1.0], "{scale:?}");
        }
    }

    #[test]
    fn scales_bend_as_their_formulas_say() {
        assert_eq!(Scale::Linear.bend(0.3), 0.3);
        assert!((Scale::Log.bend(0.5) - 26_f64.ln() / 51_f64.ln()).abs() < 1e-15);
        assert!((Scale::Logit.bend(0.5) - 0.5).abs() < 1e-15);
        // (.9 + .02) / (1.02 − .9) = 23/3, and the ends are at ±ln 51.
        let expected = ((23.0_f64 / 3.0).ln() / 51_f64.ln() + 1.0) / 2.0;
        assert!((Scale::Logit.bend(0.9) - expected).abs() < 1e-15);
    }

    #[test]
    fn every_scale_keeps_the_ends() {
        for scale in SCALES {
            assert!(scale.bend(0.0).abs() < 1e-15 && (scale.bend(1.0) - 1.0).abs() < 1e-15, "{scale:?}");
        }
    }

    #[test]
    fn log_is_finer_at_the_low_end_and_logit_at_both() {
        let width = |scale: Scale, low: f64| scale.bend(low + 0.1) - scale.bend(low);
        assert!(width(Scale::Log, 0.0) > 0.4 && width(Scale::Log, 0.9) < 0.03);
        assert!(width(Scale::Logit, 0.0) > 0.2 && width(Scale::Logit, 0.9) > 0.2 && width(Scale::Logit, 0.45) < 0.06);
    }

    #[test]
    fn a_metric_in_json_is_linear_and_observed_unless_it_says_otherwise() {
        let read: Metric = serde_json::from_str(r#"{"name": "loss", "range": [0, 1]}"#).unwrap();
        assert_eq!(read, metric("loss", [0.0, 1.0], Scale::Linear));
        assert!(serde_json::from_str::<Metric>(r#"{"name": "loss", "range": [0, 1], "sacle": "Log"}"#).is_err());
    }

    proptest! {
        #[test]
        fn bending_keeps_order(scale in scale(), a in 0.0..1.0, b in 0.0..1.0) {
            prop_assume!(b - a > 1e-9);
            prop_assert!(scale.bend(a) < scale.bend(b));
        }

        #[test]
        fn unbending_is_the_inverse(scale in scale(), u in 0.0..=1.0) {
            prop_assert!((scale.unbend(scale.bend(u)) - u).abs() < 1e-12);
            prop_assert!((scale.bend(scale.unbend(u)) - u).abs() < 1e-12);
        }

        #[test]
        fn logit_is_symmetric(u in 0.0..=1.0) {
            prop_assert!((Scale::Logit.bend(u) + Scale::Logit.bend(1.0 - u) - 1.0).abs() < 1e-12);
        }

        #[test]
        fn what_is_seen_lies_between_zero_and_one(scale in scale(), x in prop::num::f64::ANY) {
            let seen = metric("loss", [-3.0, 8.0], scale).seen(x);
            prop_assert!((-1e-15..=1.0 + 1e-15).contains(&seen), "{x} is seen as {seen}");
        }
    }
}
