//! The network of `wire::artifact::Continuous` once more, in f64, slowly and without any memory: what the fast one
//! must agree with.

use std::collections::HashMap;

use tuning::{Observer, Problem};
use wire::artifact::{Continuous, Tensor};

type Vector = Vec<f64>;

/// Weights by name.
pub struct Oracle {
    shape: Continuous,
    weights: HashMap<String, Vector>,
}

impl Oracle {
    pub fn new(shape: Continuous, weights: &[Tensor]) -> Self {
        let double = |(name, _, x): &Tensor| (name.clone(), x.iter().map(|x| f64::from(*x)).collect());
        Self { shape, weights: weights.iter().map(double).collect() }
    }

    /// Log-probabilities and value at the last of these observations (metrics, hyperparameters).
    pub fn last(&self, problem: &Problem, history: &[(Vector, Vector)]) -> (Vec<Vector>, f64) {
        let mut observer = Observer::new(problem, self.shape.inputs);
        let observed = history
            .iter()
            .map(|(m, h)| observer.observe(m, h).into_iter().map(|x| 10.0 * (f64::from(x) - 0.5)).collect::<Vector>());
        let mut xs: Vec<Vector> =
            observed.enumerate().map(|(t, o)| add(&self.linear("input", &o), &self.position(t))).collect();
        for block in 0..self.shape.layers {
            xs = self.block(&format!("block{block}"), &xs);
        }
        let x = self.norm("norm", &xs[xs.len() - 1]);
        let logits = self.linear("actions", &x);
        let rows = logits.chunks(problem.multipliers.len()).map(|row| {
            let total = row.iter().map(|x| x.exp()).sum::<f64>().ln();
            row.iter().map(|x| x - total).collect()
        });
        (rows.collect(), self.linear("value", &x)[0])
    }

    fn block(&self, name: &str, xs: &[Vector]) -> Vec<Vector> {
        let part = |part: &str| format!("{name}.{part}");
        let normed: Vec<_> = xs.iter().map(|x| self.norm(&part("attention_norm"), x)).collect();
        let [queries, keys, values] =
            ["query", "key", "value"].map(|n| normed.iter().map(|x| self.linear(&part(n), x)).collect::<Vec<_>>());
        let width = self.shape.d_model / self.shape.heads;
        let attend = |t: usize| {
            let head = |h: usize| {
                let of = |x: &Vector| x[h * width..(h + 1) * width].to_vec();
                let scores = keys[..=t].iter().map(|k| dot(&of(&queries[t]), &of(k)) / (width as f64).sqrt());
                let scores: Vector = scores.map(f64::exp).collect();
                let total: f64 = scores.iter().sum();
                let weighted = scores.iter().zip(&values).map(|(s, v)| of(v).iter().map(|x| x * s / total).collect());
                weighted.fold(vec![0.0; width], |a, b: Vector| add(&a, &b))
            };
            self.linear(&part("output"), &(0..self.shape.heads).flat_map(head).collect())
        };
        let after = |t: usize| {
            let x = add(&xs[t], &attend(t));
            let up = self.linear(&part("up"), &self.norm(&part("feed_forward_norm"), &x));
            add(&x, &self.linear(&part("down"), &up.into_iter().map(|x| x.max(0.0)).collect()))
        };
        (0..xs.len()).map(after).collect()
    }

    fn linear(&self, name: &str, x: &Vector) -> Vector {
        let weight = self.weights[&format!("{name}.weight")].chunks(x.len()).map(|row| dot(row, x)).collect();
        add(&weight, &self.weights[&format!("{name}.bias")])
    }

    fn norm(&self, name: &str, x: &Vector) -> Vector {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
        let scaled = x.iter().zip(&self.weights[&format!("{name}.weight")]);
        let scaled = scaled.map(|(x, w)| (x - mean) / (variance + 1e-5).sqrt() * w).collect();
        add(&scaled, &self.weights[&format!("{name}.bias")])
    }

    fn position(&self, t: usize) -> Vector {
        let d = self.shape.d_model;
        let angle = |i: usize| t as f64 / 1e4_f64.powf(2.0 * (i / 2) as f64 / d as f64);
        (0..d).map(|i| if i % 2 == 0 { angle(i).sin() } else { angle(i).cos() }).collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(a: &Vector, b: &Vector) -> Vector {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}
