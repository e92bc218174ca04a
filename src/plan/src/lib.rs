//! Planning core: decides what should exist, given what was observed.
//!
//! Owns the decision and its reasons: which learners and batches of trajectories are wanted, what learners are told,
//! how slots are shared, when an experiment is over. Must not know clients, async, clocks (`now` is a field),
//! randomness or environment variables.
//! Start reading at [`plan()`]; its input is [`Valid`], its output [`Plan`]. What a plan wants becomes Kubernetes objects in
//! [`render`].

mod observed;
mod outcome;
mod print;
mod publication;
mod reason;
mod references;
pub mod render;
mod repetition;
mod share;
mod status;
mod valid;

pub use observed::{BatchObserved, LearnerObserved, Observed, RepetitionObserved, WorldModelObserved};
pub use outcome::{Directive, Event, Plan, Report, Workload, WorkloadName, plan, refuse};
pub use reason::Reason;
pub use references::references;
pub use status::forgive;
pub use valid::{Valid, validate};
