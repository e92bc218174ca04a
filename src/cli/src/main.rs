//! The program `trainpilot`: runs experiments on one machine, and tells what they came to.
//!
//! Owns the command line; each subcommand is a module. Must not know tensors.
//! Start reading at [`Command`].

mod cluster;
mod compare;
mod completions;
mod cost;
mod experiment;
mod explain;
mod failure;
mod forecast;
mod output;
mod picture;
mod policy;
mod report;
mod results;
mod run;
mod status;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

/// Learns, from many trainings that run side by side, a policy that tunes the hyperparameters of trainings while they run
#[derive(Debug, Parser)]
#[command(
    name = "trainpilot",
    version,
    max_term_width = 110,
    after_help = "Exit codes: 0 done, 1 a fault, 2 bad input."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Run(run::Arguments),
    Validate(experiment::Validate),
    Plan(experiment::Plan),
    Status(status::Arguments),
    /// Write one HTML page on a run, with pictures, to DIR/report.html
    Report(report::Arguments),
    /// Put finished runs on the same task beside one another
    ///
    /// A row has the price of a run (full-training equivalents learned from, mean over its repetitions) and, from its
    /// final evaluation, the objective and every metric that no policy saw: mean, 95 % bootstrap interval (resampled
    /// within repetitions), interquartile mean. The last column is the probability that a training ends better than its
    /// pair in the first run, where a pair has the same seed; each repetition meets each of the first run's.
    Compare(compare::Arguments),
    Forecast(forecast::Arguments),
    /// Say why a policy decided as it did: what it saw, its probabilities, and what came of it
    Explain(explain::Arguments),
    /// Say what runs have spent on trainings: full-training equivalents, hours, and hours of devices
    Cost(cost::Arguments),
    /// Take policies out of runs, and look at them
    #[command(subcommand)]
    Policy(policy::Command),
    /// Look at experiments on a cluster, and change them; the same as `kubectl trainpilot`
    Cluster(cluster::Arguments),
    /// Print completions for a shell
    Completions(completions::Arguments),
    /// Become PROGRAM, and end when PARENT does
    #[command(name = run::process::SUPERVISED, hide = true)]
    Supervised {
        parent: u32,
        program: std::ffi::OsString,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<std::ffi::OsString>,
    },
}

impl Command {
    fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::Run(arguments) => arguments.run(),
            Self::Validate(arguments) => arguments.run(),
            Self::Plan(arguments) => arguments.run(),
            Self::Status(arguments) => arguments.run(),
            Self::Supervised { parent, program, args } => {
                Err(run::process::become_supervised(*parent, program, args).into())
            }
            Self::Report(arguments) => arguments.run(),
            Self::Compare(arguments) => arguments.run(),
            Self::Forecast(arguments) => arguments.run(),
            Self::Explain(arguments) => arguments.run(),
            Self::Cost(arguments) => arguments.run(),
            Self::Cluster(arguments) => arguments.run(),
            Self::Policy(command) => command.run(),
            Self::Completions(arguments) => arguments.run(),
        }
    }
}

/// Looks at experiments on a cluster, and changes them
#[derive(Debug, Parser)]
#[command(name = PLUGIN, bin_name = "kubectl trainpilot", version, max_term_width = 110)]
struct Plugin {
    #[command(flatten)]
    arguments: cluster::Arguments,
}

/// The name by which kubectl finds us.
const PLUGIN: &str = "kubectl-trainpilot";

fn main() -> ExitCode {
    let name = std::env::args_os().next().map(PathBuf::from);
    let done = if name.as_deref().and_then(Path::file_stem).is_some_and(|name| name == PLUGIN) {
        Plugin::parse().arguments.run()
    } else {
        Arguments::parse().command.run()
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            failure::exit_code(&error)
        }
    }
}
