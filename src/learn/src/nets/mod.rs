//! Networks, and the layers that they share.
//!
//! Weights are 32-bit floats drawn from a seeded generator of our own, not libtorch's, so that a network's first weights
//! depend on nothing that happened before. A shape that does not fit is a fault of this crate and panics; whatever comes
//! from outside is checked before it becomes a tensor.

mod attention;
mod blocks;
mod continuous;
mod past;
mod symbols;
mod trunk;
mod weights;

pub(crate) use attention::Window;
pub(crate) use blocks::{Linear, positions};
pub use continuous::{ContinuousPolicy, Outputs};
pub(crate) use past::Past;
pub(crate) use symbols::Embedding;
pub(crate) use trunk::Trunk;
pub use weights::Weights;
pub(crate) use weights::to_vec;
