//! Where a training computes, and in what precision.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use tch::{Device, Kind};

/// Device and precision.
#[derive(Args, Clone, Debug, Default)]
pub struct Compute {
    /// Device [default: the first GPU, or the processor where there is none]
    #[arg(long, env = "TORCH_DEVICE", value_enum)]
    pub device: Option<Place>,
    /// Precision of activations; weights and sums are always in single precision [default: bf16 on a GPU, else f32]
    #[arg(long, env = "TORCH_PRECISION", value_enum)]
    pub precision: Option<Precision>,
}

/// A device by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Place {
    /// The processor
    Cpu,
    /// The first GPU
    Cuda,
}

/// A precision by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// Single
    F32,
    /// Half, with the range of single
    Bf16,
}

impl Compute {
    /// The device asked for, or the best there is, and the kind of activations.
    ///
    /// # Errors
    /// If a GPU is asked for and there is none.
    pub fn choose(&self) -> Result<(Device, Kind)> {
        let best = Device::cuda_if_available();
        let device = match self.device {
            None => best,
            Some(Place::Cpu) => Device::Cpu,
            Some(Place::Cuda) if best.is_cuda() => best,
            Some(Place::Cuda) => bail!("--device cuda: libtorch sees no CUDA device here"),
        };
        let kind = match self.precision {
            Some(Precision::F32) => Kind::Float,
            Some(Precision::Bf16) => Kind::BFloat16,
            None if device.is_cuda() => Kind::BFloat16,
            None => Kind::Float,
        };
        Ok((device, kind))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_gpu_that_is_not_there_is_an_error_and_half_precision_is_for_gpus() {
        let choose = |device, precision| Compute { device, precision }.choose();
        assert_eq!(choose(Some(Place::Cpu), None).unwrap(), (Device::Cpu, Kind::Float));
        assert_eq!(choose(Some(Place::Cpu), Some(Precision::Bf16)).unwrap(), (Device::Cpu, Kind::BFloat16));
        if !Device::cuda_if_available().is_cuda() {
            assert!(choose(Some(Place::Cuda), None).unwrap_err().to_string().contains("no CUDA device"));
        }
    }
}
