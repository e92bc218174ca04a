//! The part that all networks share: decoder blocks and a last norm, over whole sequences or position by position.

use tch::Tensor;
use wire::artifact::{block, layer};

use super::Weights;
use super::attention::Window;
use super::blocks::{Block, Norm, last};
use super::past::Past;

/// Decoder blocks and a last norm, with weights `block0` … and `norm`.
#[derive(Debug)]
pub(crate) struct Trunk {
    blocks: Vec<Block>,
    norm: Norm,
}

impl Trunk {
    /// Names and shapes of its weights: width `d`, inner width `f`.
    pub(crate) fn shapes(d: usize, f: usize, layers: usize) -> Vec<(String, Vec<usize>)> {
        let blocks = (0..layers).flat_map(|n| block(&format!("block{n}"), d, f));
        blocks.chain(layer("norm", d, None)).collect()
    }

    pub(crate) fn new(weights: &Weights, layers: usize, heads: usize, window: Window) -> Self {
        let blocks = (0..layers).map(|n| Block::new(weights, &format!("block{n}"), heads, window)).collect();
        Self { blocks, norm: Norm::new(weights, "norm") }
    }

    /// (N, T, D) -> (N, T, D); position t depends on 0 ..= t only. `dropout` is for training.
    pub(crate) fn forward(&self, x: Tensor, dropout: f64) -> Tensor {
        let x = self.blocks.iter().fold(x, |x, block| block.forward(&x, dropout));
        self.norm.forward(&x)
    }

    /// The next T positions after those that `past` has seen, to which they are added; gives the last of them,
    /// (N, T, D) -> (N, 1, D). Keeps no gradients.
    pub(crate) fn step(&self, x: Tensor, past: &mut Past) -> Tensor {
        let t = x.size()[1];
        past.seen += t;
        let blocks = self.blocks.iter().zip(&mut past.blocks).enumerate();
        let x = blocks.fold(x, |x, (n, (block, past))| {
            // Nothing reads the other positions of the last block.
            block.step(&x, past, if n + 1 == self.blocks.len() { 1 } else { t })
        });
        self.norm.forward(&last(&x, 1))
    }

    /// What [`Trunk::step`] starts from, with room for `capacity` positions.
    pub(crate) fn past(&self, capacity: usize) -> Past {
        Past::new(self.blocks.len(), capacity as i64)
    }
}
