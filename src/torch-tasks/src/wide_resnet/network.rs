//! The network of Zagoruyko and Komodakis 2016, Table 1: three groups of blocks, each normalised before it is convolved.
//!
//! Weights, sums of batch normalisation and the last layer are in single precision; activations in the kind asked for.

use anyhow::{Result, ensure};
use clap::Args;
use tch::nn::{self, Path};
use tch::{Device, Kind, Tensor};

use crate::generator::seeded;
use crate::images::CLASSES;

/// Size of a network.
#[derive(Args, Clone, Copy, Debug)]
pub struct Size {
    /// Layers with weights: 6 n + 4
    #[arg(long, env = "WRN_DEPTH", default_value_t = 28)]
    pub depth: i64,
    /// How many times as wide as the narrowest
    #[arg(long, env = "WRN_WIDTH", default_value_t = 10, value_parser = clap::value_parser!(i64).range(1..))]
    pub width: i64,
}

/// A network, and its weights.
pub struct WideResNet {
    /// Its weights.
    pub weights: nn::VarStore,
    first: Tensor,
    blocks: Vec<Block>,
    last_norm: nn::BatchNorm,
    output: nn::Linear,
    kind: Kind,
}

/// Two convolutions, and a way around them.
struct Block {
    norms: [nn::BatchNorm; 2],
    convolutions: [Tensor; 2],
    /// Where the way around changes its width.
    shortcut: Option<Tensor>,
    stride: i64,
}

impl WideResNet {
    /// A fresh network for images of so many channels; `seed` fixes its weights.
    ///
    /// # Errors
    /// If there is no network of that depth.
    pub fn new(size: Size, channels: i64, seed: u64, device: Device, kind: Kind) -> Result<Self> {
        let Size { depth, width } = size;
        ensure!(depth >= 10 && (depth - 4) % 6 == 0, "--depth is {depth}, expected 10, 16, 22, 28, …");
        let _alone = seeded(seed);
        let weights = nn::VarStore::new(device);
        let root = weights.root();
        let first = convolution(&(&root / "first"), channels, 16, 3);
        let (mut blocks, mut inputs) = (Vec::new(), 16);
        for (group, outputs) in [16, 32, 64].map(|narrow| narrow * width).into_iter().enumerate() {
            for number in 0..(depth - 4) / 6 {
                let stride = if group > 0 && number == 0 { 2 } else { 1 };
                blocks.push(Block::new(&(&root / format!("block{group}-{number}")), inputs, outputs, stride));
                inputs = outputs;
            }
        }
        let last_norm = norm(&(&root / "last"), inputs);
        let output = nn::linear(&root / "output", inputs, CLASSES, nn::LinearConfig::default());
        Ok(Self { weights, first, blocks, last_norm, output, kind })
    }

    /// images: (B, channels, H, W), standardised -> logits (B, classes) in single precision. Where it `trains`, images are
    /// normalised by their batch.
    pub fn forward(&self, images: &Tensor, trains: bool) -> Tensor {
        let mut x = convolved(&images.to_kind(self.kind), &self.first, 1);
        for block in &self.blocks {
            x = block.forward(&x, trains);
        }
        let x = normalised(&x, &self.last_norm, trains).relu().to_kind(Kind::Float);
        x.mean_dim([2_i64, 3].as_slice(), false, Kind::Float).apply(&self.output)
    }

    /// The kind of its activations.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl Block {
    fn new(path: &Path<'_>, inputs: i64, outputs: i64, stride: i64) -> Self {
        Self {
            norms: [norm(&(path / "norm0"), inputs), norm(&(path / "norm1"), outputs)],
            convolutions: [
                convolution(&(path / "convolution0"), inputs, outputs, 3),
                convolution(&(path / "convolution1"), outputs, outputs, 3),
            ],
            shortcut: (inputs != outputs || stride != 1).then(|| convolution(&(path / "shortcut"), inputs, outputs, 1)),
            stride,
        }
    }

    fn forward(&self, x: &Tensor, trains: bool) -> Tensor {
        let active = normalised(x, &self.norms[0], trains).relu();
        let inner = convolved(&active, &self.convolutions[0], self.stride);
        let inner = normalised(&inner, &self.norms[1], trains).relu();
        let inner = convolved(&inner, &self.convolutions[1], 1);
        // Where the way around has weights, it too begins with what is normalised.
        inner
            + self.shortcut.as_ref().map_or_else(|| x.shallow_clone(), |weight| convolved(&active, weight, self.stride))
    }
}

/// A weight without bias, drawn as He et al. 2015 do, by the outputs: (out, in, size, size).
fn convolution(path: &Path<'_>, inputs: i64, outputs: i64, size: i64) -> Tensor {
    let deviation = (2.0 / (outputs * size * size) as f64).sqrt();
    path.randn("weight", &[outputs, inputs, size, size], 0.0, deviation)
}

fn norm(path: &Path<'_>, width: i64) -> nn::BatchNorm {
    let config = nn::BatchNormConfig { ws_init: nn::Init::Const(1.0), ..nn::BatchNormConfig::default() };
    nn::batch_norm2d(path, width, config)
}

/// x: (B, in, H, W) -> (B, out, H / stride, W / stride).
fn convolved(x: &Tensor, weight: &Tensor, stride: i64) -> Tensor {
    let pad = weight.size()[2] / 2;
    x.conv2d::<Tensor>(&weight.to_kind(x.kind()), None, [stride; 2], [pad; 2], [1; 2], 1)
}

/// In single precision, whatever x is.
fn normalised(x: &Tensor, norm: &nn::BatchNorm, trains: bool) -> Tensor {
    x.to_kind(Kind::Float).apply_t(norm, trains).to_kind(x.kind())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn network(depth: i64, width: i64, kind: Kind) -> WideResNet {
        WideResNet::new(Size { depth, width }, 3, 7, Device::Cpu, kind).unwrap()
    }

    #[test]
    fn it_has_as_many_weights_as_the_paper_counts() {
        // Table 4 and 5: WRN-16-4 has 2.7 million, WRN-28-10 has 36.5 million.
        for ((depth, width), millions) in [((16, 4), 2.75), ((28, 10), 36.5)] {
            let weights = network(depth, width, Kind::Float).weights.trainable_variables();
            let count = weights.iter().map(Tensor::numel).sum::<usize>() as f64 / 1e6;
            assert!((count - millions).abs() < 0.05, "WRN-{depth}-{width}: {count}");
        }
    }

    #[test]
    fn a_fresh_one_knows_nothing_in_either_precision_and_other_depths_are_refused() {
        let images = Tensor::arange(16 * 3 * 32 * 32, (Kind::Float, Device::Cpu)).view([16, 3, 32, 32]).square().sin();
        let labels = Tensor::arange(16, (Kind::Int64, Device::Cpu)).remainder(10);
        let losses = [Kind::Float, Kind::BFloat16].map(|kind| {
            let logits = network(10, 1, kind).forward(&images, true);
            assert_eq!((logits.size(), logits.kind()), (vec![16, 10], Kind::Float));
            logits.cross_entropy_for_logits(&labels).double_value(&[])
        });
        assert!(losses.iter().all(|loss| (loss - 10_f64.ln()).abs() < 0.6), "{losses:?}");
        assert!((losses[0] - losses[1]).abs() < 0.05, "{losses:?}");
        let refused = WideResNet::new(Size { depth: 12, width: 1 }, 3, 7, Device::Cpu, Kind::Float).err().unwrap();
        assert!(refused.to_string().contains("--depth is 12"));
    }
}
