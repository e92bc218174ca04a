//! Both histograms, and some curves, as an SVG.

use std::error::Error;
use std::path::Path;

use learn::Forecasting;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::{BARS, count, edge};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

const SIZE: (u32, u32) = (960, 320);
const REAL: RGBColor = RGBColor(0x94, 0x98, 0x9E);
const GENERATED: RGBColor = RGBColor(0x3B, 0x74, 0xC4);
const MESH: RGBColor = RGBColor(0xE4, 0xE4, 0xE0);
const FONT: (&str, i32) = ("sans-serif", 14);

/// Draws what came out into a file.
pub fn draw(path: &Path, outcome: &Forecasting) -> Drawn {
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let halves = root.split_evenly((1, 2));
    histograms(&halves[0], outcome).map_err(|error| error.to_string())?;
    curves(&halves[1], outcome).map_err(|error| error.to_string())?;
    root.present().map_err(|error| error.to_string())?;
    drop((halves, root));
    Ok(std::fs::write(path, svg)?)
}

/// Curves of each rate, side by side.
fn histograms(area: &Area<'_>, Forecasting { real, generated, ks_distance, ks_floor, .. }: &Forecasting) -> Drawn {
    let most = (0..BARS).map(|bar| count(real, bar).max(count(generated, bar))).max().unwrap_or(1) as f64;
    let title = format!(
        "rates found: real (grey) and generated, distance {ks_distance:.3}, between halves of the real {ks_floor:.3}"
    );
    // Plotters crowds a logarithmic axis with labels, so it is a linear one of logarithms.
    let rates = edge(0).ln()..edge(BARS).ln();
    let mut chart = frame(area, &title).build_cartesian_2d(rates, 0.0..most * 1.05)?;
    let (rate, whole) = (|log: &f64| format!("{:.2}", log.exp()), |count: &f64| format!("{count:.0}"));
    let mut mesh = chart.configure_mesh();
    mesh.x_label_formatter(&rate).y_label_formatter(&whole).x_labels(8).y_labels(6).x_desc("rate per env step");
    mesh.light_line_style(TRANSPARENT).bold_line_style(MESH).label_style(FONT).draw()?;
    for (rates, color, place) in [(real, REAL, 0.08), (generated, GENERATED, 0.5)] {
        let bars = (0..BARS).map(|bar| {
            let within = |share: f64| edge(bar).ln() + share * (edge(bar + 1) / edge(bar)).ln();
            let corners = [(within(place), 0.0), (within(place + 0.42), count(rates, bar) as f64)];
            Rectangle::new(corners, color.filled())
        });
        chart.draw_series(bars)?;
    }
    Ok(())
}

/// Real curves, and those that were generated from their first values.
fn curves(area: &Area<'_>, Forecasting { examples, .. }: &Forecasting) -> Drawn {
    let steps = examples.first().map_or(0, |[real, _]| real.len() - 1);
    let title = "accuracy: real curves (grey), and as many generated";
    let mut chart = frame(area, title).build_cartesian_2d(0..steps, 0.0..1.05)?;
    let mut mesh = chart.configure_mesh();
    mesh.x_labels(7).y_labels(6).x_desc("env step");
    mesh.light_line_style(TRANSPARENT).bold_line_style(MESH).label_style(FONT).draw()?;
    for (which, color) in [(0, REAL), (1, GENERATED)] {
        for example in examples {
            let points = example[which].iter().copied().enumerate();
            chart.draw_series(LineSeries::new(points, color.stroke_width(1)))?;
        }
    }
    Ok(())
}

fn frame<'a, 'b>(area: &'a Area<'b>, title: &str) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut frame = ChartBuilder::on(area);
    frame.caption(title, FONT).margin(10).x_label_area_size(42).y_label_area_size(42);
    frame
}
