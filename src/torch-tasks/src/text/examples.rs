//! What a model reads at once, and what it is to say.
//!
//! Notation: B rows of a batch, T tokens of a row.

use anyhow::{Result, ensure};
use tch::{Device, Kind, Tensor};

use super::Vocabulary;
use super::lines::Line;

/// Stands in the place of a target that does not count.
pub const IGNORED: i64 = -100;

/// Rows of one split: windows of a text as long as a model can read, one after the other; or one translation each, behind its
/// source, of which the translation alone counts.
#[derive(Debug)]
pub struct Examples {
    tokens: Vec<u32>,
    rows: Vec<Row>,
}

/// Tokens of a row: all but the last are read, all but the first are to be predicted.
#[derive(Clone, Copy, Debug)]
struct Row {
    start: usize,
    length: u32,
    /// The first one within the row that counts as a target.
    counts_from: u32,
}

/// Rows on the device that trains.
#[derive(Debug)]
pub struct Batch {
    /// (B, T), what is read.
    pub inputs: Tensor,
    /// (B, T), the token after each, or [`IGNORED`].
    pub targets: Tensor,
}

impl Examples {
    /// Of the lines of a split, in rows of up to `context` tokens and the one after them.
    pub(super) fn of(vocabulary: &Vocabulary, lines: Vec<Line>, context: usize) -> Result<Self> {
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        let texts = vocabulary.tokens(&texts)?;
        let sources: Vec<&str> = lines.iter().filter_map(|line| line.source.as_deref()).collect();
        if sources.is_empty() {
            return Self::stream(
                texts.into_iter().flat_map(|line| [line, vec![Vocabulary::END]].concat()).collect(),
                context,
            );
        }
        Self::pairs(vocabulary.tokens(&sources)?.into_iter().zip(texts), context)
    }

    /// Windows of a text; the last may be shorter.
    fn stream(tokens: Vec<u32>, context: usize) -> Result<Self> {
        let last = tokens.len().saturating_sub(1);
        let row = |start: usize| Row { start, length: (context.min(last - start) + 1) as u32, counts_from: 1 };
        let rows: Vec<Row> = (0..last).step_by(context).map(row).collect();
        ensure!(!rows.is_empty(), "it has {} tokens, expected at least 2", tokens.len());
        Ok(Self { tokens, rows })
    }

    /// Source, separator, target, end; those that are longer than what a model can read are left out.
    fn pairs(pairs: impl Iterator<Item = (Vec<u32>, Vec<u32>)>, context: usize) -> Result<Self> {
        let (mut tokens, mut rows, mut count) = (Vec::new(), Vec::new(), 0);
        for (source, target) in pairs {
            count += 1;
            let length = source.len() + target.len() + 2;
            if length <= context + 1 {
                let (start, counts_from) = (tokens.len(), source.len() as u32 + 1);
                rows.push(Row { start, length: length as u32, counts_from });
                tokens.extend(source.into_iter().chain([Vocabulary::SEPARATOR]).chain(target).chain([Vocabulary::END]));
            }
        }
        let left_out = count - rows.len();
        ensure!(!rows.is_empty(), "all of its {count} pairs are longer than --context {context}");
        if left_out > 0 {
            eprintln!("warning: {left_out} of {count} pairs are longer than --context {context} and left out");
        }
        Ok(Self { tokens, rows })
    }

    /// Number of rows.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// Number of tokens that count as targets.
    pub fn targets(&self) -> usize {
        self.rows.iter().map(|row| (row.length - row.counts_from) as usize).sum()
    }

    /// So many rows, evenly spread over all of them; all if they are less.
    pub fn spread(&self, rows: usize) -> Vec<usize> {
        let (count, all) = (rows.min(self.count()), self.count());
        (0..count).map(|number| number * all / count).collect()
    }

    /// Batches of those rows, each as long as its longest row. They come to `device` in one copy: each copy makes the program
    /// wait for the device.
    pub fn batches(&self, batches: &[Vec<usize>], device: Device) -> Vec<Batch> {
        let length = |rows: &Vec<usize>| rows.iter().map(|row| self.rows[*row].length as usize - 1).max().unwrap_or(0);
        let lengths: Vec<usize> = batches.iter().map(length).collect();
        let cells: usize = batches.iter().zip(&lengths).map(|(rows, length)| rows.len() * length).sum();
        let mut numbers = vec![0_i32; 2 * cells];
        let (inputs, targets) = numbers.split_at_mut(cells);
        let mut from = 0;
        for (rows, length) in batches.iter().zip(&lengths) {
            for row in rows {
                let to = from + length;
                self.write(self.rows[*row], &mut inputs[from..to], &mut targets[from..to]);
                from = to;
            }
        }
        let numbers = Tensor::from_slice(&numbers).to_device(device);
        let mut from = 0;
        let cut = |(rows, length): (&Vec<usize>, &usize)| {
            let size = [rows.len() as i64, *length as i64];
            let part = |offset: usize| numbers.narrow(0, offset as i64, size[0] * size[1]).view(size); // (B, T)
            let batch = Batch { inputs: part(from), targets: part(cells + from) };
            from += rows.len() * length;
            batch
        };
        batches.iter().zip(&lengths).map(cut).collect()
    }

    /// What is behind the end of a row is never read by anything that counts.
    fn write(&self, row: Row, inputs: &mut [i32], targets: &mut [i32]) {
        let (length, counts_from) = (row.length as usize, row.counts_from as usize);
        let tokens = &self.tokens[row.start..][..length];
        targets.fill(IGNORED as i32);
        inputs.iter_mut().zip(tokens).take(length - 1).for_each(|(input, token)| *input = *token as i32);
        for (target, token) in targets[counts_from - 1..].iter_mut().zip(&tokens[counts_from..]) {
            *target = *token as i32;
        }
    }
}

impl Batch {
    /// Targets as losses want them, (B · T), and how many of them count, a single number on the device.
    pub fn wanted(&self) -> (Tensor, Tensor) {
        let targets = self.targets.to_kind(Kind::Int64).view([-1]);
        let count = targets.ge(0).sum(Kind::Float);
        (targets, count)
    }
}
