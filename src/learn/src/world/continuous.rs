//! Forecasters with continuous inputs, one position for each env step, that give a density over the changes of metrics
//! (`Residual` and `Buckets` of [`Output`]), and the odds of a divergence.
//!
//! Notation: K members, N = K B trajectories, T env steps, I inputs, M metrics, D width, P numbers of a density.

use tch::{Device, Kind, Tensor, no_grad};
use tuning::Problem;
use wire::artifact::{CENTER, STRETCH, layer};
use wire::settings::{Order, Output, WorldModelSettings};

use super::density::{Density, edges};
use super::examples::{Examples, input, seen, width};
use super::forecaster::{Forecaster, HEADS_GAIN, RARE, Row, mean_of_members};
use crate::nets::{Linear, Past, Trunk, Weights, Window, positions, to_vec};

/// An ensemble of K forecasters.
#[derive(Debug)]
pub(super) struct Continuous {
    problem: Problem,
    weights: Weights,
    input: Linear,
    trunk: Trunk,
    /// What makes the features of a metric of those drawn before it, where metrics are drawn in sequence.
    sequence: Option<Linear>,
    output: Linear,
    divergence: Linear,
    density: Density,
    /// (T, D).
    positions: Tensor,
    members: i64,
    metrics: usize,
}

impl Continuous {
    /// Fresh forecasters, whose weights depend on `seed` alone.
    pub fn new(problem: &Problem, settings: &WorldModelSettings, seed: u64, device: Device) -> Self {
        let (d, m) = (settings.d_model, problem.forecast().count());
        let (order, density) = match settings.output {
            Output::Residual { components, order } => (order, Density::Mixture(components)),
            Output::Buckets { buckets, order } => (order, Density::Buckets(vec![edges(Vec::new(), buckets); m])),
            Output::Symbols { .. } => unreachable!("symbols have a forecaster of their own"),
        };
        let in_sequence = order == Order::InSequence;
        let mut shapes = layer("input", d, Some(width(problem))).to_vec();
        shapes.extend(Trunk::shapes(d, settings.d_ff, settings.layers));
        if in_sequence {
            shapes.extend(layer("sequence", d, Some(d + 2 * m)));
        }
        shapes.extend(layer("output", density.width(if in_sequence { 1 } else { m }), Some(d)));
        shapes.extend(layer("divergence", 1, Some(d)));
        let mut weights = Weights::ensemble(settings.members, shapes, device).multiplied_in(super::kind(settings));
        weights.draw(seed, |name| match name {
            "output.weight" | "divergence.weight" => HEADS_GAIN,
            _ => 1.0,
        });
        let _ = no_grad(|| weights.get("divergence.bias").fill_(RARE));
        Self {
            problem: problem.clone(),
            input: Linear::new(&weights, "input"),
            trunk: Trunk::new(&weights, settings.layers, settings.heads, Window::All),
            sequence: in_sequence.then(|| Linear::new(&weights, "sequence")),
            output: Linear::new(&weights, "output"),
            divergence: Linear::new(&weights, "divergence"),
            density,
            positions: positions(problem.env_steps as usize, d, device),
            members: settings.members as i64,
            metrics: m,
            weights,
        }
    }

    /// inputs: (N, T, I) -> (N, T, D); position t depends on 0 ..= t only.
    pub fn forward(&self, inputs: &Tensor, dropout: f64) -> Tensor {
        let t = inputs.size()[1];
        self.trunk.forward(self.embed(inputs) + self.positions.narrow(0, 0, t), dropout)
    }

    fn embed(&self, inputs: &Tensor) -> Tensor {
        self.input.forward(&((inputs - f64::from(CENTER)) * f64::from(STRETCH)))
    }

    /// Log-likelihood of the changes (N, T, M) after positions x (N, T, D), in nats; (N, T).
    pub fn log_likelihood(&self, x: &Tensor, changes: &Tensor) -> Tensor {
        if self.sequence.is_none() {
            return self.density.log_likelihood(&self.output.forward(x), changes, 0);
        }
        let each = |metric: usize| {
            let numbers = self.output.forward(&self.features(x, changes, metric));
            self.density.log_likelihood(&numbers, &changes.narrow(-1, metric as i64, 1), metric)
        };
        (0..self.metrics).map(each).reduce(|a, b| a + b).expect("there is a metric")
    }

    /// What the density of `metric` is made of: the position, the changes (N, T, M) of the metrics before, and which it is.
    fn features(&self, x: &Tensor, changes: &Tensor, metric: usize) -> Tensor {
        let m = self.metrics as i64;
        let places = Tensor::arange(m, (Kind::Int64, x.device()));
        let before = changes * places.lt(metric as i64); // (N, T, M)
        let which = places.eq(metric as i64).to_kind(Kind::Float).expand_as(changes); // (N, T, M)
        let sequence = self.sequence.as_ref().expect("asked only where metrics are drawn in sequence");
        sequence.forward(&Tensor::cat(&[x, &before, &which], -1)).relu()
    }

    fn likelihood(&self, examples: &Examples, dropout: f64) -> Tensor {
        let x = self.forward(&examples.inputs, dropout);
        let divergence = divergence_likelihood(&self.divergence.forward(&x).squeeze_dim(-1), examples);
        self.log_likelihood(&x, &examples.changes) * &examples.ended + divergence
    }

    /// What is known of each row before its next env step, as the next position; (N, 1, D).
    fn read(&self, past: &mut Past, rows: &[Row]) -> Tensor {
        let t = past.seen as usize;
        let inputs =
            rows.iter().flat_map(|row| input(&self.problem, &seen(&self.problem, &row.metrics), &row.coming, t));
        let inputs = column(&inputs.collect::<Vec<_>>(), rows.len(), self.positions.device());
        self.trunk.step(self.embed(&inputs) + self.positions.narrow(0, t as i64, 1), past)
    }

    /// Draws changes for rows at positions x (N, 1, D), and notes what was to be expected of the objective.
    fn draw(&self, x: &Tensor, rows: &mut [Row]) -> Vec<Vec<f64>> {
        let objective = self.problem.objective_index();
        let place = self.problem.forecast().position(|(place, _)| place == objective).expect("it is always forecast");
        let metric = &self.problem.metrics[objective];
        let (m, mut drawn) = (self.metrics, vec![Vec::with_capacity(self.metrics); rows.len()]);
        let together = self.sequence.is_none();
        for group in 0..if together { 1 } else { m } {
            let numbers = if together {
                self.output.forward(x)
            } else {
                let so_far: Vec<f32> =
                    drawn.iter().flat_map(|d| (0..m).map(|n| d.get(n).map_or(0.0, |x| *x as f32))).collect();
                self.output.forward(&self.features(x, &column(&so_far, rows.len(), x.device()), group))
            };
            let (numbers, drawn_together) = (to_vec(&numbers), if together { m } else { 1 });
            let width = numbers.len() / rows.len();
            for ((numbers, row), drawn) in numbers.chunks(width).zip(rows.iter_mut()).zip(&mut drawn) {
                drawn.extend(self.density.sample(numbers, drawn_together, group, &mut row.random));
                if (group..group + drawn_together).contains(&place) {
                    let change = self.density.mean(numbers, drawn_together, group)[place - group];
                    let next = metric.seen(row.metrics[objective]) + change / f64::from(STRETCH);
                    row.expected = metric.raw(next.clamp(0.0, 1.0));
                }
            }
        }
        drawn
    }
}

impl Forecaster for Continuous {
    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn weights_mut(&mut self) -> &mut Weights {
        &mut self.weights
    }

    fn prepare(&mut self, examples: &Examples) {
        if let Density::Buckets(all) = &mut self.density {
            for (metric, of_metric) in all.iter_mut().enumerate() {
                let ended = examples.ended.to_kind(Kind::Bool);
                let changes = examples.changes.select(-1, metric as i64).masked_select(&ended);
                *of_metric = edges(to_vec(&changes), of_metric.len() - 1);
            }
        }
    }

    fn losses(&self, examples: &Examples, dropout: f64) -> Tensor {
        let happened = &examples.ended + &examples.diverged;
        mean_of_members(&-self.likelihood(examples, dropout), &happened, self.members)
    }

    fn surprise(&self, examples: &Examples) -> Tensor {
        let likelihood = self.log_likelihood(&self.forward(&examples.inputs, 0.0), &examples.changes);
        // Examples hold changes stretched, whose density is as much lower.
        let each = likelihood / self.metrics as f64 + f64::from(STRETCH).ln();
        mean_of_members(&(-each * &examples.ended), &examples.ended, self.members)
    }

    fn begin(&self) -> Past {
        self.trunk.past(self.problem.env_steps as usize)
    }

    fn step(&self, past: &mut Past, rows: &mut [Row]) {
        let x = self.read(past, rows);
        let divergence = to_vec(&self.divergence.forward(&x).sigmoid());
        for (row, probability) in rows.iter_mut().zip(divergence) {
            row.over |= row.random.uniform() < f64::from(probability);
        }
        let drawn = self.draw(&x, rows);
        for (row, changes) in rows.iter_mut().zip(drawn) {
            row.hyperparameters.clone_from(&row.coming);
            for ((place, metric), change) in self.problem.forecast().zip(changes) {
                let next = metric.seen(row.metrics[place]) + change / f64::from(STRETCH);
                row.put(place, metric.raw(next.clamp(0.0, 1.0)), !(0.0..=1.0).contains(&next));
            }
        }
    }

    fn show(&self, past: &mut Past, rows: &mut [Row], next: &[&[f64]]) {
        let _ = self.read(past, rows);
        for (row, next) in rows.iter_mut().zip(next) {
            row.hyperparameters.clone_from(&row.coming);
            row.metrics.copy_from_slice(next);
        }
    }

    fn fixed(&self) -> Vec<Vec<f32>> {
        if let Density::Buckets(edges) = &self.density { edges.clone() } else { Vec::new() }
    }

    fn set_fixed(&mut self, fixed: Vec<Vec<f32>>) {
        if let Density::Buckets(edges) = &mut self.density {
            *edges = fixed;
        }
    }
}

/// ln of the probability that an env step diverged or not, as it did, from log-odds; (N, T) each.
fn divergence_likelihood(log_odds: &Tensor, examples: &Examples) -> Tensor {
    // ln σ(x) where it came, ln σ(−x) where it did not.
    let sign = &examples.diverged * 2.0 - 1.0;
    (log_odds * sign).log_sigmoid() * (&examples.ended + &examples.diverged)
}

/// Plain numbers as a tensor (N, 1, width).
fn column(values: &[f32], n: usize, device: Device) -> Tensor {
    Tensor::from_slice(values).view([n as i64, 1, (values.len() / n) as i64]).to_device(device)
}

#[cfg(test)]
#[path = "continuous_tests.rs"]
mod tests;
