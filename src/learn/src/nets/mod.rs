//! Networks, and the layers that they share.
//!
//! Weights are 32-bit floats drawn from a seeded generator of our own, not libtorch's, so that a network's first weights
//! depend on nothing that happened before. A shape that does not fit is a fault of this crate and panics; whatever comes
//! from outside is checked before it becomes a tensor.

mod attention;
mod blocks;
mod continuous;
mod past;
mod policy;
mod symbols;
mod symbols_policy;
mod trunk;
mod weights;

pub(crate) use attention::Window;
pub(crate) use blocks::{Linear, positions};
pub use continuous::ContinuousPolicy;
pub(crate) use past::Past;
pub use policy::{Outputs, PolicyNetwork};
pub(crate) use symbols::Embedding;
pub use symbols_policy::SymbolsPolicy;
pub(crate) use trunk::Trunk;
pub use weights::Weights;
pub(crate) use weights::to_vec;
