//! What the crate promises, through its public API.
#![allow(clippy::unwrap_used)]

/// Problems and environments.
mod common;
/// Forecasts of curves, and policies that learn within them.
mod forecasting;
/// Trajectories gathered in this process are what an agent would have recorded.
mod gathering;
/// It learns: one batch by heart, a bandit, schedules of an analytic training.
mod learning;
/// The network is the documented one, and causal.
mod policy;
/// Bad trajectories, lost epochs and numbers that explode are refused, and nothing is damaged by them.
mod refusals;
/// Same seed, same bits; a resumed learner goes on as if nothing had happened.
mod resuming;
/// SimPLe goes through its phases, and takes what it is given.
mod simple;
