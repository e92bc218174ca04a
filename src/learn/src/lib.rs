//! Networks and learning: the Transformer policy, PPO, and environments that run in this process.
//!
//! Owns every tensor of the project. Must not know files, networks between machines, or Kubernetes: it takes recorded
//! trajectories and gives weights, figures and checkpoints as plain values.
//! Start reading at [`Ppo`] (`ppo.rs`, the algorithm top to bottom), then [`nets::ContinuousPolicy`] and [`rollout`];
//! [`WorldModel`] forecasts trainings, so that a policy can learn in a [`Simulation`] of them; [`Simple`] is the loop of both.

mod adam;
mod batch;
mod checkpoint;
mod env;
mod error;
mod forecasting;
pub mod nets;
mod ppo;
mod simple;
mod world;

pub use checkpoint::CheckpointError;
pub use env::{Branch, Env, Order, rollout, rollout_branch};
pub use error::LearnError;
pub use forecasting::{Forecasting, RATES as FORECASTING_RATES, forecasting};
pub use ppo::{Figures, Ppo};
pub use simple::{Simple, Simulated};
pub use world::{Fit, Known, Moment, Simulation, Trained, WorldModel, power_law};
