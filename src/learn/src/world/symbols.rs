//! The talk's forecaster: a Transformer over trajectories in symbols of fixed-precision numbers.
//!
//! Symbols that are known (hyperparameters, actions) enter in one forward pass; those of metrics are drawn one after the
//! other, of all trajectories at once, each from its own seed. `Draws::Observations` draws hyperparameters too.
//!
//! Notation: K members, N = K B trajectories, T env steps of S symbols, of which O are an observation's, V symbols of the
//! alphabet, G symbols drawn in an env step, D width.

use tch::{Device, Kind, Tensor, no_grad};
use tuning::{FixedPrecision, Problem, SymbolCode};
use wire::artifact::layer;
use wire::settings::{Draws, Output, WorldModelSettings};

use super::examples::Examples;
use super::forecaster::{Forecaster, HEADS_GAIN, RARE, Row, mean_of_members};
use crate::nets::{Embedding, Linear, Past, Trunk, Weights, Window};

/// An ensemble of K forecasters.
#[derive(Debug)]
pub(super) struct Symbols {
    problem: Problem,
    code: SymbolCode,
    precision: FixedPrecision,
    draws: Draws,
    weights: Weights,
    embedding: Embedding,
    trunk: Trunk,
    output: Linear,
    members: i64,
    /// Weight of each drawn symbol's loss, (G).
    significance: Tensor,
}

impl Symbols {
    /// Fresh forecasters, whose weights depend on `seed` alone.
    pub fn new(problem: &Problem, settings: &WorldModelSettings, seed: u64, device: Device) -> Self {
        let Output::Symbols { code, significance_decay, window, draws } = settings.output else {
            unreachable!("other outputs have a forecaster of their own");
        };
        let (d, v) = (settings.d_model, usize::from(code.vocabulary));
        let precision = code.precision().expect("the code was checked when the settings were");
        let mut shapes = Embedding::shapes(problem, code, d).to_vec();
        let rows = [shapes[0].1[0], shapes[1].1[0]];
        shapes.extend(Trunk::shapes(d, settings.d_ff, settings.layers));
        // One more than the alphabet: that the training diverged.
        shapes.extend(layer("output", v + 1, Some(d)));
        let mut weights = Weights::ensemble(settings.members, shapes, device).multiplied_in(super::kind(settings));
        weights.draw(seed, |name| match name {
            "embedding.weight" => Embedding::gain([rows[0], d]),
            "places.weight" => Embedding::gain([rows[1], d]),
            "output.weight" => HEADS_GAIN,
            _ => 1.0,
        });
        let _ = no_grad(|| weights.get("output.bias").narrow(1, v as i64, 1).fill_(RARE));
        let numbers = drawn(problem, code, draws) / usize::from(code.symbols);
        let significance = precision.significance(significance_decay).repeat(numbers);
        let significance: Vec<f32> = significance.into_iter().map(|weight| weight as f32).collect();
        Self {
            problem: problem.clone(),
            code,
            precision,
            draws,
            embedding: Embedding::new(&weights, problem, code, d, device),
            trunk: Trunk::new(&weights, settings.layers, settings.heads, Window::of(window)),
            output: Linear::new(&weights, "output"),
            members: settings.members as i64,
            significance: Tensor::from_slice(&significance).to_device(device),
            weights,
        }
    }

    /// Logits of every symbol that is drawn after the first observation, from whole sequences (N, T S + O);
    /// (N, T, G, V + 1).
    pub fn forward(&self, symbols: &Tensor, dropout: f64) -> Tensor {
        let (n, length) = symbols.size2().expect("symbols are (N, T S + O)");
        let (s, o) = (self.code.env_step(&self.problem) as i64, self.code.observation(&self.problem) as i64);
        let (t, g) = ((length - o) / s, self.significance.size()[0]);
        let known = Tensor::cat(&[self.embedding.start(n), symbols.narrow(1, 0, length - 1)], 1);
        let x = self.trunk.forward(self.embedding.forward(&known, 0), dropout); // (N, T S + O, D)
        // The symbol before one that is drawn stands at its place in `known`: those of observation t + 1 begin at (t + 1) S.
        let padded = x.narrow(1, s, length - s).constant_pad_nd([0, 0, 0, s - o]); // (N, T S, D)
        let before = padded.view([n, t, s, -1]).narrow(2, 0, g); // (N, T, G, D)
        self.output.forward(&before)
    }

    /// Cross-entropy of each drawn symbol, (N, T, G), 0 where nothing happened.
    fn entropies(&self, examples: &Examples, dropout: f64) -> Tensor {
        let logits = self.forward(&examples.symbols, dropout);
        let (n, t, g, v) = logits.size4().expect("logits are (N, T, G, V + 1)");
        let (s, o) = (self.code.env_step(&self.problem) as i64, self.code.observation(&self.problem) as i64);
        let targets = examples.symbols.narrow(1, s, t * s + o - s).constant_pad_nd([0, s - o]);
        let targets = targets.view([n, t, s]).narrow(2, 0, g); // (N, T, G)
        let diverged = examples.diverged.unsqueeze(-1).to_kind(Kind::Bool); // (N, T, 1)
        let targets = targets.masked_fill(&diverged, v - 1);
        let first = Tensor::arange(g, (Kind::Int64, targets.device())).eq(0); // (G)
        // Of a diverged env step only the first symbol says so.
        let counts = examples.ended.unsqueeze(-1) + examples.diverged.unsqueeze(-1) * first; // (N, T, G)
        let chosen = logits.log_softmax(-1, Kind::Float).gather(-1, &targets.unsqueeze(-1), false);
        -chosen.squeeze_dim(-1) * counts
    }

    /// Draws the symbols of an env step, after the `known` ones (N, L); the last column is never read again by the caller's
    /// next call unless it is given. Gives (N, G), V at the first where a training diverged.
    fn draw(&self, past: &mut Past, known: &Tensor, uniforms: &Tensor) -> Tensor {
        let v = i64::from(self.code.vocabulary);
        let mut next = known.shallow_clone();
        let mut drawn = Vec::new();
        for place in 0..uniforms.size()[1] {
            let x = self.trunk.step(self.embedding.forward(&next, past.seen), past);
            let logits = self.output.forward(&x).squeeze_dim(1); // (N, 1, D) -> (N, V + 1)
            // Divergence shows in the first symbol only.
            let logits = if place == 0 { logits } else { logits.narrow(1, 0, v) };
            let shares = logits.softmax(-1, Kind::Float).cumsum(-1, Kind::Float);
            let below = shares.le_tensor(&uniforms.narrow(1, place, 1));
            let most = logits.size()[1] - 1;
            let symbol = below.sum_dim_intlist([1_i64].as_slice(), true, Kind::Int64).clamp_max(most); // (N, 1)
            // A training that is over goes on with any symbol, so that sequences keep their shape.
            next = symbol.clamp_max(v - 1);
            drawn.push(symbol);
        }
        Tensor::cat(&drawn, 1)
    }

    /// The symbols that a row has to tell before its next metrics are drawn.
    fn known(&self, row: &Row, is_first: bool, last: Option<i64>) -> Vec<i64> {
        let (m, observation) = (self.code.metrics(&self.problem), self.code.observation(&self.problem));
        let symbols = self.code.write(&self.problem, &row.metrics, &row.hyperparameters);
        let from = match (is_first, self.draws) {
            (true, _) => 0,
            // The last drawn symbol has not been read yet, and after metrics come the hyperparameters that followed.
            (false, Draws::Metrics) => m,
            (false, Draws::Observations) => observation,
        };
        let told = symbols[from..].iter().map(|symbol| i64::from(*symbol));
        last.into_iter().chain(told).chain(row.actions.iter().map(|action| *action as i64)).collect()
    }

    /// The symbols that all rows have to tell, (N, L), with the start before the very first.
    fn told(&self, past: &Past, rows: &[Row]) -> Tensor {
        let (n, is_first) = (rows.len() as i64, past.seen == 0);
        let known: Vec<i64> = rows.iter().flat_map(|row| self.known(row, is_first, row.unread)).collect();
        let known = Tensor::from_slice(&known).view([n, -1]).to_device(self.significance.device());
        if is_first { Tensor::cat(&[self.embedding.start(n), known], 1) } else { known }
    }

    /// Puts what the drawn symbols say into the row.
    fn read(&self, row: &mut Row, symbols: &[i64]) {
        let p = usize::from(self.code.symbols);
        if symbols[0] == i64::from(self.code.vocabulary) {
            row.over = true;
            return;
        }
        let mut numbers = symbols.chunks(p).map(|symbols| {
            let symbols: Vec<u16> = symbols.iter().map(|symbol| *symbol as u16).collect();
            self.precision.decode(&symbols).expect("drawn symbols are of the alphabet")
        });
        for (place, metric) in self.problem.forecast() {
            let unit = numbers.next().unwrap_or_default();
            let (value, [low, high]) = (self.code.raw(metric, unit), metric.range);
            // Rounding in the scale is no departure.
            let slack = 1e-9 * metric.span();
            row.put(place, value.clamp(low, high), !(low - slack..=high + slack).contains(&value));
        }
        row.expected = row.metrics[self.problem.objective_index()];
        row.hyperparameters = match self.draws {
            Draws::Metrics => row.coming.clone(),
            Draws::Observations => self.problem.hyperparameters.iter().zip(numbers).map(|(h, x)| h.unseen(x)).collect(),
        };
    }
}

/// Symbols drawn in an env step.
fn drawn(problem: &Problem, code: SymbolCode, draws: Draws) -> usize {
    match draws {
        Draws::Metrics => code.metrics(problem),
        Draws::Observations => code.observation(problem),
    }
}

impl Forecaster for Symbols {
    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn weights_mut(&mut self) -> &mut Weights {
        &mut self.weights
    }

    fn prepare(&mut self, _: &Examples) {}

    fn losses(&self, examples: &Examples, dropout: f64) -> Tensor {
        let weighted = self.entropies(examples, dropout) * &self.significance;
        let happened = &examples.ended + &examples.diverged;
        mean_of_members(&weighted.sum_dim_intlist([-1_i64].as_slice(), false, Kind::Float), &happened, self.members)
    }

    fn surprise(&self, examples: &Examples) -> Tensor {
        let each = self.entropies(examples, 0.0).mean_dim([-1_i64].as_slice(), false, Kind::Float); // (N, T)
        mean_of_members(&(each * &examples.ended), &examples.ended, self.members)
    }

    fn begin(&self) -> Past {
        let steps = self.problem.env_steps as usize * self.code.env_step(&self.problem);
        self.trunk.past(1 + steps + self.code.observation(&self.problem))
    }

    fn show(&self, past: &mut Past, rows: &mut [Row], next: &[&[f64]]) {
        let g = self.significance.size()[0] as usize;
        let mut drawn = Vec::new();
        let told = self.told(past, rows);
        for (row, next) in rows.iter_mut().zip(next) {
            row.metrics.copy_from_slice(next);
            row.hyperparameters.clone_from(&row.coming);
            let symbols = self.code.write(&self.problem, &row.metrics, &row.hyperparameters);
            row.unread = Some(i64::from(symbols[g - 1]));
            drawn.extend(symbols[..g - 1].iter().map(|symbol| i64::from(*symbol)));
        }
        let drawn = Tensor::from_slice(&drawn).view([rows.len() as i64, -1]).to_device(told.device());
        let read = Tensor::cat(&[told, drawn], 1);
        let _ = self.trunk.step(self.embedding.forward(&read, past.seen), past);
    }

    fn step(&self, past: &mut Past, rows: &mut [Row]) {
        let (n, device) = (rows.len() as i64, self.significance.device());
        let known = self.told(past, rows);
        let g = self.significance.size()[0];
        let uniforms = rows.iter_mut().flat_map(|row| (0..g).map(|_| row.random.uniform() as f32).collect::<Vec<_>>());
        let uniforms = Tensor::from_slice(&uniforms.collect::<Vec<_>>()).view([n, g]).to_device(device);
        let symbols = self.draw(past, &known, &uniforms).to_device(Device::Cpu).reshape([-1]);
        let symbols: Vec<i64> = Vec::try_from(symbols).expect("a flat tensor on the CPU is a vector");
        for (row, symbols) in rows.iter_mut().zip(symbols.chunks(g as usize)) {
            row.unread = symbols.last().map(|symbol| (*symbol).min(i64::from(self.code.vocabulary) - 1));
            self.read(row, symbols);
        }
    }

    fn fixed(&self) -> Vec<Vec<f32>> {
        Vec::new()
    }

    fn set_fixed(&mut self, _: Vec<Vec<f32>>) {}
}

#[cfg(test)]
#[path = "symbols_tests.rs"]
mod tests;
