//! What learners are started with: the experiment's settings, every preset and default resolved.

mod simple;
mod world_model;

use serde::{Deserialize, Serialize};
use tuning::{Inputs, Problem, Recipe, RecipeSpace};

pub use simple::{InitialData, PolicyKind, SimpleSettings};
pub use world_model::{Draws, LearningRateDecay, Order, Output, Precision, WorldModelSettings};

/// What the learners of a repetition are started with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LearnerConfig {
    /// Name of the experiment.
    pub experiment: String,
    /// Its unique id, under which certificates are issued.
    pub uid: String,
    /// What is tuned.
    pub problem: Problem,
    /// Repetition it serves, from 0.
    pub repetition: u32,
    /// Seed of everything that the learner draws.
    pub seed: u64,
    /// Epochs to learn from; the one after them is the final evaluation, which is only stored.
    pub epochs: u32,
    /// How policies come about.
    pub algorithm: Algorithm,
    /// Path or URL at which a copy of the last policy is left once the final evaluation is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<String>,
}

/// How policies come about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Algorithm {
    /// A network learned by PPO.
    Ppo(PpoSettings),
    /// A network learned by PPO in trainings that a world model makes up.
    Simple(Box<SimpleSettings>),
    /// One recipe, never changed.
    Fixed(Recipe),
    /// The best of many recipes.
    Search(SearchSettings),
    /// Every action equally likely, never changed.
    Random,
    /// An artifact, never changed.
    Frozen(FrozenPolicy),
}

/// A policy that is applied as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrozenPolicy {
    /// Path or URL of its artifact, in which `{repetition}` stands for the repetition's number.
    pub place: String,
    /// SHA-256 that the artifact must have, in hexadecimal, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl Algorithm {
    /// The word used in specs and artifacts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ppo(_) => "ppo",
            Self::Simple(_) => "simple",
            Self::Fixed(_) => "fixed",
            Self::Search(_) => "search",
            Self::Random => "random",
            Self::Frozen(_) => "policy",
        }
    }
}

/// Named sets of defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Preset {
    /// What we found to need the fewest trainings.
    #[default]
    Default,
    /// The talk and its code.
    Talk,
}

impl Preset {
    /// The word used in specs and artifacts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Talk => "talk",
        }
    }
}

/// Settings of PPO (Schulman et al. 2017), all resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PpoSettings {
    /// Where the other values came from.
    pub preset: Preset,
    /// Epochs to learn from.
    pub epochs: u32,
    /// Trajectories of an epoch (B).
    pub trajectories_per_epoch: u32,
    /// Trajectories that share a task and starting values.
    pub group: u32,
    /// What the policy sees.
    pub inputs: Inputs,
    /// Width D of the Transformer.
    pub d_model: usize,
    /// Inner width F of its feed-forward layers.
    pub d_ff: usize,
    /// Decoder blocks.
    pub layers: usize,
    /// Attention heads; divides D.
    pub heads: usize,
    /// How large the first weights are by which a decoder block adds to what it is given, relative to the usual ones:
    /// near 0 a network starts as a linear one.
    pub block_gain: f64,
    /// Learning rate of the weights within decoder blocks, relative to that of all others.
    pub block_learning_rate: f64,
    /// Adam's learning rate in the first epoch …
    pub learning_rate: f64,
    /// … and in the last; in between it falls (or rises) geometrically.
    pub final_learning_rate: f64,
    /// Largest norm of a gradient; longer ones are scaled down.
    pub max_gradient_norm: Option<f64>,
    /// Optimizer steps per epoch, each on all its trajectories.
    pub optimizer_steps: u32,
    /// Half-width of the interval that ratios, and changes of the value, are clipped to.
    pub clip: f64,
    /// Weight of the value loss.
    pub value_weight: f64,
    /// Weight of the entropy bonus in the first epoch …
    pub entropy_weight: f64,
    /// … and in the last; in between it falls (or rises) geometrically.
    pub final_entropy_weight: f64,
    /// Estimated KL divergence from the policy that acted beyond which an epoch's learning stops.
    pub target_kl: f64,
    /// Discount γ.
    pub discount: f64,
    /// λ of generalised advantage estimation (Schulman et al. 2015).
    pub gae_lambda: f64,
    /// What advantages are normalised over.
    pub advantages: Advantages,
}

/// What advantages are normalised over (mean 0, standard deviation 1); padding never counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Advantages {
    /// Not at all.
    Raw,
    /// All decisions of an epoch together.
    PerEpoch,
    /// The decisions of each env step.
    PerStep,
    /// The decisions of each env step within each group.
    PerGroup,
}

/// Settings of the search for a fixed recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SearchSettings {
    /// What recipes are drawn from.
    pub space: RecipeSpace,
    /// Recipes tried once, in the first epoch.
    pub candidates: u32,
    /// Best of them that are tried again, in the second epoch; 0 leaves it out.
    pub finalists: u32,
    /// Trajectories for each finalist.
    pub trials: u32,
}

impl PpoSettings {
    /// The values of `preset`, for one training problem or a `distribution` of them (tasks or starting ranges).
    pub fn of(preset: Preset, distribution: bool) -> Self {
        match (preset, distribution) {
            (Preset::Talk, _) => Self::talk(),
            (Preset::Default, false) => Self::ours(),
            (Preset::Default, true) => Self {
                trajectories_per_epoch: 64,
                epochs: 64,
                group: 8,
                // What tells problems apart shows in the course of a trajectory, so its blocks have more to do.
                block_gain: 1.0,
                block_learning_rate: 1.0,
                learning_rate: 3e-3,
                final_learning_rate: 3e-4,
                entropy_weight: 0.015,
                final_entropy_weight: 0.002,
                advantages: Advantages::PerGroup,
                ..Self::ours()
            },
        }
    }

    fn ours() -> Self {
        Self {
            preset: Preset::Default,
            epochs: 32,
            trajectories_per_epoch: 16,
            group: 1,
            inputs: Inputs::PLAIN,
            d_model: 64,
            d_ff: 128,
            layers: 1,
            heads: 2,
            block_gain: 0.1,
            block_learning_rate: 0.3,
            learning_rate: 1e-2,
            final_learning_rate: 1e-2,
            max_gradient_norm: Some(0.5),
            optimizer_steps: 10,
            clip: 0.2,
            value_weight: 1.0,
            entropy_weight: 0.01,
            final_entropy_weight: 0.01,
            target_kl: 0.02,
            discount: 1.0,
            gae_lambda: 0.95,
            advantages: Advantages::PerStep,
        }
    }

    fn talk() -> Self {
        Self {
            preset: Preset::Talk,
            epochs: 20,
            trajectories_per_epoch: 128,
            inputs: Inputs::TALK,
            block_gain: 1.0,
            block_learning_rate: 1.0,
            learning_rate: 1e-3,
            final_learning_rate: 1e-3,
            max_gradient_norm: None,
            clip: 0.1,
            entropy_weight: 0.1,
            final_entropy_weight: 0.1,
            target_kl: 0.1,
            advantages: Advantages::PerEpoch,
            ..Self::ours()
        }
    }
}
