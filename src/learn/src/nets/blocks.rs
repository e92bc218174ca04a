//! Layers of a causal Transformer. Notation: B batch, T time, H heads, D width, F inner width.

use tch::{Device, Tensor};

use super::Weights;

/// y = x Wᵀ + b.
#[derive(Debug)]
pub(crate) struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    pub(crate) fn new(weights: &Weights, name: &str) -> Self {
        Self { weight: weights.get(&format!("{name}.weight")), bias: weights.get(&format!("{name}.bias")) }
    }

    /// (…, in) -> (…, out).
    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, Some(&self.bias))
    }
}

/// Layer normalisation (Ba et al. 2016) over the last dimension.
#[derive(Debug)]
pub(crate) struct Norm {
    weight: Tensor,
    bias: Tensor,
}

const EPSILON: f64 = 1e-5;

impl Norm {
    pub(crate) fn new(weights: &Weights, name: &str) -> Self {
        Self { weight: weights.get(&format!("{name}.weight")), bias: weights.get(&format!("{name}.bias")) }
    }

    /// (…, D) -> (…, D).
    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), EPSILON, false)
    }
}

/// A pre-norm decoder block: causal self-attention, then two linear layers with a ReLU between them.
#[derive(Debug)]
pub(crate) struct Block {
    heads: i64,
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
    pub(crate) fn new(weights: &Weights, name: &str, heads: usize) -> Self {
        let linear = |part: &str| Linear::new(weights, &format!("{name}.{part}"));
        let norm = |part: &str| Norm::new(weights, &format!("{name}.{part}"));
        Self {
            heads: heads as i64,
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

    /// (B, T, D) -> (B, T, D); position t depends on 0 ..= t only (test: `the_future_cannot_matter`).
    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        self.with(x, None)
    }

    /// The next position after those in `past`, which is added to them; (B, 1, D) -> (B, 1, D).
    pub(crate) fn step(&self, x: &Tensor, past: &mut Past) -> Tensor {
        self.with(x, Some(past))
    }

    fn with(&self, x: &Tensor, past: Option<&mut Past>) -> Tensor {
        let x = x + self.attend(&self.attention_norm.forward(x), past);
        let inner = self.up.forward(&self.feed_forward_norm.forward(&x)).relu(); // (B, T, F)
        x + self.down.forward(&inner)
    }

    fn attend(&self, x: &Tensor, past: Option<&mut Past>) -> Tensor {
        let (b, t, d) = x.size3().expect("x is (B, T, D)");
        let split = |x: Tensor| x.view([b, t, self.heads, d / self.heads]).transpose(1, 2); // (B, H, T, D/H)
        let (query, key) = (split(self.query.forward(x)), split(self.key.forward(x)));
        let value = split(self.value.forward(x));
        // A single query may see all there is.
        let causal = past.is_none();
        let [key, value] = past.map_or([key.shallow_clone(), value.shallow_clone()], |past| past.extend(key, value));
        let mixed =
            Tensor::scaled_dot_product_attention(&query, &key, &value, None::<&Tensor>, 0.0, causal, None, false);
        self.output.forward(&mixed.transpose(1, 2).reshape([b, t, d])) // (B, H, T, D/H) -> (B, T, D)
    }
}

/// Keys and values of the positions that a block has seen; (B, H, t, D/H) each, once there are any.
#[derive(Debug, Default)]
pub(crate) struct Past {
    seen: Option<[Tensor; 2]>,
}

impl Past {
    /// Adds those of the next position; gives all.
    fn extend(&mut self, key: Tensor, value: Tensor) -> [Tensor; 2] {
        let all = match self.seen.take() {
            None => [key, value],
            Some([keys, values]) => [Tensor::cat(&[keys, key], 2), Tensor::cat(&[values, value], 2)],
        };
        self.seen.insert(all).each_ref().map(Tensor::shallow_clone)
    }
}

/// Sinusoidal positions (Vaswani et al. 2017, §3.5): sine at even places, cosine at odd ones; (T, D).
pub(crate) fn positions(length: usize, width: usize, device: Device) -> Tensor {
    let angle = |t: usize, i: usize| t as f64 / 10_000_f64.powf((i - i % 2) as f64 / width as f64);
    let place = |t: usize, i: usize| if i.is_multiple_of(2) { angle(t, i).sin() } else { angle(t, i).cos() };
    let table: Vec<f32> = (0..length * width).map(|n| place(n / width, n % width) as f32).collect();
    Tensor::from_slice(&table).view([length as i64, width as i64]).to_device(device)
}
