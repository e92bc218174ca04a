//! The talk's forecasting experiment, with the talk's symbols: `cargo xtask forecasting`. Prints both histograms and, last,
//! one line of JSON; draws them into the file that is named.

mod picture;

use std::path::Path;

use learn::{FORECASTING_RATES, Forecasting, forecasting};
use tuning::SymbolCode;
use wire::settings::{Draws, Output, WorldModelSettings};

const CURVES: u32 = 1000;
const BARS: usize = 16;
const WIDTH: usize = 30;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Sums of several threads depend on how many there are.
    tch::set_num_threads(1);
    let settings = WorldModelSettings {
        output: Output::Symbols {
            code: SymbolCode::OURS,
            significance_decay: 0.8,
            window: None,
            draws: Draws::Metrics,
        },
        members: 1,
        first_optimizer_steps: 1500,
        patience: Some(300),
        ..WorldModelSettings::ours()
    };
    let outcome = forecasting(&settings, CURVES, 1)?;
    print_histograms(&outcome);
    if let Some(path) = std::env::args_os().nth(1) {
        picture::draw(Path::new(&path), &outcome)?;
    }
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}

/// Edges of the bars, on a logarithmic axis.
fn edge(bar: usize) -> f64 {
    let [low, high] = [FORECASTING_RATES[0] / 2.0, FORECASTING_RATES[1] * 2.0];
    low * (high / low).powf(bar as f64 / BARS as f64)
}

/// Rates within a bar.
fn count(rates: &[f64], bar: usize) -> usize {
    rates.iter().filter(|rate| (edge(bar)..edge(bar + 1)).contains(*rate)).count()
}

/// Both distributions of rates.
fn print_histograms(Forecasting { real, generated, .. }: &Forecasting) {
    let most = (0..BARS).map(|bar| count(real, bar).max(count(generated, bar))).max().unwrap_or(1).max(1);
    println!("{:>13}  {:<WIDTH$}  generated", "rate", "real");
    for bar in 0..BARS {
        let line = |rates| "█".repeat(count(rates, bar) * WIDTH / most);
        println!("{:.3} – {:.3}  {:<WIDTH$}  {}", edge(bar), edge(bar + 1), line(real), line(generated));
    }
}
