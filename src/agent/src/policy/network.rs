//! Transformer policies (`wire::artifact::Continuous` and `Symbols`), one observation at a time.
//!
//! Notation: R numbers read at an observation, D width, C hyperparameters, A multipliers.

use tuning::Problem;
use wire::artifact::{self, CENTER, Continuous, STRETCH, Symbols};

use super::Output;
use super::layers::{Block, Cache, Linear, Norm, Weights, add, log_softmax, position};

/// Weights of a network; any number of trajectories may share them.
#[derive(Debug)]
pub(super) struct Network {
    input: Input,
    blocks: Vec<Block>,
    norm: Norm,
    actions: Linear,
    value: Linear,
    width: usize,
    heads: usize,
    multipliers: usize,
}

/// How positions come of what is read.
#[derive(Debug)]
enum Input {
    /// One of each observation.
    Vector(Linear),
    /// One of each symbol.
    Symbols {
        /// (entries, D).
        table: Vec<f32>,
        /// (S, D): of each place within an env step.
        places: Vec<f32>,
        /// Symbols of an env step (S), of which so many are actions (C).
        env_step: usize,
        actions: usize,
        /// Positions of a bin of the attention window.
        window: Option<usize>,
    },
}

/// What a network remembers of one trajectory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Positions.
    seen: usize,
    /// Of each block; made at the first observation.
    blocks: Vec<Cache>,
}

impl Network {
    /// Builds one that reads vectors from `weights`, which have the names and shapes of [`Continuous::tensors`].
    pub(super) fn continuous(problem: &Problem, shape: &Continuous, weights: Vec<artifact::Tensor>) -> Self {
        let mut weights = by_name(weights);
        let input = Input::Vector(Linear::new("input", &mut weights));
        Self::new(problem, input, [shape.d_model, shape.layers, shape.heads], weights)
    }

    /// Builds one that reads symbols, with the names and shapes of [`Symbols::tensors`].
    pub(super) fn symbols(problem: &Problem, shape: &Symbols, weights: Vec<artifact::Tensor>) -> Self {
        let mut weights = by_name(weights);
        let mut table = |name: &str| weights.remove(name).unwrap_or_default();
        let input = Input::Symbols {
            table: table("embedding.weight"),
            places: table("places.weight"),
            env_step: shape.code.env_step(problem),
            actions: problem.hyperparameters.len(),
            window: shape.window.map(|bin| bin as usize),
        };
        Self::new(problem, input, [shape.d_model, shape.layers, shape.heads], weights)
    }

    fn new(problem: &Problem, input: Input, [width, layers, heads]: [usize; 3], mut weights: Weights) -> Self {
        Self {
            input,
            blocks: (0..layers).map(|n| Block::new(&format!("block{n}"), &mut weights)).collect(),
            norm: Norm::new("norm", &mut weights),
            actions: Linear::new("actions", &mut weights),
            value: Linear::new("value", &mut weights),
            width,
            heads,
            multipliers: problem.multipliers.len(),
        }
    }

    /// Reads the next observation (R) of a trajectory, as `tuning::Reader` gives it.
    pub(super) fn step(&self, memory: &mut Memory, read: &[f32]) -> Output {
        memory.blocks.resize_with(self.blocks.len(), Cache::default);
        let x = match &self.input {
            Input::Vector(input) => {
                let stretched: Vec<f32> = read.iter().map(|x| (x - CENTER) * STRETCH).collect();
                let mut x = input.forward(&stretched); // (R) -> (D)
                add(&mut x, &position(memory.seen, self.width));
                self.position(memory, x, 0)
            }
            Input::Symbols { table, places, env_step, actions, window } => {
                // Before the first observation stands a start alone: the rest of the actions' places is nothing.
                let nothing = if memory.seen == 0 { actions - 1 } else { 0 };
                let mut last = Vec::new();
                for symbol in &read[nothing..] {
                    // The start has the last place of an env step that is not counted.
                    let (place, t) = match memory.seen.checked_sub(1) {
                        Some(before) => (before % env_step, before / env_step),
                        None => (env_step - 1, 0),
                    };
                    let row = |table: &[f32], n: usize| table[n * self.width..(n + 1) * self.width].to_vec();
                    let mut x = row(table, *symbol as usize);
                    add(&mut x, &row(places, place));
                    add(&mut x, &position(t, self.width));
                    let first = window.map_or(0, |bin| (memory.seen / bin).saturating_sub(1) * bin);
                    last = self.position(memory, x, first);
                }
                last
            }
        };
        let x = self.norm.forward(&x);
        let logits = self.actions.forward(&x); // (C A)
        let log_probabilities = logits.chunks(self.multipliers).map(log_softmax).collect();
        Output { log_probabilities, value: self.value.forward(&x).first().copied() }
    }

    /// The next position (D) through all blocks, seeing those from `first` on; (D).
    fn position(&self, memory: &mut Memory, mut x: Vec<f32>, first: usize) -> Vec<f32> {
        for (block, cache) in self.blocks.iter().zip(&mut memory.blocks) {
            block.forward(&mut x, cache, self.heads, first);
        }
        memory.seen += 1;
        x
    }
}

fn by_name(weights: Vec<artifact::Tensor>) -> Weights {
    weights.into_iter().map(|(name, _, numbers)| (name, numbers)).collect()
}
