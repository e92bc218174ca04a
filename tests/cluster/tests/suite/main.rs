//! The suite: `cargo xtask e2e`.
#![allow(clippy::unwrap_used)]

mod faults;
mod operator;
mod refusals;
mod runs;
mod stores;
mod wishes;
