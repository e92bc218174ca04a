//! Policy artifacts: a safetensors file whose metadata says what the policy is and what it fits.

mod check;
mod file;
mod fit;

use serde::{Deserialize, Serialize};
use tuning::{Inputs, Problem, Reading, Recipe, SymbolCode};

pub use check::ArtifactError;
pub use file::{Tensor, read, sha256, write};
pub use fit::{Misfit, fits};

/// Version of the artifact format written here; others are refused.
pub const FORMAT: u32 = 2;

/// Bytes of the largest artifact that is read or written.
pub const MAX_BYTES: usize = 64 << 20;

/// What networks subtract from every entry of an observation before anything else …
pub const CENTER: f32 = 0.5;
/// … and what they multiply the rest by, for the scale of 0 to 10 that the original code observes on: values that matter
/// differ by hundredths, and would be lost beside the positions.
pub const STRETCH: f32 = 10.0;

/// Key in the safetensors metadata under which the [`Header`] stands as JSON.
pub const METADATA_KEY: &str = "trainpilot";

/// What stands before the tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    /// [`FORMAT`].
    pub format: u32,
    /// Name of the experiment that learned it.
    pub experiment: String,
    /// Unique id of that experiment.
    pub uid: String,
    /// Repetition it comes from.
    pub repetition: u32,
    /// Version within that repetition; only grows.
    pub version: u64,
    /// What decides.
    pub policy: Policy,
    /// What it was learned for: metrics, ranges, hyperparameters, multipliers.
    pub problem: Problem,
    /// [`Problem::action_space_hash`] of `problem`: what must agree wherever the policy is used.
    pub action_space: String,
    /// What learning it took and gave.
    pub training: Training,
}

/// What decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Policy {
    /// The continuous Transformer (design §2, *Policy*).
    Continuous(Continuous),
    /// The talk's Transformer over symbols, of the world model's architecture (design §2, *Policy*).
    Symbols(Symbols),
    /// Every action equally likely.
    Random,
    /// Index i of an epoch follows recipe i mod n; nothing is steered. There is at least one.
    Recipes {
        /// The recipes.
        recipes: Vec<Recipe>,
    },
}

/// Shape of a continuous Transformer policy. See [`Continuous::tensors`] for its weights.
///
/// Observation vectors of [`Inputs::width`] are centred and stretched ([`CENTER`], [`STRETCH`]) and projected to D, sinusoidal positions (Vaswani et al. 2017, §3.5) are
/// added, then come pre-norm decoder blocks (ReLU between `up` and `down`), a last norm, and two linear heads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Continuous {
    /// What it sees.
    pub inputs: Inputs,
    /// Width D.
    pub d_model: usize,
    /// Inner width F of the feed-forward layers.
    pub d_ff: usize,
    /// Decoder blocks.
    pub layers: usize,
    /// Attention heads; divides D.
    pub heads: usize,
}

/// Shape of a Transformer policy over symbols. See [`Symbols::tensors`] for its weights.
///
/// The trajectory is read as `tuning::Reading::Symbols` says, a start before it. To the entry of each symbol in `embedding`
/// (D) are added that of its place within its env step in `places` (the start has the last place) and the sinusoidal
/// position of its env step; then come pre-norm decoder blocks and a last norm as in [`Continuous`]. Two linear heads read
/// the last symbol of each observation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Symbols {
    /// How trajectories are written.
    pub code: SymbolCode,
    /// Width D of the Transformer.
    pub d_model: usize,
    /// Inner width F of its feed-forward layers.
    pub d_ff: usize,
    /// Decoder blocks.
    pub layers: usize,
    /// Attention heads; divides D.
    pub heads: usize,
    /// Positions (the start is one) of a bin of the attention window, which is a position's own bin and the one before;
    /// none attends to everything.
    pub window: Option<u32>,
}

/// What learning took and gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Training {
    /// `ppo`, `fixed`, …
    pub algorithm: String,
    /// `default`, `talk`, or empty where the algorithm has no presets.
    pub preset: String,
    /// Epochs learned.
    pub epochs: u32,
    /// Full-training equivalents spent.
    pub fte: f64,
    /// Mean of the objective in the last epoch, where there was one.
    pub objective: Option<f64>,
}

impl Continuous {
    /// Name and shape of every weight, for I inputs, C hyperparameters and A multipliers.
    ///
    /// Linear layers hold `weight` (out, in) and `bias` (out); norms (epsilon 1e-5) `weight` and `bias` (D).
    pub fn tensors(&self, problem: &Problem) -> Vec<(String, Vec<usize>)> {
        let (d, f) = (self.d_model, self.d_ff);
        let mut shapes = layer("input", d, Some(self.inputs.width(problem))).to_vec();
        shapes.extend((0..self.layers).flat_map(|n| block(&format!("block{n}"), d, f)));
        shapes.extend(layer("norm", d, None));
        shapes.extend(heads(problem, d));
        shapes
    }
}

impl Symbols {
    /// Name and shape of every weight, for V entries ([`SymbolCode::entries`]) and S symbols of an env step.
    pub fn tensors(&self, problem: &Problem) -> Vec<(String, Vec<usize>)> {
        let mut shapes = symbols(problem, self.code, self.d_model).to_vec();
        shapes.extend((0..self.layers).flat_map(|n| block(&format!("block{n}"), self.d_model, self.d_ff)));
        shapes.extend(layer("norm", self.d_model, None));
        shapes.extend(heads(problem, self.d_model));
        shapes
    }
}

impl Policy {
    /// Name and shape of every weight.
    pub fn tensors(&self, problem: &Problem) -> Vec<(String, Vec<usize>)> {
        match self {
            Self::Continuous(shape) => shape.tensors(problem),
            Self::Symbols(shape) => shape.tensors(problem),
            Self::Random | Self::Recipes { .. } => Vec::new(),
        }
    }

    /// How it reads trajectories; none where it does not.
    pub fn reading(&self) -> Option<Reading> {
        match self {
            Self::Continuous(shape) => Some(Reading::Vectors(shape.inputs)),
            Self::Symbols(shape) => Some(Reading::Symbols(shape.code)),
            Self::Random | Self::Recipes { .. } => None,
        }
    }
}

/// Name and shape of the tables that turn symbols into vectors of width `d`.
pub fn symbols(problem: &Problem, code: SymbolCode, d: usize) -> [(String, Vec<usize>); 2] {
    [
        ("embedding.weight".to_owned(), vec![code.entries(problem), d]),
        ("places.weight".to_owned(), vec![code.env_step(problem), d]),
    ]
}

/// Name and shape of the weights of a policy's heads on width `d`.
pub fn heads(problem: &Problem, d: usize) -> impl Iterator<Item = (String, Vec<usize>)> {
    let actions = layer("actions", problem.hyperparameters.len() * problem.multipliers.len(), Some(d));
    actions.into_iter().chain(layer("value", 1, Some(d)))
}

/// Name and shape of the weights of a linear layer, or of a norm where there is no `input`.
pub fn layer(name: &str, out: usize, input: Option<usize>) -> [(String, Vec<usize>); 2] {
    let weight = input.map_or(vec![out], |input| vec![out, input]);
    [(format!("{name}.weight"), weight), (format!("{name}.bias"), vec![out])]
}

/// Name and shape of the weights of a decoder block of width `d` and inner width `f`.
pub fn block(name: &str, d: usize, f: usize) -> Vec<(String, Vec<usize>)> {
    let parts = [
        ("attention_norm", d, None),
        ("query", d, Some(d)),
        ("key", d, Some(d)),
        ("value", d, Some(d)),
        ("output", d, Some(d)),
        ("feed_forward_norm", d, None),
        ("up", f, Some(d)),
        ("down", d, Some(f)),
    ];
    parts.into_iter().flat_map(|(part, out, input)| layer(&format!("{name}.{part}"), out, input)).collect()
}

#[cfg(test)]
mod tests;
