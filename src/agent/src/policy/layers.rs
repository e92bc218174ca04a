//! Layers of a Transformer, one position at a time, on the CPU in f32.
//!
//! Notation: D width, F inner width, H heads, t positions seen before.
//! Keys and values of earlier positions are kept, so that a decision reads the past but never computes it again.
//! Plain loops along rows, not a tensor library: candle 0.11 reads /proc/cpuinfo at every matrix product unless
//! RAYON_NUM_THREADS is set, which costs more than all the arithmetic here; with it set, it is 1.4 to 3 times slower.

use std::collections::HashMap;

const EPSILON: f32 = 1e-5;

/// Keys and values of the positions seen: t rows of (D) each, the heads side by side.
#[derive(Clone, Debug, Default)]
pub(super) struct Cache {
    keys: Vec<f32>,
    values: Vec<f32>,
}

/// Weights by name that have not found their place yet, row by row.
pub(super) type Weights = HashMap<String, Vec<f32>>;

/// Both parts of a layer, which `artifact::read` has seen to be there.
fn take(weights: &mut Weights, layer: &str) -> [Vec<f32>; 2] {
    ["weight", "bias"].map(|part| weights.remove(&format!("{layer}.{part}")).unwrap_or_default())
}

/// y = x Wᵀ + b.
#[derive(Debug)]
pub(super) struct Linear {
    /// (in, out): transposed, so that the inner loop runs along a row and needs no sum.
    weight: Vec<f32>,
    /// (out).
    bias: Vec<f32>,
}

impl Linear {
    pub(super) fn new(name: &str, weights: &mut Weights) -> Self {
        let [weight, bias] = take(weights, name); // (out, in) and (out)
        let (output, input) = (bias.len(), weight.len() / bias.len());
        let transposed = (0..input * output).map(|n| weight[n % output * input + n / output]).collect();
        Self { weight: transposed, bias }
    }

    /// (in) -> (out).
    pub(super) fn forward(&self, x: &[f32]) -> Vec<f32> {
        let mut y = self.bias.clone();
        for (x, row) in x.iter().zip(self.weight.chunks_exact(y.len())) {
            add_scaled(&mut y, *x, row);
        }
        y
    }
}

/// Layer normalisation (Ba et al. 2016).
#[derive(Debug)]
pub(super) struct Norm {
    /// (D).
    weight: Vec<f32>,
    /// (D).
    bias: Vec<f32>,
}

impl Norm {
    pub(super) fn new(name: &str, weights: &mut Weights) -> Self {
        let [weight, bias] = take(weights, name);
        Self { weight, bias }
    }

    /// (D) -> (D).
    pub(super) fn forward(&self, x: &[f32]) -> Vec<f32> {
        let mean = x.iter().sum::<f32>() / x.len() as f32;
        let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / x.len() as f32;
        let scale = 1.0 / (variance + EPSILON).sqrt();
        x.iter()
            .zip(&self.weight)
            .zip(&self.bias)
            .map(|((x, weight), bias)| (x - mean) * scale * weight + bias)
            .collect()
    }
}

/// A pre-norm decoder block.
#[derive(Debug)]
pub(super) struct Block {
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
    pub(super) fn new(name: &str, weights: &mut Weights) -> Self {
        let part = |part: &str| format!("{name}.{part}");
        Self {
            attention_norm: Norm::new(&part("attention_norm"), weights),
            query: Linear::new(&part("query"), weights),
            key: Linear::new(&part("key"), weights),
            value: Linear::new(&part("value"), weights),
            output: Linear::new(&part("output"), weights),
            feed_forward_norm: Norm::new(&part("feed_forward_norm"), weights),
            up: Linear::new(&part("up"), weights),
            down: Linear::new(&part("down"), weights),
        }
    }

    /// (D) -> (D), for the position after those in the cache, which sees those from `first` on.
    pub(super) fn forward(&self, x: &mut [f32], cache: &mut Cache, heads: usize, first: usize) {
        add(x, &self.attend(&self.attention_norm.forward(x), cache, heads, first));
        let mut inner = self.up.forward(&self.feed_forward_norm.forward(x)); // (F)
        // NaN stays NaN, which `max` would hide.
        inner.iter_mut().filter(|x| **x < 0.0).for_each(|x| *x = 0.0);
        add(x, &self.down.forward(&inner));
    }

    fn attend(&self, x: &[f32], cache: &mut Cache, heads: usize, first: usize) -> Vec<f32> {
        cache.keys.extend(self.key.forward(x));
        cache.values.extend(self.value.forward(x));
        let query = self.query.forward(x);
        let (width, head) = (query.len(), query.len() / heads);
        let (keys, values) = (&cache.keys[first * width..], &cache.values[first * width..]);
        let mut mixed = vec![0.0; width]; // (H D/H)
        for (mixed, place) in mixed.chunks_exact_mut(head).zip((0..width).step_by(head)) {
            let of_head = place..place + head;
            let query = &query[of_head.clone()];
            let scores = keys.chunks_exact(width).map(|key| dot(query, &key[of_head.clone()]));
            let weights = softmax(scores.map(|score| score / (head as f32).sqrt()).collect()); // (t + 1 − first)
            for (weight, value) in weights.iter().zip(values.chunks_exact(width)) {
                add_scaled(mixed, *weight, &value[of_head.clone()]);
            }
        }
        self.output.forward(&mixed)
    }
}

/// Sinusoidal position (Vaswani et al. 2017, §3.5): sine at even places, cosine at odd ones; (D).
pub(super) fn position(t: usize, width: usize) -> Vec<f32> {
    let angle = |i: usize| t as f64 / 10_000_f64.powf((i - i % 2) as f64 / width as f64);
    (0..width).map(|i| if i.is_multiple_of(2) { angle(i).sin() } else { angle(i).cos() } as f32).collect()
}

pub(super) fn add(y: &mut [f32], x: &[f32]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += x);
}

fn add_scaled(y: &mut [f32], scale: f32, x: &[f32]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += scale * x);
}

/// Sums in eight lanes, which the compiler can keep in vector registers; one running sum it must not split.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut lanes = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        lanes.iter_mut().zip(a).zip(b).for_each(|((lane, a), b)| *lane += a * b);
    }
    lanes.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

fn softmax(mut scores: Vec<f32>) -> Vec<f32> {
    let top = top(&scores);
    scores.iter_mut().for_each(|x| *x = (*x - top).exp());
    let total: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|x| *x /= total);
    scores
}

pub(super) fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let top = top(logits);
    let total = logits.iter().map(|x| (x - top).exp()).sum::<f32>().ln();
    logits.iter().map(|x| x - top - total).collect()
}

/// The highest number. It steps over NaN, which the sums after it do not.
fn top(numbers: &[f32]) -> f32 {
    numbers.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}
