//! A small problem and made-up trainings for the tests of forecasters.

use tuning::{
    Decision, Direction, Hyperparameter, Metric, Objective, Outcome, Problem, Random, Scale, Schedule, Step,
    SymbolCode, Trajectory, TrajectoryKey,
};
use wire::settings::{Draws, Order, Output, WorldModelSettings};

pub fn problem() -> Problem {
    let metric =
        |name: &str, observed| Metric { name: name.to_owned(), range: [0.0, 1.0], scale: Scale::Logit, observed };
    let rate = Hyperparameter {
        name: "rate".to_owned(),
        initial: Some(0.1),
        initial_range: None,
        min: 1e-3,
        max: 1.0,
        complement: false,
        schedule: Schedule::default(),
    };
    Problem {
        objective: Objective { metric: "accuracy".to_owned(), direction: Direction::Maximize },
        metrics: vec![metric("accuracy", true), metric("test", false), metric("share", true)],
        hyperparameters: vec![rate],
        multipliers: vec![0.5, 1.0, 2.0],
        env_steps: 6,
    }
}

/// Every kind of output, once.
pub fn outputs() -> Vec<Output> {
    let symbols = |window, draws| Output::Symbols {
        code: SymbolCode { vocabulary: 16, symbols: 2, one_range: None },
        significance_decay: 0.8,
        window,
        draws,
    };
    vec![
        Output::Residual { components: 3, order: Order::Together },
        Output::Residual { components: 3, order: Order::InSequence },
        Output::Buckets { buckets: 5, order: Order::Together },
        Output::Buckets { buckets: 5, order: Order::InSequence },
        symbols(None, Draws::Metrics),
        symbols(Some(8), Draws::Observations),
    ]
}

pub fn settings(output: Output) -> WorldModelSettings {
    let base = WorldModelSettings::ours();
    WorldModelSettings { output, members: 2, d_model: 16, d_ff: 24, layers: 2, heads: 2, ..base }
}

/// Trainings that go up and down by chance; every third one diverges in its third env step.
pub fn trajectories(n: u32) -> Vec<Trajectory> {
    let one = |index: u32| {
        let mut random = Random::stream(7, &[index.into()]);
        let diverges = index % 3 == 2;
        let step = |step| Step {
            step,
            metrics: vec![random.uniform(), random.uniform(), random.uniform()],
            hyperparameters: vec![0.1],
            applied: vec![0.1 * (1.0 + random.uniform())],
            decision: Some(Decision {
                actions: vec![random.below(3)],
                log_probabilities: Vec::new(),
                value: None,
                policy_version: 0,
                keep: None,
            }),
            elapsed_seconds: 0.0,
        };
        Trajectory {
            key: TrajectoryKey { repetition: 0, epoch: 1, index, attempt: 0 },
            seed: index,
            task: String::new(),
            outcome: Some(if diverges { Outcome::Diverged } else { Outcome::Completed }),
            steps: (0..if diverges { 3 } else { 7 }).map(step).collect(),
        }
    };
    (0..n).map(one).collect()
}
