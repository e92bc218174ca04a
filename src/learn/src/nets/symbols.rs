//! Symbols as positions of a Transformer.
//!
//! Notation: N sequences, L symbols, T env steps of S symbols each, V entries of the alphabet, D width, K members.

use tch::{Device, Kind, Tensor};
use tuning::{Problem, SymbolCode};
use wire::artifact::symbols;

use super::Weights;
use super::blocks::positions;

/// Turns symbols into vectors: what the symbol is, which place it has within its env step (both learned), and which env
/// step it is (sinusoidal). Before the first symbol stands a start, which has an entry of its own behind the alphabet.
#[derive(Debug)]
pub(crate) struct Embedding {
    /// (K, V, D).
    table: Tensor,
    /// (K, S, D).
    places: Tensor,
    /// (T + 1, D).
    env_steps: Tensor,
    stride: i64,
}

impl Embedding {
    /// Names and shapes of its weights.
    pub(crate) fn shapes(problem: &Problem, code: SymbolCode, d: usize) -> [(String, Vec<usize>); 2] {
        symbols(problem, code, d)
    }

    pub(crate) fn new(weights: &Weights, problem: &Problem, code: SymbolCode, d: usize, device: Device) -> Self {
        Self {
            table: of_members(weights.get("embedding.weight")),
            places: of_members(weights.get("places.weight")),
            env_steps: positions(problem.env_steps as usize + 1, d, device),
            stride: code.env_step(problem) as i64,
        }
    }

    /// What first weights of its tables are multiplied by, so that their entries vary by 1, as positions do.
    pub(crate) fn gain([rows, d]: [usize; 2]) -> f64 {
        ((rows + d) as f64 / 2.0).sqrt()
    }

    /// symbols: (N, L), which follow `before` others (the start counts as one) -> (N, L, D).
    pub(crate) fn forward(&self, symbols: &Tensor, before: i64) -> Tensor {
        let device = symbols.device();
        // The start takes the place before the first symbol, whatever that is: the last of an env step.
        let positions = Tensor::arange_start(before - 1, before - 1 + symbols.size()[1], (Kind::Int64, device));
        let places = positions.remainder(self.stride);
        let env_steps = positions.floor_divide_scalar(self.stride).clamp_min(0);
        let env_steps = self.env_steps.index_select(0, &env_steps); // (L, D)
        let places = self.places.index_select(1, &places); // (K, L, D)
        let (k, v, d) = self.table.size3().expect("the table is (K, V, D)");
        let (n, l) = symbols.size2().expect("symbols are (N, L)");
        let offsets = Tensor::arange(k, (Kind::Int64, device)) * v;
        let rows = symbols.view([k, n / k, l]) + offsets.view([k, 1, 1]);
        let embedded = Tensor::embedding(&self.table.view([k * v, d]), &rows, -1, false, false); // (K, B, L, D)
        (embedded + places.unsqueeze(1) + env_steps).view([n, l, d])
    }

    /// The start, as a first symbol of `n` sequences; (N, 1).
    pub(crate) fn start(&self, n: i64) -> Tensor {
        let last = self.table.size()[1] - 1;
        Tensor::full([n, 1], last, (Kind::Int64, self.table.device()))
    }
}

/// A table of one network is that of an ensemble of one.
fn of_members(table: Tensor) -> Tensor {
    if table.dim() == 2 { table.unsqueeze(0) } else { table }
}
