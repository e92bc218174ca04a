#![allow(clippy::unwrap_used)]

use tch::{Device, Kind, Tensor, no_grad};

use super::examples::Examples;
use super::fixtures::*;
use super::*;
use crate::nets::to_vec;

fn model(output: Output) -> WorldModel {
    WorldModel::new(problem(), &settings(output), 1, Device::Cpu).unwrap()
}

fn examples(model: &WorldModel, trajectories: &[Trajectory]) -> Examples {
    let all: Vec<&Trajectory> = trajectories.iter().collect();
    Examples::new(&problem(), model.code(), &all, Device::Cpu).unwrap()
}

/// `n` rows for each member, the first `n` trajectories.
fn rows(model: &WorldModel, trajectories: &[Trajectory]) -> Examples {
    let n = trajectories.len() as i64;
    let rows: Vec<i64> = (0..model.members()).flat_map(|_| 0..n).collect();
    examples(model, trajectories).rows(&rows)
}

#[test]
fn gradients_reach_every_weight() {
    for output in outputs() {
        let mut model = model(output.clone());
        let examples = rows(&model, &trajectories(6));
        model.forecaster.prepare(&examples);
        let weights = model.forecaster.weights();
        let gradient = weights.gradient(&model.forecaster.losses(&examples, 0.0).sum(Kind::Float));
        let mut rest = &to_vec(&gradient)[..];
        for (name, shape) in weights.shapes() {
            let (part, after) = rest.split_at(shape.iter().product());
            rest = after;
            // Softmax over keys leaves their bias without effect.
            assert!(name.ends_with("key.bias") || part.iter().any(|x| *x != 0.0), "{name} of {output:?}");
        }
    }
}

#[test]
fn a_members_loss_depends_on_its_own_weights_and_rows_alone() {
    for output in outputs() {
        let model = model(output.clone());
        let examples = rows(&model, &trajectories(4));
        let both = to_vec(&no_grad(|| model.forecaster.losses(&examples, 0.0)));
        assert_ne!(both[0], both[1], "members of {output:?} start from other weights");
        let others: Vec<i64> = (0..4).chain([3, 3, 2, 2]).collect();
        let changed = to_vec(&no_grad(|| model.forecaster.losses(&examples.rows(&others), 0.0)));
        assert!((both[0] - changed[0]).abs() < 1e-5 && (both[1] - changed[1]).abs() > 1e-4, "{output:?}");
    }
}

#[test]
fn training_overfits_a_few_trajectories_and_keeps_going_from_where_it_was() {
    for output in outputs() {
        let few = trajectories(4);
        let settings = WorldModelSettings {
            held_out: 0.0,
            dropout: 0.0,
            weight_decay: 0.0,
            learning_rate: 5e-3,
            warm_up: 10,
            first_optimizer_steps: 150,
            optimizer_steps: 50,
            ..settings(output.clone())
        };
        let mut model = WorldModel::new(problem(), &settings, 1, Device::Cpu).unwrap();
        let examples = rows(&model, &few);
        let before = to_vec(&no_grad(|| model.forecaster.losses(&examples, 0.0)))[0];
        let (first, second) = (model.fit(&few).unwrap(), model.fit(&few).unwrap());
        assert!(first.loss < f64::from(before) - 0.5, "{output:?}: {before}, then {first:?}");
        assert!(second.loss < first.loss + 0.5, "{output:?}: {first:?}, then {second:?}");
    }
}

#[test]
fn simulated_trainings_follow_from_seed_and_orders_whatever_is_beside_them() {
    use crate::env::{Env, Order};
    for output in outputs() {
        let mut model = model(output.clone());
        let known = trajectories(6);
        model.forecaster.prepare(&rows(&model, &known));
        let starts: Vec<&Trajectory> = known.iter().collect();
        let draws: Vec<tuning::Draw> =
            (0..9).map(|seed| tuning::Draw { seed, task: None, initial: vec![0.1] }).collect();
        let run = |draws: &[tuning::Draw]| {
            let mut simulation = Simulation::new(&model, &starts);
            let mut metrics = vec![simulation.reset(draws)];
            for _ in 0..6 {
                let running: Vec<usize> = (0..draws.len()).collect();
                let orders = vec![Order { actions: vec![2], hyperparameters: vec![0.2] }; draws.len()];
                // Some diverge: what is left of them is of no interest.
                let next = simulation.step(&running, &orders);
                metrics.push(next.into_iter().map(Option::unwrap_or_default).collect());
            }
            metrics
        };
        let (together, alone) = (run(&draws), run(&draws[4..5]));
        for (t, (together, alone)) in together.iter().zip(&alone).enumerate() {
            for (a, b) in together[4].iter().zip(&alone[0]) {
                assert!((a - b).abs() < 1e-3, "{output:?} at env step {t}: {a} and {b}");
            }
            assert!(together.iter().flatten().all(|x| (0.0..=1.0).contains(x)), "{output:?}");
        }
        assert_ne!(together[1][4], together[1][5], "{output:?}");
    }
}

#[test]
fn a_published_version_brings_everything_back() {
    for output in outputs() {
        let settings = WorldModelSettings { first_optimizer_steps: 5, ..settings(output) };
        let mut model = WorldModel::new(problem(), &settings, 1, Device::Cpu).unwrap();
        model.fit(&trajectories(8)).unwrap();
        let bytes = model.publish(&trained());
        let mut other = WorldModel::new(problem(), &settings, 2, Device::Cpu).unwrap();
        assert_eq!(other.take(&bytes).unwrap(), trained());
        let examples = rows(&model, &trajectories(3));
        let losses = |model: &WorldModel| to_vec(&no_grad(|| model.forecaster.losses(&examples, 0.0)));
        assert_eq!((losses(&model), model.fits()), (losses(&other), 1));
        assert_eq!(other.publish(&trained()), bytes);
    }
}

fn trained() -> Trained {
    let (fit, scores, refusal) = (None, None, None);
    Trained { uid: "uid".to_owned(), repetition: 0, epoch: 1, fit, refusal, scores, seconds: 1.5 }
}

#[test]
fn a_version_with_a_number_that_is_not_finite_or_of_another_network_is_refused() {
    let model = model(outputs().remove(0));
    assert_eq!(Trained::of(&model.publish(&trained())).unwrap(), trained());
    let _ = no_grad(|| model.forecaster.weights().flat().narrow(0, 3, 1).fill_(f64::NAN));
    assert!(Trained::of(&model.publish(&trained())).unwrap_err().to_string().contains("finite"));
    let other = settings(outputs().remove(2));
    let mut other = WorldModel::new(problem(), &other, 1, Device::Cpu).unwrap();
    let fresh = self::model(outputs().remove(0)).publish(&trained());
    assert!(other.take(&fresh).unwrap_err().to_string().contains("world model"));
}

#[test]
fn a_training_that_was_stopped_at_any_look_comes_to_the_same_weights() {
    let settings = WorldModelSettings {
        first_optimizer_steps: 120,
        patience: None,
        // Tests beside this one would draw from the same generator.
        dropout: 0.0,
        ..settings(outputs().remove(0))
    };
    let (all, initial) = (trajectories(12), trajectories(9));
    let known = Known { initial: &initial, initial_share: Some(0.5), own: &all };
    let mut saved = Vec::new();
    let mut whole = WorldModel::new(problem(), &settings, 1, Device::Cpu).unwrap();
    let fit = whole.fit_watched(known, None, &mut |moment| saved.push((moment.save)())).unwrap();
    assert_eq!(saved.len(), 4);
    for bytes in saved {
        let mut looks = 0;
        let mut resumed = WorldModel::new(problem(), &settings, 1, Device::Cpu).unwrap();
        let again = resumed.fit_watched(known, Some(&bytes), &mut |_| looks += 1).unwrap();
        assert_eq!((again, looks < 4), (fit.clone(), true));
        assert!(resumed.publish(&trained()) == whole.publish(&trained()), "the weights differ");
    }
    let mut other = WorldModel::new(problem(), &settings, 1, Device::Cpu).unwrap();
    let mut looks = 0;
    other.fit_watched(Known::from(&all), Some(b"damaged"), &mut |_| looks += 1).unwrap();
    assert_eq!(looks, 4, "what can't be gone on from is not");
}

#[test]
fn initial_trajectories_are_drawn_as_often_as_they_are_told_to_be() {
    let settings = WorldModelSettings { held_out: 0.0, ..settings(outputs().remove(0)) };
    let model = WorldModel::new(problem(), &settings, 1, Device::Cpu).unwrap();
    let (all, initial) = (trajectories(6), trajectories(3));
    let count = |share| {
        let lesson = model.lesson(Known { initial: &initial, initial_share: share, own: &all }).unwrap();
        let mut batches = batches::Batches::new(&lesson, 0);
        let rows: Vec<i64> = (0..300).flat_map(|_| batches.next(3)).collect();
        rows.iter().filter(|row| **row < 3).count() as f64 / 900.0
    };
    assert!((count(Some(0.9)) - 0.9).abs() < 0.04 && (count(None) - 1.0 / 3.0).abs() < 1e-9);
}

#[test]
fn a_simulation_that_leaves_a_real_training_later_knows_what_came_before() {
    use crate::env::{Env, Order};
    for output in outputs() {
        let mut model = model(output.clone());
        let known = trajectories(6);
        model.forecaster.prepare(&rows(&model, &known));
        // A fresh network says the same of everything.
        let _ = no_grad(|| model.forecaster.weights().get("output.weight").g_mul_scalar_(100.0));
        let whole: Vec<&Trajectory> = known.iter().filter(|t| t.steps.len() == 7).collect();
        let draws: Vec<tuning::Draw> =
            (0..4).map(|n| tuning::Draw { seed: n as u32, task: Some(n), initial: vec![0.1] }).collect();
        let order = Order { actions: vec![2], hyperparameters: vec![0.2] };
        let next = |starts: &[&Trajectory]| {
            let mut simulation = Simulation::new(&model, starts).from(4);
            let first = simulation.reset(&draws);
            let next = simulation.step(&[0, 1, 2, 3], &vec![order.clone(); 4]);
            (first, next.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>())
        };
        let (first, then) = next(&whole);
        for (training, metrics) in first.iter().enumerate() {
            let recorded = &whole[training].steps[4].metrics;
            assert_eq!([metrics[0], metrics[2]], [recorded[0], recorded[2]], "{output:?}");
        }
        let mut other: Vec<Trajectory> = whole.iter().map(|t| (*t).clone()).collect();
        other.iter_mut().for_each(|t| t.steps[2].metrics = vec![0.5; 3]);
        let (same, otherwise) = next(&other.iter().collect::<Vec<_>>());
        assert_eq!(first, same);
        // The same bucket or symbol may well be drawn.
        let coarse = !matches!(output, Output::Residual { .. });
        assert!(coarse || then != otherwise, "what came before matters: {output:?}");
    }
}

#[test]
fn where_all_members_forecast_the_one_that_draws_does_as_if_alone_and_they_disagree() {
    use crate::env::{Env, Order};
    let model = model(outputs().remove(0));
    let known = trajectories(2);
    let starts: Vec<&Trajectory> = known.iter().collect();
    let draws: Vec<tuning::Draw> =
        (0..5).map(|seed| tuning::Draw { seed, task: Some(0), initial: vec![0.1] }).collect();
    let run = |mut simulation: Simulation<'_>| {
        simulation.reset(&draws);
        let mut metrics = Vec::new();
        for _ in 0..6 {
            let orders = vec![Order { actions: vec![0], hyperparameters: vec![0.05] }; 5];
            metrics.extend(simulation.step(&[0, 1, 2, 3, 4], &orders).into_iter().map(Option::unwrap_or_default));
        }
        (metrics, simulation.disagreements().to_vec())
    };
    let (alone, none) = run(Simulation::new(&model, &starts));
    let (together, disagreements) = run(Simulation::new(&model, &starts).by_all());
    assert!(none.is_empty());
    for (a, b) in alone.iter().flatten().zip(together.iter().flatten()) {
        assert!((a - b).abs() < 1e-4, "{a} and {b}");
    }
    assert_eq!(disagreements.len(), 5);
    assert!(disagreements.iter().all(|steps| steps.len() == 6 && steps.iter().all(|x| (0.0..0.5).contains(x))));
    assert!(disagreements.iter().flatten().any(|x| *x > 1e-6));
}

#[test]
fn what_is_held_out_stays_so_and_is_never_nothing() {
    let model = model(outputs().remove(0));
    let few = trajectories(3);
    let (training, held_out) = model.split(&few);
    assert_eq!((training.len(), held_out.len()), (2, 1));
    let mut more = few.clone();
    more.extend(trajectories(16).into_iter().map(|mut trajectory| {
        trajectory.key.epoch = 2;
        trajectory
    }));
    let (_, later) = model.split(&more);
    assert!(held_out.iter().all(|kept| later.iter().any(|trajectory| trajectory.key == kept.key)));
    assert_eq!(later.len(), 1 + 2);
}

#[test]
fn a_trajectory_gives_its_changes_and_a_diverged_one_no_change_for_its_last_env_step() {
    let model = model(outputs().pop().unwrap());
    let examples = examples(&model, &trajectories(3));
    assert_eq!((examples.size(), examples.steps()), (3, 6 + 6 + 3));
    let sums = |tensor: &Tensor| to_vec(&tensor.sum_dim_intlist([-1_i64].as_slice(), false, Kind::Float));
    assert_eq!(sums(&examples.ended), [6.0, 6.0, 2.0]);
    assert_eq!(sums(&examples.diverged), [0.0, 0.0, 1.0]);
    let first = &trajectories(1)[0];
    let accuracy = &problem().metrics[0];
    let change = 10.0 * (accuracy.seen(first.steps[1].metrics[0]) - accuracy.seen(first.steps[0].metrics[0]));
    assert!((examples.changes.double_value(&[0, 0, 0]) - change).abs() < 1e-5);
    assert_eq!(examples.changes.size(), [3, 6, 2], "the metric that no policy sees is not forecast");
    // Two metrics and one hyperparameter of two symbols, and an action; six times, and the last observation.
    assert_eq!(examples.symbols.size(), [3, 6 * 7 + 6]);
}
