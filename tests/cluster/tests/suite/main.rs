//! The suite: `cargo xtask e2e`.
#![allow(clippy::unwrap_used)]

mod chart;
mod dashboards;
mod faults;
mod learners;
mod nodes;
mod operator;
mod plugin;
mod queues;
mod refusals;
mod runs;
mod stores;
mod wishes;
