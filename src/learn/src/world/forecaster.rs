//! What all kinds of forecasters have in common.
//!
//! A forecaster is a whole ensemble of K members, trained and asked together: its sequences come member by member, N = K B.

use std::fmt::Debug;

use tch::{Kind, Tensor};
use tuning::{Problem, Random};

use super::examples::Examples;
use crate::nets::{Past, Weights};

/// First log-odds of a divergence: rare until seen otherwise. Without it an ensemble makes up divergences that a policy
/// then learns to fear.
pub(super) const RARE: f64 = -7.0;
/// First weights of the heads are this much smaller, so that a fresh distribution is the same everywhere.
pub(super) const HEADS_GAIN: f64 = 0.1;

/// An ensemble of networks that forecast metrics.
pub(super) trait Forecaster: Debug + Send {
    /// Weights of all members.
    fn weights(&self) -> &Weights;

    /// The same, to be changed.
    fn weights_mut(&mut self) -> &mut Weights;

    /// Fits what is not learned by gradients to the first examples.
    fn prepare(&mut self, examples: &Examples);

    /// Loss of each member on its own B examples of the K · B, in nats per env step, (K); the training loss, whose
    /// symbols may be weighted.
    fn losses(&self, examples: &Examples, dropout: f64) -> Tensor;

    /// Negative log-likelihood of what each member's own examples measured, in nats for each symbol drawn or change of a
    /// metric; (K). Divergences are left out.
    fn surprise(&self, examples: &Examples) -> Tensor;

    /// Memory of trainings that have not begun.
    fn begin(&self) -> Past;

    /// Forecasts one env step of N trainings, given by what is known of them; puts the forecasts there.
    fn step(&self, past: &mut Past, rows: &mut [Row]);

    /// The same, where what came is known: puts the metrics `next` of each row there, in the problem's order.
    fn show(&self, past: &mut Past, rows: &mut [Row], next: &[&[f64]]);

    /// What belongs to the forecaster beside its weights: what [`Forecaster::prepare`] made.
    fn fixed(&self) -> Vec<Vec<f32>>;

    /// Takes over what [`Forecaster::fixed`] gave.
    fn set_fixed(&mut self, fixed: Vec<Vec<f32>>);
}

/// One simulated training, as its forecaster knows it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Metrics in the problem's order, raw; those that are not forecast are at the low end of their range.
    pub metrics: Vec<f64>,
    /// Values in force when they were measured.
    pub hyperparameters: Vec<f64>,
    /// Actions taken then, and the values that they led to.
    pub actions: Vec<usize>,
    pub coming: Vec<f64>,
    pub random: Random,
    /// The last symbol drawn, which the network has not read yet.
    pub unread: Option<i64>,
    /// Mean of the forecast of the objective, raw; of forecasts in symbols, which have none, the value drawn.
    pub expected: f64,
    /// Whether it has diverged.
    pub over: bool,
    /// Numbers drawn, and those of them that lay outside their metric's range.
    pub drawn: usize,
    pub outside: usize,
}

impl Row {
    /// A training that has been observed once.
    pub fn new(problem: &Problem, metrics: Vec<f64>, hyperparameters: Vec<f64>, random: Random) -> Self {
        let (actions, coming) = (problem.keep_all(), hyperparameters.clone());
        let (unread, over, drawn, outside) = (None, false, 0, 0);
        let expected = metrics[problem.objective_index()];
        Self { metrics, hyperparameters, actions, coming, random, unread, expected, over, drawn, outside }
    }

    /// Puts a drawn value of a metric, kept within its range, which it had left if it was `outside`.
    pub fn put(&mut self, place: usize, value: f64, outside: bool) {
        self.drawn += 1;
        self.outside += usize::from(outside);
        self.metrics[place] = value;
    }
}

/// Mean over what happened in each member's examples: `sums` and `counts` are (N, T) -> (K).
pub(super) fn mean_of_members(sums: &Tensor, counts: &Tensor, members: i64) -> Tensor {
    let total = |x: &Tensor| x.reshape([members, -1]).sum_dim_intlist([1_i64].as_slice(), false, Kind::Float);
    total(sums) / total(counts).clamp_min(1.0)
}
