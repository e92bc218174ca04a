//! What crosses a process boundary: messages and their versions, the trajectory exposition and its bounded parser,
//! the header of policy artifacts, and mutual TLS.
//!
//! Everything read here comes from somebody else, so everything is bounded and checked before it is believed.
//! Must not know tensors or Kubernetes. Start reading at [`trainer`] (the contract with the user's training),
//! then [`learner`] (what learners are told and asked) and [`artifact`].

pub mod agent;
pub mod artifact;
pub mod client;
pub mod exposition;
pub mod forecast;
pub mod http;
pub mod learner;
mod sentence;
pub mod settings;
pub mod tls;
pub mod trainer;
pub mod world_model;

pub use sentence::sentence;
