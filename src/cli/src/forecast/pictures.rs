//! Pictures of forecasts: real and simulated curves on the same axes, and how far forecasts can be trusted.

use wire::forecast::{Curve, Disagreement, Example, ForecastScores};

use crate::picture::{Axis, Band, COLORS, GREY, INK, Line, Mark, Picture, Scale};
use crate::text::words;

/// Size of a picture that stands alone.
const WIDE: (u32, u32) = (720, 260);

/// Every metric of an example.
pub(super) fn all_metrics(example: &Example) -> Vec<Picture> {
    let picture = |curve: &Curve| of_curve(&words(&curve.metric), WIDE, example.from, curve);
    example.curves.iter().map(picture).collect()
}

/// The examples of scores, then how far they can be trusted.
pub(super) fn of_scores(scores: &ForecastScores) -> Vec<Picture> {
    let examples = scores.examples.iter().map(|example| of_example(WIDE, example));
    examples.chain([calibration(WIDE, &[scores])]).collect()
}

/// What was forecast of the objective of one training.
pub(crate) fn of_example(size: (u32, u32), example: &Example) -> Picture {
    let title = format!("epoch {}, index {}", example.epoch, example.index);
    of_curve(&title, size, example.from, &example.curves[0])
}

/// What was measured, in ink; the middle 80 % of the forecasts, their median, and single ones.
fn of_curve(title: &str, size: (u32, u32), from: u32, curve: &Curve) -> Picture {
    // All forecasts begin at what is known.
    let known = curve.real.get(from as usize).map(|x| (f64::from(from), *x));
    let step = |n: usize| f64::from(from) + 1.0 + n as f64;
    let real: Vec<(f64, f64)> = curve.real.iter().enumerate().map(|(t, x)| (t as f64, *x)).collect();
    let forecast = curve.quantiles.iter().flatten().chain(curve.paths.iter().flatten());
    let x = Axis::over("env step", Scale::Linear, real.iter().map(|(t, _)| *t));
    let y = Axis::over("", Scale::Linear, curve.real.iter().chain(forecast).copied());
    let mut picture = Picture::new(title, size, x, y);
    let edges = curve.quantiles.iter().enumerate().map(|(n, [low, _, high])| (step(n), *low, *high));
    let edges = known.iter().map(|(t, x)| (*t, *x, *x)).chain(edges).collect();
    picture.bands.push(Band { color: COLORS[0], opacity: 0.18, edges });
    for path in &curve.paths {
        let points = known.into_iter().chain(path.iter().enumerate().map(|(n, x)| (step(n), *x))).collect();
        picture.lines.push(Line { color: GREY, width: 0.8, points });
    }
    let median = curve.quantiles.iter().enumerate().map(|(n, [_, median, _])| (step(n), *median));
    let median = known.into_iter().chain(median).collect();
    picture.lines.push(Line { color: COLORS[0], width: 1.8, points: median });
    picture.lines.push(Line { color: INK, width: 1.8, points: real });
    picture
}

/// Share of what was measured below each quantile of its forecasts, mean over `scores`: on the diagonal where they can be
/// taken at their word.
pub(crate) fn calibration(size: (u32, u32), scores: &[&ForecastScores]) -> Picture {
    let n = scores.len().max(1) as f64;
    let quantiles = scores.iter().map(|scores| scores.calibration.len()).min().unwrap_or_default();
    let point = |place: usize| {
        let share: f64 = scores.iter().map(|scores| scores.calibration[place][1] / n).sum();
        (scores[0].calibration[place][0], share)
    };
    let axis = |label: &str| Axis { label: label.to_owned(), scale: Scale::Linear, range: [0.0, 1.0] };
    let mut picture = Picture::new("share measured below it", size, axis("quantile of the forecasts"), axis(""));
    picture.lines.push(Line { color: GREY, width: 1.2, points: vec![(0.0, 0.0), (1.0, 1.0)] });
    let points: Vec<(f64, f64)> = (0..quantiles).map(point).collect();
    picture.marks.extend(points.iter().map(|at| Mark { color: COLORS[0], at: *at, ends: [*at; 2] }));
    picture.lines.push(Line { color: COLORS[0], width: 1.8, points });
    picture
}

/// Error against disagreement of members.
pub(crate) fn disagreement(size: (u32, u32), all: &[&Disagreement]) -> Picture {
    let points: Vec<[f64; 2]> = all.iter().flat_map(|disagreement| disagreement.points.iter().copied()).collect();
    let x = Axis::over("disagreement of members", Scale::Log, points.iter().map(|[x, _]| *x).filter(|x| *x > 0.0));
    let y = Axis::over("", Scale::Log, points.iter().map(|[_, y]| *y).filter(|y| *y > 0.0));
    let mut picture = Picture::new("error of their mean", size, x, y);
    let mark = |[x, y]: &[f64; 2]| Mark { color: COLORS[0], at: (*x, *y), ends: [(*x, *y); 2] };
    picture.marks.extend(points.iter().filter(|[x, y]| *x > 0.0 && *y > 0.0).map(mark));
    picture
}
