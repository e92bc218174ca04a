//! The reference trainers that need libtorch, `trainpilot-torch-tasks TASK`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tasks::trainer::end_when_told;
use torch_tasks::{language_model, text, wide_resnet};

/// Trainings of the size that fills a GPU. Steered through TRAINPILOT_URL if that is set, else by a recipe
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// A Wide ResNet on CIFAR-10, or on images in the IDX form such as Fashion-MNIST
    ///
    /// Without an agent, each env step's metrics are printed as a line of JSON.
    WideResnet(wide_resnet::Single),
    /// A Transformer that predicts the next word of a text, or a sentence's translation
    ///
    /// Without an agent, each env step's metrics are printed as a line of JSON.
    LanguageModel(language_model::Single),
    /// What a text comes to as `language-model` reads it; makes the file that keeps its vocabulary
    Text(text::Summary),
}

fn main() -> ExitCode {
    let task = Cli::parse().task;
    if let Err(error) = end_when_told() {
        eprintln!("warning: SIGTERM is not heard: {error}");
    }
    let result = match task {
        Task::WideResnet(single) => single.run(),
        Task::LanguageModel(single) => single.run(),
        Task::Text(summary) => summary.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
