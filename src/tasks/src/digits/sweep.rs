//! Baselines without any loop around them: a grid of learning rates for each schedule, tuned on validation.

use crate::classification::Sgd;
use crate::trainer::{Shape, Training};
use anyhow::Result;
use clap::Args;

use super::data::{Data, DataOptions};
use super::training::{Digits, TrainingOptions};

/// Trains on a grid of learning rates for each schedule and prints the baselines
#[derive(Args)]
pub struct Sweep {
    /// Trainings, of as many seeds, for each point of the grid
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(2..))]
    seeds: u64,
    /// Env steps of a training
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    env_steps: u32,
    /// Learning rates to try
    #[arg(
        long,
        value_delimiter = ',',
        default_values_t = [2e-4, 6e-4, 1e-3, 2e-3, 3e-3, 5e-3, 7e-3, 1e-2, 1.5e-2, 2e-2, 3e-2, 5e-2]
    )]
    learning_rates: Vec<f64>,
    /// Momentum, the same in all trainings
    #[arg(long, default_value_t = 0.9)]
    momentum: f64,
    /// Weight decay, the same in all trainings
    #[arg(long, default_value_t = 1e-3)]
    weight_decay: f64,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    training: TrainingOptions,
}

/// Final accuracies of one training; 0, the worst bound, where it diverged.
#[derive(Clone, Copy, Default)]
struct Final {
    validation: f64,
    test: f64,
    diverged: bool,
}

/// What is printed of one point of the grid.
struct Row {
    learning_rate: f64,
    validation: f64,
    test: f64,
    test_error: f64,
    diverged: usize,
}

impl Sweep {
    /// Trains everything and prints a table; the price is in full trainings.
    pub fn run(&self) -> Result<()> {
        let data = Data::load(&self.data)?;
        println!("{:<10}{:>10}{:>12}{:>22}{:>10}", "schedule", "lr", "validation", "test ± s.e.", "diverged");
        for (name, shape) in [("constant", Shape::Constant), ("linear", Shape::Linear), ("cosine", Shape::Cosine)] {
            let mut rows = Vec::new();
            for learning_rate in &self.learning_rates {
                let row = self.row(&data, shape, *learning_rate)?;
                print(name, &row);
                rows.push(row);
            }
            if let Some(best) = rows.iter().max_by(|a, b| a.validation.total_cmp(&b.validation)) {
                print("  tuned", best);
            }
            println!("  for {} full trainings", self.learning_rates.len() as u64 * self.seeds);
        }
        Ok(())
    }

    fn row(&self, data: &Data, shape: Shape, learning_rate: f64) -> Result<Row> {
        let finals =
            (0..self.seeds).map(|seed| self.train(data, shape, learning_rate, seed)).collect::<Result<Vec<Final>>>()?;
        let n = finals.len() as f64;
        let mean = |of: fn(&Final) -> f64| finals.iter().map(of).sum::<f64>() / n;
        let test = mean(|last| last.test);
        let variance = finals.iter().map(|last| (last.test - test).powi(2)).sum::<f64>() / (n - 1.0);
        Ok(Row {
            learning_rate,
            validation: mean(|last| last.validation),
            test,
            test_error: (variance / n).sqrt(),
            diverged: finals.iter().filter(|last| last.diverged).count(),
        })
    }

    fn train(&self, data: &Data, shape: Shape, learning_rate: f64, seed: u64) -> Result<Final> {
        let Self { momentum, weight_decay, .. } = *self;
        let start = Sgd { learning_rate, momentum, weight_decay };
        let mut digits = Digits::new(data, &self.training, start, seed)?;
        let mut last = Final::default();
        for step in 0..self.env_steps {
            let factor = shape.schedule().factor(step, self.env_steps);
            digits.set_learning_rate(learning_rate * factor);
            let Ok(metrics) = digits.env_step() else { return Ok(Final { diverged: true, ..Final::default() }) };
            last =
                Final { validation: metrics["validation_accuracy"], test: metrics["test_accuracy"], diverged: false };
        }
        Ok(last)
    }
}

fn print(name: &str, row: &Row) {
    let Row { learning_rate, validation, test, test_error, diverged } = row;
    println!("{name:<10}{learning_rate:>10}{validation:>12.4}{test:>13.4} ± {test_error:.4}{diverged:>10}");
}
