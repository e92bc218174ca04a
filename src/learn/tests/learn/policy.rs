//! The oracle here is a second Transformer in plain double precision, written from the documentation of
//! `wire::artifact::Continuous`: whoever reads our weights has to compute the same.

use std::collections::HashMap;

use learn::nets::ContinuousPolicy;
use proptest::prelude::*;
use tch::{Device, IndexOp, Kind, Tensor};
use tuning::{Inputs, Problem, Random};
use wire::artifact::Continuous;

use crate::common::small_problem;

const SHAPE: Continuous = Continuous { inputs: Inputs::ALL, d_model: 12, d_ff: 20, layers: 2, heads: 3 };

fn policy(problem: &Problem, seed: u64) -> ContinuousPolicy {
    ContinuousPolicy::new(problem, &SHAPE, 1.0, seed, Device::Cpu)
}

/// Observations (B, T, I) in [−1, 1].
fn observations(b: i64, t: i64, seed: u64) -> Tensor {
    let width = SHAPE.inputs.width(&small_problem()) as i64;
    let mut random = Random::stream(seed, &[]);
    let values: Vec<f32> = (0..b * t * width).map(|_| (2.0 * random.uniform() - 1.0) as f32).collect();
    Tensor::from_slice(&values).view([b, t, width])
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.detach().reshape([-1])).unwrap()
}

/// Moves every weight away from its special first value (0, 1), so that each of them shows.
fn shaken(problem: &Problem) -> ContinuousPolicy {
    let mut policy = policy(problem, 5);
    let mut random = Random::stream(9, &[]);
    let weights = numbers(&policy.weights().flat());
    let moved: Vec<f32> = weights.iter().map(|w| w + (random.uniform() - 0.5) as f32).collect();
    policy.weights_mut().set(&Tensor::from_slice(&moved));
    policy
}

#[test]
fn names_and_shapes_are_those_of_the_artifact() {
    let problem = small_problem();
    let policy = policy(&problem, 1);
    let exported: Vec<_> = policy.weights().export().into_iter().map(|(name, shape, _)| (name, shape)).collect();
    assert_eq!(exported, SHAPE.tensors(&problem));
    assert!(policy.weights().export().iter().all(|(_, shape, values)| values.len() == shape.iter().product::<usize>()));
}

#[test]
fn a_fresh_policy_is_near_uniform_and_expects_little() {
    let outputs = policy(&small_problem(), 1).forward(&observations(8, 4, 2));
    assert_eq!((outputs.log_probabilities.size(), outputs.values.size()), (vec![8, 4, 2, 3], vec![8, 4]));
    assert!(numbers(&outputs.log_probabilities).iter().all(|x| (x.exp() - 1.0 / 3.0).abs() < 0.02));
    assert!(numbers(&outputs.values).iter().all(|x| x.abs() < 0.5));
}

#[test]
fn the_first_weights_depend_on_the_seed_alone() {
    let problem = small_problem();
    tch::manual_seed(1);
    let first = policy(&problem, 7).weights().export();
    tch::manual_seed(2);
    let _ = Tensor::randn([10], (Kind::Float, Device::Cpu));
    assert_eq!(policy(&problem, 7).weights().export(), first);
    assert_ne!(policy(&problem, 8).weights().export(), first);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_future_cannot_matter(now in 0_i64..4, seed in 0_u64..1000) {
        let policy = shaken(&small_problem());
        let seen = observations(3, 4, seed);
        let changed = seen.copy();
        changed.i((.., now + 1.., ..)).copy_(&observations(3, 4, seed + 1).i((.., now + 1.., ..)));
        let (a, b) = (policy.forward(&seen), policy.forward(&changed));
        let until = |x: &Tensor| numbers(&x.i((.., ..=now)));
        prop_assert_eq!(until(&a.log_probabilities), until(&b.log_probabilities));
        prop_assert_eq!(until(&a.values), until(&b.values));
        if now < 3 {
            prop_assert_ne!(numbers(&a.values.i((.., 3))), numbers(&b.values.i((.., 3))));
        }
    }
}

#[test]
fn each_observation_matters_from_then_on() {
    let policy = shaken(&small_problem());
    let seen = observations(1, 4, 1);
    let changed = seen.copy();
    let _ = changed.i((.., 1, ..)).fill_(0.5);
    let (a, b) = (numbers(&policy.forward(&seen).values), numbers(&policy.forward(&changed).values));
    let differs: Vec<bool> = a.iter().zip(&b).map(|(a, b)| a != b).collect();
    assert_eq!(differs, [false, true, true, true]);
}

#[test]
fn it_computes_what_is_documented() {
    let problem = small_problem();
    let policy = shaken(&problem);
    let seen = observations(1, 4, 3);
    let outputs = policy.forward(&seen);
    let width = SHAPE.inputs.width(&problem);
    let rows: Vec<Vec<f64>> =
        numbers(&seen).chunks(width).map(|row| row.iter().map(|x| f64::from(*x)).collect()).collect();
    let (log_probabilities, values) = Oracle::new(&policy).forward(rows);
    let close = |got: Vec<f32>, expected: Vec<f64>| {
        assert_eq!(got.len(), expected.len());
        let worst = got.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-4, "{got:?} is not {expected:?}");
    };
    close(numbers(&outputs.log_probabilities), log_probabilities);
    close(numbers(&outputs.values), values);
}

type Rows = Vec<Vec<f64>>;

struct Oracle(HashMap<String, Vec<f64>>);

impl Oracle {
    fn new(policy: &ContinuousPolicy) -> Self {
        let weights = policy.weights().export().into_iter();
        Self(weights.map(|(name, _, values)| (name, values.into_iter().map(f64::from).collect())).collect())
    }

    fn forward(&self, observations: Rows) -> (Vec<f64>, Vec<f64>) {
        let stretched = observations.iter().map(|row| row.iter().map(|x| 10.0 * (x - 0.5)).collect()).collect();
        let mut x = self.linear("input", &stretched);
        for (t, row) in x.iter_mut().enumerate() {
            for (i, x) in row.iter_mut().enumerate() {
                let angle = t as f64 / 10_000_f64.powf((i / 2 * 2) as f64 / SHAPE.d_model as f64);
                *x += if i % 2 == 0 { angle.sin() } else { angle.cos() };
            }
        }
        for block in 0..SHAPE.layers {
            let part = |name: &str| format!("block{block}.{name}");
            let mixed = self.attend(block, &self.norm(&part("attention_norm"), &x));
            x = add(&x, &self.linear(&part("output"), &mixed));
            let mut inner = self.linear(&part("up"), &self.norm(&part("feed_forward_norm"), &x));
            inner.iter_mut().flatten().for_each(|x| *x = x.max(0.0));
            x = add(&x, &self.linear(&part("down"), &inner));
        }
        let x = self.norm("norm", &x);
        let logits = self.linear("actions", &x).concat();
        let distributions = logits.chunks(3).flat_map(|logits| {
            let whole = logits.iter().map(|x| x.exp()).sum::<f64>().ln();
            logits.iter().map(move |x| x - whole)
        });
        (distributions.collect(), self.linear("value", &x).concat())
    }

    fn attend(&self, block: usize, x: &Rows) -> Rows {
        let part = |name: &str| self.linear(&format!("block{block}.{name}"), x);
        let (query, key, value) = (part("query"), part("key"), part("value"));
        let size = SHAPE.d_model / SHAPE.heads;
        let mixed = |t: usize, head: usize, i: usize| {
            let dot = |u: usize| (0..size).map(|j| query[t][head * size + j] * key[u][head * size + j]).sum::<f64>();
            let scores: Vec<f64> = (0..=t).map(|u| (dot(u) / (size as f64).sqrt()).exp()).collect();
            let weighted = scores.iter().zip(&value).map(|(score, value)| score * value[head * size + i]);
            weighted.sum::<f64>() / scores.iter().sum::<f64>()
        };
        (0..x.len()).map(|t| (0..SHAPE.d_model).map(|n| mixed(t, n / size, n % size)).collect()).collect()
    }

    fn linear(&self, name: &str, x: &Rows) -> Rows {
        let (weight, bias) = (&self.0[&format!("{name}.weight")], &self.0[&format!("{name}.bias")]);
        let row = |x: &Vec<f64>| {
            let outputs = weight.chunks(x.len()).zip(bias);
            outputs.map(|(w, b)| b + w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>()).collect()
        };
        x.iter().map(row).collect()
    }

    fn norm(&self, name: &str, x: &Rows) -> Rows {
        let (weight, bias) = (&self.0[&format!("{name}.weight")], &self.0[&format!("{name}.bias")]);
        let row = |x: &Vec<f64>| {
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
            let scaled = x.iter().map(|x| (x - mean) / (variance + 1e-5).sqrt());
            scaled.zip(weight.iter().zip(bias)).map(|(x, (w, b))| x * w + b).collect()
        };
        x.iter().map(row).collect()
    }
}

fn add(a: &Rows, b: &Rows) -> Rows {
    a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + b).collect()).collect()
}
