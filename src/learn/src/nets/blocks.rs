//! Layers of a causal Transformer. Notation: N sequences, T time, H heads, D width, F inner width, K members.
//!
//! The layers of an ensemble hold the weights of all members; its sequences come member by member, N = K · B, so that one
//! product serves them all.

use tch::{Device, Kind, Tensor};

use super::Weights;
use super::attention::{Window, attend};
use super::past::Cache;

/// y = x Wᵀ + b.
#[derive(Debug)]
pub(crate) struct Linear {
    /// (out, in), or (K, out, in).
    weight: Tensor,
    /// (out), or (K, out).
    bias: Tensor,
    precision: Kind,
}

impl Linear {
    pub(crate) fn new(weights: &Weights, name: &str) -> Self {
        let [weight, bias] = ["weight", "bias"].map(|part| weights.get(&format!("{name}.{part}")));
        Self { weight, bias, precision: weights.precision() }
    }

    /// (N, …, in) -> (N, …, out).
    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        if self.precision == Kind::Float {
            return apply(x, &self.weight, &self.bias);
        }
        let [x, weight, bias] = [x, &self.weight, &self.bias].map(|tensor| tensor.to_kind(self.precision));
        apply(&x, &weight, &bias).to_kind(Kind::Float)
    }
}

fn apply(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Tensor {
    let (k, out, input) = match weight.size()[..] {
        // An ensemble of one is no different from a network alone.
        [1, _, _] => return x.linear(&weight.squeeze_dim(0), Some(&bias.squeeze_dim(0))),
        [k, out, input] => (k, out, input),
        _ => return x.linear(weight, Some(bias)),
    };
    let mut shape = x.size();
    *shape.last_mut().expect("x has a dimension of inputs") = out;
    let rows = x.reshape([k, -1, input]); // (K, B …, in)
    bias.unsqueeze(1).baddbmm(&rows, &weight.transpose(1, 2), 1.0, 1.0).view(&shape[..])
}

/// Layer normalisation (Ba et al. 2016) over the last dimension.
#[derive(Debug)]
pub(crate) struct Norm {
    /// (D), or (K, D).
    weight: Tensor,
    bias: Tensor,
}

const EPSILON: f64 = 1e-5;

impl Norm {
    pub(crate) fn new(weights: &Weights, name: &str) -> Self {
        Self { weight: weights.get(&format!("{name}.weight")), bias: weights.get(&format!("{name}.bias")) }
    }

    /// (N, …, D) -> (N, …, D).
    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        let (k, d) = match self.weight.size()[..] {
            [k, d] if k > 1 => (k, d),
            _ => {
                let [weight, bias] = [&self.weight, &self.bias].map(|tensor| tensor.view([-1]));
                return x.layer_norm(weight.size(), Some(&weight), Some(&bias), EPSILON, false);
            }
        };
        let rows = x.layer_norm([d], None::<&Tensor>, None::<&Tensor>, EPSILON, false).view([k, -1, d]);
        self.bias.unsqueeze(1).addcmul(&rows, &self.weight.unsqueeze(1)).view(&x.size()[..])
    }
}

/// A pre-norm decoder block: causal self-attention, then two linear layers with a ReLU between them.
#[derive(Debug)]
pub(crate) struct Block {
    heads: i64,
    window: Window,
    attention_norm: Norm,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    feed_forward_norm: Norm,
    up: Linear,
    down: Linear,
}

impl Block {
    pub(crate) fn new(weights: &Weights, name: &str, heads: usize, window: Window) -> Self {
        let linear = |part: &str| Linear::new(weights, &format!("{name}.{part}"));
        let norm = |part: &str| Norm::new(weights, &format!("{name}.{part}"));
        Self {
            heads: heads as i64,
            window,
            attention_norm: norm("attention_norm"),
            query: linear("query"),
            key: linear("key"),
            value: linear("value"),
            output: linear("output"),
            feed_forward_norm: norm("feed_forward_norm"),
            up: linear("up"),
            down: linear("down"),
        }
    }

    /// (N, T, D) -> (N, T, D); position t depends on 0 ..= t only (test: `the_future_cannot_matter`). `dropout` is the
    /// share of what the block adds that is left out, for training.
    pub(crate) fn forward(&self, x: &Tensor, dropout: f64) -> Tensor {
        self.with(x, None, x.size()[1], dropout)
    }

    /// The next T positions after those in `past`, to which they are added; gives the last `wanted` of them,
    /// (N, T, D) -> (N, wanted, D). Of the others only keys and values are computed.
    pub(crate) fn step(&self, x: &Tensor, past: &mut Cache, wanted: i64) -> Tensor {
        self.with(x, Some(past), wanted, 0.0)
    }

    fn with(&self, x: &Tensor, past: Option<&mut Cache>, wanted: i64, dropout: f64) -> Tensor {
        let thin = |x: Tensor| if dropout > 0.0 { x.dropout(dropout, true) } else { x };
        let added = self.attend(&self.attention_norm.forward(x), past, wanted);
        let x = last(x, wanted) + thin(added);
        let inner = self.up.forward(&self.feed_forward_norm.forward(&x)).relu(); // (N, T, F)
        x + thin(self.down.forward(&inner))
    }

    fn attend(&self, x: &Tensor, past: Option<&mut Cache>, wanted: i64) -> Tensor {
        let (n, _, d) = x.size3().expect("x is (N, T, D)");
        let split = |x: Tensor| x.view([n, -1, self.heads, d / self.heads]).transpose(1, 2); // (N, H, T, D/H)
        let (query, key) = (split(self.query.forward(&last(x, wanted))), split(self.key.forward(x)));
        let value = split(self.value.forward(x));
        let mixed = match past {
            None => attend(&query, &key, &value, self.window),
            Some(past) => past.attend(&query, &key, &value, self.window),
        };
        self.output.forward(&mixed.transpose(1, 2).reshape([n, wanted, d])) // (N, H, wanted, D/H) -> (N, wanted, D)
    }
}

/// The last `wanted` positions, (N, T, D) -> (N, wanted, D).
pub(super) fn last(x: &Tensor, wanted: i64) -> Tensor {
    let t = x.size()[1];
    // Cutting nothing off would still cost a copy in the gradient.
    if wanted == t { x.shallow_clone() } else { x.narrow(1, t - wanted, wanted) }
}

/// Sinusoidal positions (Vaswani et al. 2017, §3.5): sine at even places, cosine at odd ones; (T, D).
pub(crate) fn positions(length: usize, width: usize, device: Device) -> Tensor {
    let angle = |t: usize, i: usize| t as f64 / 10_000_f64.powf((i - i % 2) as f64 / width as f64);
    let place = |t: usize, i: usize| if i.is_multiple_of(2) { angle(t, i).sin() } else { angle(t, i).cos() };
    let table: Vec<f32> = (0..length * width).map(|n| place(n / width, n % width) as f32).collect();
    Tensor::from_slice(&table).view([length as i64, width as i64]).to_device(device)
}
