//! Line pictures as SVG, drawn by `plotters`: axes with round ticks, bands, lines and points with intervals.
//!
//! Plotters places everything on whole pixels, so a picture is drawn on a grid [`FINE`] times finer than it is shown.
//! Colours are fixed words that a page may restyle: see [`INK`] and [`GRID`].

mod coordinate;
mod ticks;

use std::iter::once;

use anyhow::anyhow;
use plotters::prelude::*;

use coordinate::Coordinate;

pub(crate) use ticks::Scale;

/// Colour of text and axes.
pub(crate) const INK: RGBColor = RGBColor(0x2A, 0x2D, 0x33);
/// Colour of the mesh.
pub(crate) const GRID: RGBColor = RGBColor(0xE4, 0xE4, 0xE0);
/// Colour of what the others are compared with.
pub(crate) const GREY: RGBColor = RGBColor(0x94, 0x98, 0x9E);
/// Colours of series, readable on light and dark paper and told apart by most eyes.
pub(crate) const COLORS: [RGBColor; 8] = [
    RGBColor(0x3B, 0x74, 0xC4),
    RGBColor(0xD9, 0x7B, 0x29),
    RGBColor(0x2F, 0x9E, 0x77),
    RGBColor(0xB0, 0x5A, 0xA8),
    RGBColor(0xC9, 0x4F, 0x44),
    RGBColor(0x5E, 0x9C, 0xA8),
    RGBColor(0x8A, 0x7A, 0x2E),
    RGBColor(0x7A, 0x6B, 0xC9),
];

const FINE: u32 = 4;
const TEXT: f64 = 12.5;
/// Height of a text in pixels shown, and where its line stands.
const LINE: u32 = 22;

/// An axis, and what of it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) scale: Scale,
    /// Lowest and highest value shown.
    pub(crate) range: [f64; 2],
}

/// A line through points.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) color: RGBColor,
    /// Width in pixels shown.
    pub(crate) width: f64,
    pub(crate) points: Vec<(f64, f64)>,
}

/// An area between two lines.
#[derive(Clone, Debug)]
pub(crate) struct Band {
    pub(crate) color: RGBColor,
    pub(crate) opacity: f64,
    /// Where, from, to.
    pub(crate) edges: Vec<(f64, f64, f64)>,
}

/// A point with an interval across it.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) color: RGBColor,
    pub(crate) at: (f64, f64),
    /// Ends of the interval.
    pub(crate) ends: [(f64, f64); 2],
}

/// A picture.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// What is on the vertical axis, written above it.
    pub(crate) title: String,
    /// Width and height in pixels shown.
    pub(crate) size: (u32, u32),
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// Words in place of numbers on the vertical axis, at 0, 1, 2, …
    pub(crate) rows: Vec<String>,
    pub(crate) bands: Vec<Band>,
    pub(crate) lines: Vec<Line>,
    pub(crate) marks: Vec<Mark>,
}

impl Axis {
    /// An axis that shows all `values`, with a little room around them. Values that it can't show are left out.
    pub(crate) fn over(label: &str, scale: Scale, values: impl IntoIterator<Item = f64>) -> Self {
        let shown = values.into_iter().filter(|x| scale.to_line(*x).is_finite());
        let [low, high] = shown.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], x| [low.min(x), high.max(x)]);
        let range = if low <= high { scale.widen([low, high]) } else { scale.anywhere() };
        Self { label: label.to_owned(), scale, range }
    }

    fn shows(&self, x: f64) -> bool {
        self.scale.to_line(x).is_finite()
    }
}

impl Picture {
    /// A picture with nothing on it yet.
    pub(crate) fn new(title: &str, size: (u32, u32), x: Axis, y: Axis) -> Self {
        let title = title.to_owned();
        Self { title, size, x, y, rows: Vec::new(), bands: Vec::new(), lines: Vec::new(), marks: Vec::new() }
    }

    /// The picture as an SVG element.
    pub(crate) fn svg(&self) -> anyhow::Result<String> {
        let mut svg = String::new();
        let (width, height) = (self.size.0 * FINE, self.size.1 * FINE);
        let root = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        // Its errors borrow the backend.
        self.draw(&root).map_err(|error| anyhow!("can't draw {:?}: {error}", self.title))?;
        drop(root);
        // Shown at its size, not at that of the finer grid.
        let fine = format!("width=\"{width}\" height=\"{height}\"");
        Ok(svg.replacen(&fine, &format!("width=\"{}\" height=\"{}\"", self.size.0, self.size.1), 1))
    }

    fn draw(&self, root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>) -> Result<(), SvgError> {
        let mut chart = self.axes(root)?;
        for band in &self.bands {
            let filled = band.color.mix(band.opacity).filled();
            chart.draw_series(once(Polygon::new(self.outline(band), filled)))?;
        }
        for line in &self.lines {
            let style = line.color.stroke_width((line.width * f64::from(FINE)) as u32);
            chart.draw_series(LineSeries::new(line.points.iter().copied().filter(|point| self.shows(point)), style))?;
        }
        for mark in &self.marks {
            let style = mark.color.stroke_width(2 * FINE);
            chart.draw_series(LineSeries::new(mark.ends.into_iter().filter(|end| self.shows(end)), style))?;
            let point = Some(mark.at).filter(|at| self.shows(at));
            chart.draw_series(point.map(|at| Circle::new(at, 4 * FINE, mark.color.filled())))?;
        }
        root.draw(&Text::new(self.title.as_str(), (4 * FINE as i32, 2 * FINE as i32), text(TEXT + 0.5)))?;
        root.present()
    }

    /// Axes, mesh and labels.
    fn axes<'a>(&self, root: &DrawingArea<SVGBackend<'a>, plotters::coord::Shift>) -> Result<Chart<'a>, SvgError> {
        let (x, y) = self.coordinates();
        let longest = y.ticks.iter().map(|(_, text)| text.chars().count()).max().unwrap_or_default() as u32;
        let mut chart = ChartBuilder::on(root)
            .margin_top((LINE + 4) * FINE)
            .margin_right(14 * FINE)
            .margin_left(2 * FINE)
            .margin_bottom(2 * FINE)
            .x_label_area_size(if self.x.label.is_empty() { LINE } else { 2 * LINE - 6 } * FINE)
            .y_label_area_size((14 + 7 * longest) * FINE)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(GRID.stroke_width(FINE))
            .light_line_style(TRANSPARENT)
            .axis_style(GREY.stroke_width(FINE))
            .set_all_tick_mark_size(3 * FINE)
            .label_style(text(TEXT))
            .x_desc(&self.x.label)
            .draw()?;
        Ok(chart)
    }

    fn coordinates(&self) -> (Coordinate, Coordinate) {
        let rows = self.rows.iter().enumerate().map(|(row, name)| (row as f64, name.clone())).collect();
        let numbers = |axis: &Axis, count| axis.scale.ticks(axis.range, count);
        let along = |axis: &Axis, ticks| Coordinate { scale: axis.scale, range: axis.range, ticks };
        let vertical = if self.rows.is_empty() { numbers(&self.y, self.size.1 / 45) } else { rows };
        (along(&self.x, numbers(&self.x, self.size.0 / 80)), along(&self.y, vertical))
    }

    /// Whether both axes have a place for a point.
    fn shows(&self, (x, y): &(f64, f64)) -> bool {
        self.x.shows(*x) && self.y.shows(*y)
    }

    /// Along the upper edges, and back along the lower ones.
    fn outline(&self, band: &Band) -> Vec<(f64, f64)> {
        let above = band.edges.iter().map(|(x, _, high)| (*x, *high));
        let below = band.edges.iter().rev().map(|(x, low, _)| (*x, *low));
        above.chain(below).filter(|point| self.shows(point)).collect()
    }
}

type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Coordinate, Coordinate>>;

/// What drawing into a string can fail with.
type SvgError = DrawingAreaErrorKind<std::io::Error>;

fn text(size: f64) -> TextStyle<'static> {
    // Plotters divides by 1.24 before it writes the size.
    ("sans-serif", size * 1.24 * f64::from(FINE)).into_font().color(&INK)
}

/// Pictures of one width, one above the other, as one SVG file on white paper.
pub(crate) fn stack(pictures: &[Picture]) -> anyhow::Result<String> {
    sheet(pictures, 1)
}

/// Pictures of one size, so many beside one another, row by row, as one SVG file on white paper.
pub(crate) fn sheet(pictures: &[Picture], columns: usize) -> anyhow::Result<String> {
    let (mut panels, mut width, mut height) = (String::new(), 0, 0);
    for row in pictures.chunks(columns) {
        let mut x = 0;
        for picture in row {
            panels += &format!("<svg x=\"{x}\" y=\"{height}\"{}", picture.svg()?.trim_start_matches("<svg"));
            x += picture.size.0;
        }
        width = width.max(x);
        height += row.iter().map(|picture| picture.size.1).max().unwrap_or_default();
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>\n{panels}</svg>\n"
    ))
}
