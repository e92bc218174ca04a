//! The reference trainers, `trainpilot-tasks TASK`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tasks::contract::Values;
use tasks::curves::{Curve, Quadratic};
use tasks::data;
use tasks::digits;
use tasks::trainer::{Alone, Divergence, Guide, Training, end_when_told, train};

/// Trainings to try an autopilot on. Steered through TRAINPILOT_URL if that is set, else by a recipe
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// A small network on real handwritten digits with wrong labels
    ///
    /// Without an agent, each env step's metrics are printed as a line of JSON.
    Digits(digits::Single),
    /// Trains the digits on a grid of learning rates for each schedule and prints the baselines
    DigitsSweep(digits::Sweep),
    /// A noisy quadratic with a known best schedule, in milliseconds
    Curves(Curves),
    /// Prints the best schedule of `curves` and the score that is to be expected of it
    CurvesBest(CurvesBest),
    /// Prepares real data: from a Debian package, a folder, a file or a URL, checked by its sums
    ///
    /// Nothing is done where the data are there already and their sums hold.
    Data(data::Options),
}

#[derive(Args)]
struct Curves {
    #[command(flatten)]
    alone: Alone,
    #[command(flatten)]
    quadratic: Quadratic,
    /// Learning rate where nobody steers it
    #[arg(long, env = "CURVES_LEARNING_RATE", default_value_t = 0.05)]
    learning_rate: f64,
    /// Milliseconds that each env step takes longer than it needs, so that there is something to watch, or to interrupt
    #[arg(long, env = "CURVES_STEP_MILLISECONDS", default_value_t = 0)]
    step_milliseconds: u64,
}

#[derive(Args)]
struct CurvesBest {
    /// Env steps of the training
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    env_steps: u32,
    #[command(flatten)]
    quadratic: Quadratic,
}

/// A curve whose env steps take as long as those of a larger training.
struct Slow {
    curve: Curve,
    pause: Duration,
}

impl Training for Slow {
    fn hyperparameter(&mut self, name: &str) -> Option<&mut f64> {
        self.curve.hyperparameter(name)
    }

    fn hyperparameters(&self) -> Vec<String> {
        self.curve.hyperparameters()
    }

    fn evaluate(&mut self) -> Result<Values, Divergence> {
        Training::evaluate(&mut self.curve)
    }

    fn env_step(&mut self) -> Result<Values, Divergence> {
        std::thread::sleep(self.pause);
        self.curve.env_step()
    }

    fn save(&self, folder: &Path) -> anyhow::Result<()> {
        self.curve.save(folder)
    }

    fn restore(&mut self, folder: &Path) -> anyhow::Result<()> {
        self.curve.restore(folder)
    }
}

fn main() -> ExitCode {
    let task = Cli::parse().task;
    if let Err(error) = end_when_told() {
        eprintln!("warning: SIGTERM is not heard: {error}");
    }
    let result = match task {
        Task::Digits(single) => single.run(),
        Task::DigitsSweep(sweep) => sweep.run(),
        Task::Curves(curves) => curves.run(),
        Task::CurvesBest(best) => {
            best.print();
            Ok(())
        }
        Task::Data(data) => data.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Curves {
    fn run(self) -> anyhow::Result<()> {
        let values = Values::from([("learning_rate".to_owned(), self.learning_rate)]);
        let guide = Guide::open(&self.alone, values)?;
        let curve = Curve::new(self.quadratic, guide.trajectory().seed, self.learning_rate);
        Ok(train(&guide, &mut Slow { curve, pause: Duration::from_millis(self.step_milliseconds) })?)
    }
}

impl CurvesBest {
    fn print(&self) {
        let rates = self.quadratic.optimal_schedule(self.env_steps);
        for (step, rate) in rates.iter().enumerate() {
            println!("env step {step:>3}  learning rate {rate:.4}");
        }
        println!("expected score {:.4}", self.quadratic.expected_score(&rates));
    }
}
