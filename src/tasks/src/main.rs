//! The reference trainers: `curves` runs here, `digits` in the program beside this one that links libtorch.
//! Loading libtorch takes a quarter of a second, a hundred times as long as a whole training of `curves`.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tasks::contract::Values;
use tasks::curves::{Curve, Quadratic};
use tasks::trainer::{Alone, Divergence, Guide, TrainerError, Training, train};

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
    #[command(disable_help_flag = true)]
    Digits(Forwarded),
    /// Trains the digits on a grid of learning rates for each schedule and prints the baselines
    #[command(disable_help_flag = true)]
    DigitsSweep(Forwarded),
    /// A noisy quadratic with a known best schedule, in milliseconds
    Curves(Curves),
}

#[derive(Args)]
struct Forwarded {
    /// Flags of the task; `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
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

/// A curve whose env steps take as long as those of a larger training.
struct Slow {
    curve: Curve,
    pause: Duration,
}

impl Training for Slow {
    fn hyperparameter(&mut self, name: &str) -> Option<&mut f64> {
        self.curve.hyperparameter(name)
    }

    fn hyperparameters(&self) -> &'static [&'static str] {
        self.curve.hyperparameters()
    }

    fn evaluate(&mut self) -> Result<Values, Divergence> {
        Training::evaluate(&mut self.curve)
    }

    fn env_step(&mut self) -> Result<Values, Divergence> {
        std::thread::sleep(self.pause);
        self.curve.env_step()
    }
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Digits(forwarded) => Err(become_digits("digits", &forwarded.arguments).into()),
        Task::DigitsSweep(forwarded) => Err(become_digits("digits-sweep", &forwarded.arguments).into()),
        Task::Curves(curves) => run(curves).map_err(Box::<dyn Error>::from),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(curves: Curves) -> Result<(), TrainerError> {
    let values = Values::from([("learning_rate".to_owned(), curves.learning_rate)]);
    let guide = Guide::open(&curves.alone, values)?;
    let curve = Curve::new(curves.quadratic, guide.trajectory().seed, curves.learning_rate);
    train(&guide, &mut Slow { curve, pause: Duration::from_millis(curves.step_milliseconds) })
}

/// Goes on as the other program, in this very process, so that signals and exit codes are its own.
fn become_digits(task: &str, arguments: &[OsString]) -> String {
    let program = match env::current_exe() {
        Ok(path) => path.with_file_name("trainpilot-digits"),
        Err(error) => return format!("cannot tell where this program lies: {error}"),
    };
    let error = Command::new(&program).arg(task).args(arguments).exec();
    format!("cannot start {} (cargo build --package trainpilot-tasks makes it): {error}", program.display())
}
