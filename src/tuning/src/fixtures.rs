//! A problem for tests: one metric of each scale, a plain and a complemented hyperparameter, one unobserved metric.

use crate::{Direction, Hyperparameter, Metric, Objective, Outcome, Problem, Scale, Schedule};
use crate::{Step, Trajectory, TrajectoryKey};

pub fn metric(name: &str, range: [f64; 2], scale: Scale) -> Metric {
    Metric { name: name.to_owned(), range, scale, observed: true }
}

pub fn hyperparameter(name: &str, initial: f64, [min, max]: [f64; 2], complement: bool) -> Hyperparameter {
    let (initial, schedule) = (Some(initial), Schedule::default());
    Hyperparameter { name: name.to_owned(), initial, initial_range: None, min, max, complement, schedule }
}

pub fn problem() -> Problem {
    Problem {
        objective: Objective { metric: "validation_accuracy".to_owned(), direction: Direction::Maximize },
        metrics: vec![
            metric("training_loss", [0.0, 10.0], Scale::Log),
            Metric { observed: false, ..metric("test_accuracy", [0.0, 1.0], Scale::Linear) },
            metric("validation_accuracy", [0.0, 1.0], Scale::Logit),
        ],
        hyperparameters: vec![
            hyperparameter("learning_rate", 0.01, [1e-5, 1.0], false),
            hyperparameter("momentum", 0.9, [0.0, 0.99], true),
        ],
        multipliers: vec![0.5, 0.8, 0.95, 1.0, 1.05, 1.25, 2.0],
        env_steps: 20,
    }
}

/// A trajectory of [`problem`] with these objectives, the other metrics at 0.
pub fn trajectory(objectives: &[f64], outcome: Option<Outcome>) -> Trajectory {
    let key = TrajectoryKey { repetition: 0, epoch: 1, index: 0, attempt: 0 };
    let steps = objectives.iter().zip(0..).map(|(x, step)| Step {
        step,
        metrics: vec![0.0, 0.0, *x],
        hyperparameters: vec![0.01, 0.9],
        applied: vec![0.01, 0.9],
        decision: None,
        elapsed_seconds: 0.0,
    });
    Trajectory { key, seed: 0, task: String::new(), outcome, steps: steps.collect() }
}
