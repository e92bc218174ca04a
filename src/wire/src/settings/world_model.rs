//! Settings of a world model, all resolved.

use serde::{Deserialize, Serialize};
use tuning::SymbolCode;

/// Settings of a world model, all resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorldModelSettings {
    /// What it gives.
    pub output: Output,
    /// Forecasters of the ensemble (K); each simulated trajectory is the work of one.
    pub members: usize,
    /// Width D of the Transformer.
    pub d_model: usize,
    /// Inner width F of its feed-forward layers.
    pub d_ff: usize,
    /// Decoder blocks.
    pub layers: usize,
    /// Attention heads; divides D.
    pub heads: usize,
    /// Share of what a decoder block adds that is left out while it is trained (Srivastava et al. 2014).
    pub dropout: f64,
    /// What layers multiply in; weights and everything else are 32-bit floats.
    pub precision: Precision,
    /// Adam's learning rate, after the warm-up.
    pub learning_rate: f64,
    /// Optimizer steps in which the learning rate rises to it.
    pub warm_up: u32,
    /// What becomes of the learning rate after the warm-up.
    pub decay: LearningRateDecay,
    /// Weight decay, apart from the gradient (Loshchilov and Hutter 2019), relative to the learning rate.
    pub weight_decay: f64,
    /// Trajectories of a batch.
    pub batch: u32,
    /// Most optimizer steps of the first training …
    pub first_optimizer_steps: u32,
    /// … and of each later one, which goes on from the weights of the one before.
    pub optimizer_steps: u32,
    /// Share of each epoch's trajectories that is held out.
    pub held_out: f64,
    /// Optimizer steps without a gain on those after which training ends; none goes on to the last one.
    pub patience: Option<u32>,
}

/// What a world model gives for the metrics after an env step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Output {
    /// A mixture of Gaussians over the change of each metric in its own scale (Bishop 1994).
    Residual {
        /// Gaussians in the mixture.
        components: usize,
        /// Whether metrics are drawn at once.
        order: Order,
    },
    /// A share for each of some intervals of that change, which hold equally many of the first changes trained on.
    Buckets {
        /// Intervals of each metric.
        buckets: usize,
        /// Whether metrics are drawn at once.
        order: Order,
    },
    /// Symbols of fixed-precision numbers, one after the other (the talk).
    Symbols {
        /// How trajectories are written.
        code: SymbolCode,
        /// What each symbol's loss weighs, relative to that of the one before.
        significance_decay: f64,
        /// Positions of a bin of the attention window, which is a position's own bin and the one before (trax's
        /// `TimeBinCausalAttention`); none attends to everything.
        window: Option<u32>,
        /// What simulation draws.
        draws: Draws,
    },
}

/// Whether the metrics of an env step are drawn at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// At once.
    Together,
    /// One after the other, each knowing those before it.
    InSequence,
}

/// What a simulation in symbols draws; the rest is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Draws {
    /// Metrics after the first observation; that is a real training's, and hyperparameters follow from actions.
    Metrics,
    /// Hyperparameters too, as the original code does (which draws the first observation as well: here it is a real one).
    Observations,
}

/// What layers multiply in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precision {
    /// 32-bit floats.
    Float32,
    /// 16-bit floats with the exponent of 32-bit ones: faster where the processor has them.
    BFloat16,
}

/// What becomes of a learning rate after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LearningRateDecay {
    /// It stays.
    Constant,
    /// It falls with the inverse square root of the step.
    InverseSquareRoot,
}

impl WorldModelSettings {
    /// What was found to need the fewest trainings.
    pub fn ours() -> Self {
        Self {
            output: Output::Residual { components: 4, order: Order::Together },
            members: 4,
            d_model: 64,
            d_ff: 128,
            layers: 2,
            heads: 2,
            dropout: 0.0,
            precision: Precision::Float32,
            learning_rate: 1e-3,
            warm_up: 100,
            decay: LearningRateDecay::Constant,
            weight_decay: 0.01,
            batch: 32,
            first_optimizer_steps: 4000,
            optimizer_steps: 4000,
            held_out: 0.125,
            patience: Some(100),
        }
    }

    /// The talk's, at the size of its paper.
    pub fn talk() -> Self {
        Self {
            output: Output::Symbols {
                code: SymbolCode::TALK,
                significance_decay: 0.8,
                window: Some(256),
                draws: Draws::Observations,
            },
            members: 1,
            d_model: 256,
            d_ff: 512,
            layers: 3,
            heads: 4,
            dropout: 0.1,
            precision: Precision::Float32,
            learning_rate: 1e-3,
            warm_up: 10_000,
            decay: LearningRateDecay::InverseSquareRoot,
            weight_decay: 0.0,
            batch: 32,
            first_optimizer_steps: 70_000,
            optimizer_steps: 10_000,
            held_out: 0.125,
            patience: None,
        }
    }
}
