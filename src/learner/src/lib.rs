//! The learners of one repetition, each a process: the policy learner stores what is gathered, learns when an epoch is
//! complete, and publishes policies; for SimPLe, the world-model learner trains what it learns in.
//!
//! Owns the truth about learning. Everything a learner knows is on its storage before anybody is told, so it may be killed
//! at any moment and goes on with identical numbers. Must not know Kubernetes.
//! Start reading at [`Learner`]; [`policy_learner::service`] is its network face, [`Strategy`] hides the algorithms. Then
//! [`WorldModelLearner`].

pub mod archive;
mod curves;
mod error;
pub mod forecast;
mod keep;
mod metrics;
pub mod policy_learner;
pub mod world_model_learner;

pub use curves::{CurveArgs, CurveError};
pub use error::LearnerError;
pub use policy_learner::{Learned, LearnedEpoch, Learner, Lesson, Published, Storage, Strategy};
pub use world_model_learner::WorldModelLearner;

use tuning::{Random, Trajectory};
use wire::settings::{Algorithm, LearnerConfig};

/// Keeps the draws of learners apart from all others under the same seed.
const LEARNER: u64 = 5;

/// Seed of all that the learners of a repetition draw.
fn seed(config: &LearnerConfig) -> u64 {
    Random::stream(config.seed, &[LEARNER, config.repetition.into()]).bits()
}

/// What segments of a repetition belong to.
fn identity(config: &LearnerConfig) -> dataset::Identity {
    dataset::Identity {
        experiment: config.experiment.clone(),
        uid: config.uid.clone(),
        repetition: config.repetition,
        problem: config.problem.clone(),
    }
}

/// Trajectories of earlier experiments that the algorithm begins with.
async fn initial_data(config: &LearnerConfig) -> Result<Vec<Trajectory>, LearnerError> {
    let mut trajectories = Vec::new();
    if let Algorithm::Simple(settings) = &config.algorithm {
        for place in &settings.initial_data.from {
            trajectories.extend(dataset::initial_data(place, &config.problem).await?);
        }
    }
    Ok(trajectories)
}
