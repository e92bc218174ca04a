//! Settings of SimPLe, all resolved.

use serde::{Deserialize, Serialize};

use super::{PpoSettings, Preset, WorldModelSettings};

/// Settings of SimPLe (Kaiser et al. 2019; the talk), all resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SimpleSettings {
    /// Where the other values came from.
    pub preset: Preset,
    /// Epochs to learn from.
    pub epochs: u32,
    /// Real trajectories of an epoch.
    pub trajectories_per_epoch: u32,
    /// Simulated epochs after each.
    pub simulated_epochs: u32,
    /// Trajectories of a simulated epoch (B).
    pub simulated_trajectories: u32,
    /// What is taken from a simulated reward, times the standard deviation over the world model's members of what they
    /// expected of the objective, relative to its range.
    pub pessimism: f64,
    /// Env steps of a simulated trajectory that begins at any env step of a real one (Janner et al. 2019); none goes from the
    /// first to the last.
    pub branch: Option<u32>,
    /// The kind of policy.
    pub policy: PolicyKind,
    /// Whether each epoch's policy is learned from scratch, or goes on from the one before.
    pub fresh_policy: bool,
    /// Whether the policy first learns from the real trajectories, as the original code does.
    pub real_epoch: bool,
    /// The world model.
    pub world_model: WorldModelSettings,
    /// PPO; its own epochs and trajectories do not count.
    pub ppo: PpoSettings,
    /// What the world model begins with.
    pub initial_data: InitialData,
}

/// Kind of a policy that is learned in simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PolicyKind {
    /// That reads a vector for each observation; its sizes are those of `ppo`.
    Continuous,
    /// That reads the symbols of the world model, whose architecture it has.
    Symbols {
        /// Whether a fresh one starts from the weights of the world model.
        from_world_model: bool,
    },
}

/// Trajectories of earlier experiments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InitialData {
    /// Datasets, or folders of runs with one for each repetition: paths or URLs.
    pub from: Vec<String>,
    /// Probability with which an example that the world model is trained on is one of those; none takes all trajectories
    /// alike.
    pub share: Option<f64>,
}

impl SimpleSettings {
    /// The values of `preset`, for one training problem or a `distribution` of them (tasks or starting ranges).
    pub fn of(preset: Preset, distribution: bool) -> Self {
        let ppo = PpoSettings::of(preset, distribution);
        match preset {
            Preset::Talk => Self {
                preset,
                epochs: 10,
                trajectories_per_epoch: 128,
                simulated_epochs: 50,
                simulated_trajectories: 128,
                pessimism: 0.0,
                branch: None,
                policy: PolicyKind::Symbols { from_world_model: true },
                fresh_policy: false,
                real_epoch: true,
                world_model: WorldModelSettings::talk(),
                ppo,
                initial_data: InitialData::default(),
            },
            Preset::Default => Self {
                preset,
                epochs: 4,
                trajectories_per_epoch: 32,
                simulated_epochs: 50,
                simulated_trajectories: 128,
                pessimism: 0.0,
                branch: None,
                policy: PolicyKind::Continuous,
                fresh_policy: false,
                real_epoch: false,
                world_model: WorldModelSettings::ours(),
                ppo,
                initial_data: InitialData::default(),
            },
        }
    }
}
