//! The trainer on handwritten digits; users call it as `trainpilot-tasks digits` and `trainpilot-tasks digits-sweep`.

mod data;
mod network;
mod sweep;
mod training;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use tasks::contract::Values;
use tasks::trainer::{Alone, Guide, train};

use data::{Data, DataOptions};
use training::{Digits, Hyperparameters, TrainingOptions};

/// A small network on real handwritten digits with wrong labels
#[derive(Parser)]
#[command(version, bin_name = "trainpilot-tasks")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Trains once, steered through TRAINPILOT_URL if that is set; else prints each env step's metrics as a line of JSON
    Digits(Single),
    /// Trains on a grid of learning rates for each schedule and prints the baselines
    DigitsSweep(sweep::Sweep),
}

#[derive(Args)]
struct Single {
    #[command(flatten)]
    alone: Alone,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    training: TrainingOptions,
    #[command(flatten)]
    hyperparameters: Hyperparameters,
}

fn main() -> Result<()> {
    // More threads would not speed up matrices this small, and the number of threads decides the last bits of a sum.
    tch::set_num_threads(1);
    let _no_grad = tch::no_grad_guard();
    match Cli::parse().task {
        Task::Digits(single) => run(&single),
        Task::DigitsSweep(sweep) => sweep.run(),
    }
}

fn run(single: &Single) -> Result<()> {
    let Hyperparameters { learning_rate, momentum, weight_decay } = single.hyperparameters;
    let names = ["learning_rate", "momentum", "weight_decay"].map(str::to_owned);
    let guide =
        Guide::open(&single.alone, Values::from_iter(names.into_iter().zip([learning_rate, momentum, weight_decay])))?;
    let data = Data::load(&single.data)?;
    let mut digits = Digits::new(&data, &single.training, single.hyperparameters, guide.trajectory().seed)?;
    Ok(train(&guide, &mut digits)?)
}
