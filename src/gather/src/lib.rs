//! The one path by which metrics reach the learner: scrape agents, forward what is new, acknowledge.
//!
//! Owns the order of these hops, their bounds, and how far each attempt has come. Nothing is lost when it forgets: every
//! hop may be repeated. Must not know tensors, Kubernetes, or why a trajectory is gathered.
//! Start reading at [`Gatherer::gather`].

mod counters;
mod cursor;
mod error;
mod gatherer;

pub use counters::Counters;
pub use cursor::{Newest, Progress};
pub use error::GatherError;
pub use gatherer::{GatherConfig, Gatherer, Target};
