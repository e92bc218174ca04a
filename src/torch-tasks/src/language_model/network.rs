//! A Transformer that reads a text from left to right (Vaswani et al. 2017, the decoder alone), normalised before each part
//! (Xiong et al. 2020). Reference: trax/models/transformer.py, `TransformerLM`, at ce75cb71.
//!
//! Deviations from it: positions are learned instead of sines; queries, keys and values come of one product; weights begin
//! normally distributed. Weights, residuals, normalisation and the loss are in single precision; products and attention in the
//! kind asked for.
//!
//! Notation: B rows, T tokens, D width, H heads, F hidden units, V vocabulary, E = D / H.

use anyhow::{Result, ensure};
use clap::{Args, value_parser};
use serde::{Deserialize, Serialize};
use tch::nn::{Path, VarStore};
use tch::{Device, Kind, Tensor};

use super::dropouts::{Dropouts, OfLayer};
use crate::generator::seeded;

/// Standard deviation of embeddings, positions and the output's weights at the start, as GPT-2's.
const DEVIATION: f64 = 0.02;
const EPSILON: f64 = 1e-5;

/// Size of a network.
#[derive(Args, Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Size {
    /// Layers
    #[arg(long, env = "LM_LAYERS", default_value_t = 6, value_parser = value_parser!(u32).range(1..=1000))]
    pub layers: u32,
    /// Numbers that stand for a token within it
    #[arg(long, env = "LM_WIDTH", default_value_t = 512, value_parser = value_parser!(u32).range(1..))]
    pub width: u32,
    /// Heads of attention
    #[arg(long, env = "LM_HEADS", default_value_t = 8, value_parser = value_parser!(u32).range(1..))]
    pub heads: u32,
    /// Hidden units of the feed-forward part
    #[arg(long, env = "LM_FEED_FORWARD", default_value_t = 2048, value_parser = value_parser!(u32).range(1..))]
    pub feed_forward: u32,
    /// Tokens that it reads at once
    #[arg(long, env = "LM_CONTEXT", default_value_t = 256, value_parser = value_parser!(u32).range(1..))]
    pub context: u32,
    /// The output has the embedding's weights, instead of its own
    #[arg(long, env = "LM_TIED")]
    pub tied: bool,
}

/// A network, and its weights.
pub struct Transformer {
    /// Its weights.
    pub weights: VarStore,
    embedding: Tensor, // (V, D)
    positions: Tensor, // (context, D)
    blocks: Vec<Block>,
    norm: Norm,
    output: Linear,
    kind: Kind,
}

impl Transformer {
    /// A fresh network for so many different tokens; `seed` fixes its weights.
    ///
    /// # Errors
    /// If its width is no multiple of its heads.
    pub fn new(size: Size, vocabulary: usize, seed: u64, device: Device, kind: Kind) -> Result<Self> {
        let Size { width, heads, .. } = size;
        ensure!(width % heads == 0, "--width is {width}, expected a multiple of --heads {heads}");
        let _alone = seeded(seed);
        let weights = VarStore::new(device);
        let root = weights.root();
        let [v, d, context] = [vocabulary as i64, width.into(), size.context.into()];
        let embedding = root.randn("embedding", &[v, d], 0.0, DEVIATION);
        let positions = root.randn("positions", &[context, d], 0.0, DEVIATION);
        let blocks = (0..size.layers).map(|layer| Block::new(&(&root / format!("layer{layer}")), size)).collect();
        let norm = Norm::new(&(&root / "norm"), d);
        let weight = match size.tied {
            true => embedding.shallow_clone(),
            false => root.randn("output", &[v, d], 0.0, DEVIATION),
        };
        let output = Linear { weight, bias: None };
        Ok(Self { weights, embedding, positions, blocks, norm, output, kind })
    }

    /// tokens: (B, T), T at most the context -> logits (B, T, V) of the token after each, in single precision. Where it trains,
    /// with `dropouts`.
    pub fn forward(&self, tokens: &Tensor, dropouts: Option<&Dropouts>) -> Tensor {
        let t = tokens.size()[1];
        let x = Tensor::embedding(&self.embedding, tokens, -1, false, false) + self.positions.narrow(0, 0, t); // (B, T, D)
        let mut x = dropped(x, dropouts.map_or(0.0, Dropouts::embedding));
        for (layer, block) in self.blocks.iter().enumerate() {
            x = block.forward(x, dropouts.map(|dropouts| dropouts.of_layer(layer)), self.kind);
        }
        self.output.forward(&self.norm.forward(&x, self.kind)).to_kind(Kind::Float) // (B, T, V)
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.weights.device()
    }
}

/// Attention, then two linear layers with a ReLU between them, each beside a way around it.
struct Block {
    heads: i64,
    attention_norm: Norm,
    /// To queries, keys and values.
    attention: Linear,
    mixed: Linear,
    feed_forward_norm: Norm,
    hidden: Linear,
    output: Linear,
}

impl Block {
    fn new(path: &Path<'_>, size: Size) -> Self {
        let [d, f]: [i64; 2] = [size.width.into(), size.feed_forward.into()];
        Self {
            heads: size.heads.into(),
            attention_norm: Norm::new(&(path / "attention_norm"), d),
            attention: Linear::new(&(path / "attention"), d, 3 * d),
            mixed: Linear::new(&(path / "mixed"), d, d),
            feed_forward_norm: Norm::new(&(path / "feed_forward_norm"), d),
            hidden: Linear::new(&(path / "hidden"), d, f),
            output: Linear::new(&(path / "output"), f, d),
        }
    }

    /// x: (B, T, D) -> (B, T, D); t never sees t+1.. (test: `what_comes_later_cannot_matter`).
    fn forward(&self, x: Tensor, dropouts: Option<OfLayer>, kind: Kind) -> Tensor {
        let OfLayer { attention, hidden, output } =
            dropouts.unwrap_or(OfLayer { attention: 0.0, hidden: 0.0, output: 0.0 });
        let x = &x + self.attend(&self.attention_norm.forward(&x, kind), attention).to_kind(Kind::Float);
        let inner = self.hidden.forward(&self.feed_forward_norm.forward(&x, kind)).relu_(); // (B, T, F)
        let outer = self.output.forward(&dropped(inner, hidden)); // (B, T, D)
        x + dropped(outer, output).to_kind(Kind::Float)
    }

    fn attend(&self, x: &Tensor, dropout: f64) -> Tensor {
        let (b, t, d) = x.size3().expect("x is (B, T, D)");
        let all = self.attention.forward(x).view([b, t, 3, self.heads, d / self.heads]).permute([2, 0, 3, 1, 4]);
        let [query, key, value] = [0, 1, 2].map(|which| all.get(which)); // (B, H, T, E)
        let none = None::<&Tensor>;
        let mixed = Tensor::scaled_dot_product_attention(&query, &key, &value, none, dropout, true, None, false);
        self.mixed.forward(&mixed.transpose(1, 2).reshape([b, t, d]))
    }
}

/// y = x Wᵀ + b.
struct Linear {
    weight: Tensor, // (out, in)
    bias: Option<Tensor>,
}

impl Linear {
    /// Drawn as Glorot and Bengio 2010 do.
    fn new(path: &Path<'_>, inputs: i64, outputs: i64) -> Self {
        let deviation = (2.0 / (inputs + outputs) as f64).sqrt();
        let weight = path.randn("weight", &[outputs, inputs], 0.0, deviation);
        Self { weight, bias: Some(path.zeros("bias", &[outputs])) }
    }

    /// (…, in) -> (…, out), in the kind of x.
    fn forward(&self, x: &Tensor) -> Tensor {
        let bias = self.bias.as_ref().map(|bias| bias.to_kind(x.kind()));
        x.linear(&self.weight.to_kind(x.kind()), bias.as_ref())
    }
}

/// Layer normalisation (Ba et al. 2016).
struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    fn new(path: &Path<'_>, width: i64) -> Self {
        Self { weight: path.ones("weight", &[width]), bias: path.zeros("bias", &[width]) }
    }

    /// (…, D) -> (…, D) of `kind`.
    fn forward(&self, x: &Tensor, kind: Kind) -> Tensor {
        x.layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), EPSILON, false).to_kind(kind)
    }
}

fn dropped(x: Tensor, share: f64) -> Tensor {
    if share > 0.0 { x.dropout(share, true) } else { x }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
