//! Optimizers whose state can be kept and brought back, which those of tch do not let out.

mod momentum;

pub use momentum::Momentum;

#[cfg(test)]
mod tests;
