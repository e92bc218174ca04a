//! The sidecar of a training: takes its reports, decides locally with the newest policy, and lets itself be scraped.
//!
//! Owns one trajectory in memory and nothing on disk: what it knows is safe once a learner has acknowledged it.
//! Must not know libtorch or Kubernetes. Tuning never stops a training: without a policy everything is kept.
//! Start reading at [`session`] (the trajectory as a state machine), then [`pilot`] (who decides), [`policy`]
//! (inference) and [`life`] (how the parts are run and when the program ends).

pub mod agent;
pub mod cluster_server;
pub mod figures;
pub mod learner_link;
pub mod life;
pub mod pilot;
pub mod policy;
pub mod report;
pub mod session;
pub mod trainer_page;
pub mod trainer_server;

#[cfg(test)]
#[path = "../tests/common/fixtures.rs"]
mod fixtures;
