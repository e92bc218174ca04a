//! The pictures of a report.

use std::collections::BTreeSet;

use plotters::style::RGBColor;
use tuning::{Hyperparameter, Metric, Step, Trajectory};

use crate::picture::{Axis, Band, COLORS, GREY, INK, Line, Mark, Picture, Scale, sheet};
use crate::results::figures::objectives;
use crate::results::run::{Epoch, Repetition, Run};
use crate::results::statistics::{Estimate, mean};
use crate::text::words;

const WIDE: (u32, u32) = (960, 340);
pub(super) const HALF: (u32, u32) = (470, 270);
pub(super) const THIRD: (u32, u32) = (306, 190);

/// The objective of an epoch, and what had been spent when it ended.
struct Spent {
    fte: f64,
    objective: Estimate,
}

/// Colour of a repetition.
pub(super) fn color(repetition: usize) -> RGBColor {
    COLORS[repetition % COLORS.len()]
}

/// The objective against full-training equivalents: all repetitions together, then each on its own where there are
/// several. None before an epoch is gathered.
pub(super) fn objective(run: &Run) -> Vec<Picture> {
    let all: Vec<&Repetition> = run.repetitions.iter().collect();
    let curves: Vec<Vec<Spent>> = run.repetitions.iter().map(|repetition| curve(run, &[repetition])).collect();
    let together = curve(run, &all);
    if together.is_empty() {
        return Vec::new();
    }
    let main = learning(run, WIDE, &together, INK, mark(run, &all, &together));
    if run.repetitions.len() == 1 { vec![main] } else { with_each_repetition(run, main, &curves) }
}

/// Adds the curve of each repetition to the picture of all, and a picture of its own for each, with the same axes.
fn with_each_repetition(run: &Run, mut main: Picture, curves: &[Vec<Spent>]) -> Vec<Picture> {
    main.lines.splice(0..0, curves.iter().enumerate().map(|(place, curve)| line(curve, color(place), 1.2)));
    main.y = y_axis(run, &main, curves);
    let mut pictures = vec![main];
    for (place, (repetition, curve)) in run.repetitions.iter().zip(curves).enumerate() {
        let mut picture = learning(run, THIRD, curve, color(place), mark(run, &[repetition], curve));
        picture.title = format!("repetition {}", repetition.repetition);
        (picture.x.range, picture.y) = (pictures[0].x.range, pictures[0].y.clone());
        pictures.push(picture);
    }
    pictures
}

/// Each epoch that all of `repetitions` have, with the mean of what they had spent.
fn curve(run: &Run, repetitions: &[&Repetition]) -> Vec<Spent> {
    let epochs = repetitions.iter().map(|repetition| repetition.epochs.len()).min().unwrap_or_default();
    let mut fte = 0.0;
    let mut spent = Vec::new();
    for place in 0..epochs {
        let at_place: Vec<&Epoch> = repetitions.iter().map(|repetition| &repetition.epochs[place]).collect();
        fte += mean(&at_place.iter().map(|epoch| run.fte(epoch.env_steps())).collect::<Vec<_>>()).unwrap_or_default();
        spent.extend(estimate(run, &at_place).map(|objective| Spent { fte, objective }));
    }
    spent
}

fn estimate(run: &Run, epochs: &[&Epoch]) -> Option<Estimate> {
    let strata: Vec<Vec<f64>> = epochs.iter().map(|epoch| objectives(&run.problem, &epoch.trajectories())).collect();
    Estimate::of(&strata)
}

/// The final evaluation, at what had been spent before it.
fn mark(run: &Run, repetitions: &[&Repetition], curve: &[Spent]) -> Option<Mark> {
    let evaluated: Vec<&Epoch> = repetitions.iter().filter_map(|r| r.final_evaluation.as_ref()).collect();
    let estimate = estimate(run, &evaluated).filter(|_| evaluated.len() == repetitions.len())?;
    let fte = curve.last()?.fte;
    let ends = estimate.ci95.map(|end| (fte, end));
    Some(Mark { color: COLORS[4], at: (fte, estimate.mean), ends })
}

fn learning(run: &Run, size: (u32, u32), curve: &[Spent], color: RGBColor, mark: Option<Mark>) -> Picture {
    let edges: Vec<_> = curve.iter().map(|s| (s.fte, s.objective.ci95[0], s.objective.ci95[1])).collect();
    let x = Axis::over("full-training equivalents", Scale::Linear, edges.iter().map(|(x, ..)| *x).chain([0.0]));
    let shown = edges.iter().flat_map(|(_, low, high)| [*low, *high]);
    let y = Axis::over("", Scale::Linear, shown.chain(mark.iter().flat_map(|mark| mark.ends.map(|(_, y)| y))));
    let mut picture = Picture::new(&words(&run.problem.objective.metric), size, x, y);
    picture.bands.push(Band { color, opacity: 0.16, edges });
    picture.lines.push(line(curve, color, 2.2));
    picture.marks.extend(mark);
    picture
}

fn line(curve: &[Spent], color: RGBColor, width: f64) -> Line {
    Line { color, width, points: curve.iter().map(|spent| (spent.fte, spent.objective.mean)).collect() }
}

/// Shows the intervals of every repetition as well, so that all pictures share one axis.
fn y_axis(run: &Run, main: &Picture, curves: &[Vec<Spent>]) -> Axis {
    let each = curves.iter().flatten().flat_map(|spent| spent.objective.ci95);
    let finals = run.repetitions.iter().zip(curves).filter_map(|(repetition, curve)| mark(run, &[repetition], curve));
    let finals = finals.flat_map(|mark| mark.ends.map(|(_, y)| y));
    let shown = main.bands.iter().flat_map(|band| &band.edges).flat_map(|(_, low, high)| [*low, *high]);
    Axis::over("", Scale::Linear, shown.chain(each).chain(finals))
}

/// What is compared in the pictures over a trajectory: the first epoch, and the last.
pub(super) struct FirstAndLast<'a> {
    first: Vec<&'a Trajectory>,
    last: Vec<&'a Trajectory>,
}

impl<'a> FirstAndLast<'a> {
    /// Of all repetitions together; where there is but one epoch, it is the last.
    pub(super) fn of(run: &'a Run) -> Self {
        let last: Vec<&Epoch> = run.repetitions.iter().filter_map(Repetition::last).collect();
        let first = run.repetitions.iter().filter_map(|repetition| repetition.epochs.first());
        let first = first.filter(|first| last.iter().all(|last| last.epoch != first.epoch));
        let first = first.flat_map(Epoch::trajectories).collect();
        Self { first, last: last.iter().flat_map(|epoch| epoch.trajectories()).collect() }
    }

    /// Whether there is a first epoch to compare the last one with.
    pub(super) fn compares(&self) -> bool {
        !self.first.is_empty()
    }

    fn picture(&self, title: &str, scale: Scale, value: impl Fn(&Step) -> f64) -> Picture {
        let (first, last) = (quantiles(&self.first, &value), quantiles(&self.last, &value));
        let all = || first.iter().chain(&last);
        let x = Axis::over("env step", Scale::Linear, all().map(|(step, _)| *step));
        let y = Axis::over("", scale, all().flat_map(|(_, quantiles)| *quantiles));
        let mut picture = Picture::new(title, HALF, x, y);
        for (curves, color) in [(&first, GREY), (&last, COLORS[0])] {
            picture.bands.push(band(curves, color, 0, 4, 0.13));
            picture.bands.push(band(curves, color, 1, 3, 0.2));
            let points = curves.iter().map(|(step, quantiles)| (*step, quantiles[2])).collect();
            picture.lines.push(Line { color, width: 2.0, points });
        }
        picture
    }

    /// The values that were chosen, in the logarithm of what is steered.
    pub(super) fn schedule(&self, place: usize, hyperparameter: &Hyperparameter) -> Picture {
        let name = words(&hyperparameter.name);
        let title = if hyperparameter.complement { format!("1 − {name}") } else { name };
        self.picture(&title, Scale::Log, |step| hyperparameter.primed(step.hyperparameters[place]))
    }

    /// A metric over the trajectory.
    pub(super) fn metric(&self, place: usize, metric: &Metric) -> Picture {
        self.picture(&words(&metric.name), Scale::Linear, |step| step.metrics[place])
    }
}

/// The values that were chosen, hyperparameter by hyperparameter, as a file of its own.
pub(super) fn schedules(run: &Run) -> anyhow::Result<String> {
    let compared = FirstAndLast::of(run);
    let hyperparameters = run.problem.hyperparameters.iter().enumerate();
    let small = |(place, h)| Picture { size: THIRD, ..compared.schedule(place, h) };
    sheet(&hyperparameters.map(small).collect::<Vec<_>>(), 3)
}

/// Quantiles 10, 25, 50, 75 and 90 % of the trajectories that are still there, at each env step.
fn quantiles(trajectories: &[&Trajectory], value: impl Fn(&Step) -> f64) -> Vec<(f64, [f64; 5])> {
    let steps = trajectories.iter().map(|trajectory| trajectory.steps.len()).max().unwrap_or_default();
    let at = |step: usize| {
        let values = trajectories.iter().filter_map(|t| t.steps.get(step)).map(&value);
        (step as f64, tuning::quantiles(values, [0.1, 0.25, 0.5, 0.75, 0.9]))
    };
    (0..steps).map(at).collect()
}

fn band(curves: &[(f64, [f64; 5])], color: RGBColor, low: usize, high: usize, opacity: f64) -> Band {
    let edges = curves.iter().map(|(step, quantiles)| (*step, quantiles[low], quantiles[high])).collect();
    Band { color, opacity, edges }
}

/// What learning gave, figure by figure, over the epochs.
pub(super) fn diagnostics(run: &Run) -> Vec<Picture> {
    let epochs = run.repetitions.iter().flat_map(|repetition| &repetition.epochs);
    let names: BTreeSet<&str> = epochs.flat_map(|epoch| epoch.figures.keys()).map(String::as_str).collect();
    names.into_iter().map(|name| diagnostic(run, name)).collect()
}

fn diagnostic(run: &Run, name: &str) -> Picture {
    let points = |repetition: &Repetition| {
        let at = |epoch: &Epoch| Some((f64::from(epoch.epoch), *epoch.figures.get(name)?));
        repetition.epochs.iter().filter_map(at).collect::<Vec<_>>()
    };
    let curves: Vec<Vec<(f64, f64)>> = run.repetitions.iter().map(points).collect();
    let x = Axis::over("epoch", Scale::Linear, curves.iter().flatten().map(|(x, _)| *x));
    let y = Axis::over("", Scale::Linear, curves.iter().flatten().map(|(_, y)| *y));
    let mut picture = Picture::new(&words(name), THIRD, x, y);
    let line = |(place, points): (usize, Vec<(f64, f64)>)| Line { color: color(place), width: 1.6, points };
    picture.lines.extend(curves.into_iter().enumerate().map(line));
    picture
}
