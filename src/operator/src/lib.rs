//! The operator: watches `TuningExperiment`s and brings about as pods what the planner wants.
//!
//! Owns reading the cluster, writing to it, and the gathering of metrics from pods. Decides nothing: `plan` does. Must not
//! know tensors.
//! Start reading at [`reconcile`], which is one round; [`controller::run`] makes the rounds.

pub mod apply;
pub mod caches;
pub mod completion;
pub mod context;
pub mod controller;
pub mod drift;
pub mod error;
pub mod figures;
pub mod gathering;
pub mod identities;
pub mod observe;
pub mod pods;
pub mod reconcile;
pub mod requests;
pub mod restarts;
pub mod server;
pub mod telemetry;
pub mod watching;
pub mod writer;
