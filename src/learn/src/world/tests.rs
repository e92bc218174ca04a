#![allow(clippy::unwrap_used)]

use tch::{Device, Kind, Tensor, no_grad};
use tuning::{
    Direction, Hyperparameter, Metric, Objective, Outcome, Problem, Random, Scale, Schedule, Step, Trajectory,
    TrajectoryKey,
};
use wire::settings::WorldModelSettings;

use super::examples::{Examples, width};
use super::residual::Residual;
use crate::nets::to_vec;

fn problem() -> Problem {
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

fn settings() -> WorldModelSettings {
    WorldModelSettings { components: 3, d_model: 16, d_ff: 24, layers: 2, heads: 2, ..WorldModelSettings::default() }
}

fn forecaster(seed: u64) -> Residual {
    Residual::new(&problem(), &settings(), seed, Device::Cpu)
}

fn inputs(b: i64, seed: u64) -> Tensor {
    let (t, i) = (6, width(&problem()) as i64);
    let mut random = Random::stream(seed, &[]);
    let values: Vec<f32> = (0..b * t * i).map(|_| random.uniform() as f32).collect();
    Tensor::from_slice(&values).view([b, t, i])
}

/// Trainings that go up and down by chance; every third one diverges in its third env step.
fn trajectories(n: u32) -> Vec<Trajectory> {
    let one = |index: u32| {
        let mut random = Random::stream(7, &[index.into()]);
        let diverges = index % 3 == 2;
        let step = |step| Step {
            step,
            metrics: vec![random.uniform(), random.uniform(), random.uniform()],
            hyperparameters: vec![0.1],
            applied: vec![0.1 * (1.0 + random.uniform())],
            decision: None,
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

fn examples(n: u32) -> Examples {
    let all = trajectories(n);
    Examples::new(&problem(), &all.iter().collect::<Vec<_>>(), Device::Cpu).unwrap()
}

fn all(density: &super::residual::Density) -> [Tensor; 4] {
    [&density.log_shares, &density.means, &density.log_deviations, &density.divergence].map(Tensor::shallow_clone)
}

fn distance(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

#[test]
fn a_step_with_memory_gives_what_the_whole_gives() {
    let (forecaster, inputs) = (forecaster(1), inputs(3, 2));
    let whole = no_grad(|| all(&forecaster.forward(&inputs)));
    let mut past = forecaster.past();
    for t in 0..6 {
        let step = no_grad(|| all(&forecaster.step(&inputs.narrow(1, t, 1), &mut past, t as usize)));
        for (whole, step) in whole.iter().zip(&step) {
            assert!(distance(&whole.narrow(1, t, 1), step) < 1e-5, "env step {t}");
        }
    }
}

#[test]
fn the_future_cannot_matter() {
    let forecaster = forecaster(1);
    let (one, other) = (inputs(2, 2), inputs(2, 3));
    other.narrow(1, 0, 3).copy_(&one.narrow(1, 0, 3));
    let [one, other] = [one, other].map(|inputs| all(&forecaster.forward(&inputs)));
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(to_vec(&one.narrow(1, 0, 3)), to_vec(&other.narrow(1, 0, 3)));
        assert!(distance(&one.narrow(1, 3, 1), &other.narrow(1, 3, 1)) > 0.0);
    }
}

#[test]
fn gradients_reach_every_weight() {
    let forecaster = forecaster(1);
    let gradient = forecaster.weights().gradient(&forecaster.loss(&examples(6)));
    let mut rest = &to_vec(&gradient)[..];
    for (name, shape) in forecaster.weights().shapes() {
        let (part, after) = rest.split_at(shape.iter().product());
        rest = after;
        // Softmax over keys leaves their bias without effect.
        assert!(name.ends_with("key.bias") || part.iter().any(|x| *x != 0.0), "{name}");
    }
}

#[test]
fn a_trajectory_gives_its_changes_and_a_diverged_one_no_change_for_its_last_env_step() {
    let examples = examples(3);
    assert_eq!((examples.size(), examples.steps()), (3, 6 + 6 + 2));
    let sums = |tensor: &Tensor| to_vec(&tensor.sum_dim_intlist(-1, false, Kind::Float));
    assert_eq!(sums(&examples.ended), [6.0, 6.0, 2.0]);
    // Without a decision nobody knows what was in force when it diverged.
    assert_eq!(sums(&examples.diverged), [0.0, 0.0, 0.0]);
    let first = &trajectories(1)[0];
    let accuracy = &problem().metrics[0];
    let change = 10.0 * (accuracy.seen(first.steps[1].metrics[0]) - accuracy.seen(first.steps[0].metrics[0]));
    assert!((examples.changes.double_value(&[0, 0, 0]) - change).abs() < 1e-5);
    assert_eq!(examples.changes.size(), [3, 6, 2], "the metric that no policy sees is not forecast");
}

#[test]
fn the_likelihood_is_that_of_a_slow_loop() {
    let (forecaster, examples) = (forecaster(4), examples(2));
    let density = no_grad(|| forecaster.forward(&examples.inputs));
    let fast = density.log_likelihood(&examples.changes);
    for b in 0..2 {
        for t in 0..6 {
            let component = |k: i64| {
                let normal = |m: i64| {
                    let at = |tensor: &Tensor| tensor.double_value(&[b, t, k, m]);
                    let deviation = at(&density.log_deviations).exp();
                    let distance = (examples.changes.double_value(&[b, t, m]) - at(&density.means)) / deviation;
                    (-distance * distance / 2.0).exp() / (deviation * (2.0 * std::f64::consts::PI).sqrt())
                };
                density.log_shares.double_value(&[b, t, k]).exp() * normal(0) * normal(1)
            };
            let slow = (0..3).map(component).sum::<f64>().ln();
            assert!((fast.double_value(&[b, t]) - slow).abs() < 1e-3, "{slow}");
        }
    }
}
