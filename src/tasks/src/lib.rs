//! Reference trainers and what any trainer needs: the contract's client, the loop around a training, an analytic one.
//!
//! Owns the trainer's side of the contract and the tasks that experiments, tests and figures are run on.
//! Must not know agents, policies or rewards.
//! Start reading at [`trainer::train`], then [`contract`]; [`curves`] is also an environment for learning tests.

pub mod checkpoints;
pub mod classification;
pub mod contract;
pub mod curves;
pub mod data;
pub mod digits;
pub mod trainer;
