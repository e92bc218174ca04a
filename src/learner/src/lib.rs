//! The policy learner of one repetition: stores what is gathered, learns when an epoch is complete, publishes policies.
//!
//! Owns the truth about learning. Everything it knows is on its storage before anybody is told, so it may be killed at
//! any moment and goes on with identical numbers. Must not know Kubernetes.
//! Start reading at [`Learner`]; [`service`] is its network face, [`Strategy`] hides the algorithms.

mod error;
mod learner;
pub mod metrics;
mod publish;
mod search;
pub mod service;
mod storage;
mod strategy;
mod summary;

pub use error::LearnerError;
pub use learner::Learner;
pub use publish::Published;
pub use storage::{LearnedEpoch, Storage};
pub use strategy::{Learned, Strategy};
