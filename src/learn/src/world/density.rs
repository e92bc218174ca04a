//! Distributions over changes of metrics, from the numbers that a network gives.
//!
//! Notation: … leading dimensions, m metrics that are drawn together, P numbers of a network, G Gaussians, Q buckets.

use std::f64::consts::PI;

use tch::{Kind, Tensor};
use tuning::{Random, sample};

/// Smallest standard deviation, in the unit of changes: curves of accuracies have steps, and a density must not grow
/// without bound on them.
const NARROWEST: f64 = 0.02;
/// First standard deviations are this large.
const FIRST: f64 = 0.5;
/// Least width of a bucket, in the unit of changes, for the same reason.
const LEAST_BUCKET: f32 = 0.02;

/// A kind of distribution.
#[derive(Clone, Debug)]
pub(super) enum Density {
    /// A mixture of G Gaussians, whose metrics are independent within each: that they move together is what the choice of
    /// one says (Bishop 1994).
    Mixture(usize),
    /// Shares of intervals, uniform within each; edges of each metric's intervals, Q + 1.
    Buckets(Vec<Vec<f32>>),
}

impl Density {
    /// Numbers P that it takes for `m` metrics at once.
    pub fn width(&self, m: usize) -> usize {
        match self {
            Self::Mixture(components) => components * (1 + 2 * m),
            Self::Buckets(edges) => m * (edges[0].len() - 1),
        }
    }

    /// Logarithm of the density of `values` (…, m), which are those of the metrics from `first` on, where the network
    /// gave `numbers` (…, P); (…).
    pub fn log_likelihood(&self, numbers: &Tensor, values: &Tensor, first: usize) -> Tensor {
        let m = *values.size().last().expect("values have metrics");
        match self {
            Self::Mixture(components) => Mixture::of(numbers, *components as i64, m).log_likelihood(values),
            Self::Buckets(edges) => {
                let of = |n: i64| {
                    let edges = Tensor::from_slice(&edges[first + n as usize]).to_device(values.device());
                    let buckets = edges.size()[0] - 1;
                    let shares = numbers.narrow(-1, n * buckets, buckets).log_softmax(-1, Kind::Float); // (…, Q)
                    let inner = edges.narrow(0, 1, buckets - 1);
                    let bucket = values.narrow(-1, n, 1).contiguous().bucketize(&inner, false, false); // (…, 1)
                    let widths = (edges.narrow(0, 1, buckets) - edges.narrow(0, 0, buckets)).log();
                    let width = widths.index_select(0, &bucket.reshape([-1])).view_as(&bucket);
                    (shares.gather(-1, &bucket, false) - width).squeeze_dim(-1)
                };
                (0..m).map(of).reduce(|a, b| a + b).expect("there is a metric")
            }
        }
    }

    /// Means of `m` values, those of the metrics from `first` on, where the network gave `numbers` (P).
    pub fn mean(&self, numbers: &[f32], m: usize, first: usize) -> Vec<f64> {
        let shares = |logits: &[f32]| log_softmax(logits).into_iter().map(|x| f64::from(x).exp()).collect::<Vec<_>>();
        match self {
            Self::Mixture(components) => {
                let (logits, rest) = numbers.split_at(*components);
                let weights = shares(logits);
                let of = |n: usize| {
                    let means = rest[n..].iter().step_by(m).take(*components);
                    weights.iter().zip(means).map(|(weight, mean)| weight * f64::from(*mean)).sum()
                };
                (0..m).map(of).collect()
            }
            Self::Buckets(edges) => {
                let of = |(numbers, edges): (&[f32], &Vec<f32>)| {
                    let middles = edges.windows(2).map(|pair| f64::from(pair[0] + pair[1]) / 2.0);
                    shares(numbers).into_iter().zip(middles).map(|(share, middle)| share * middle).sum()
                };
                numbers.chunks(numbers.len() / m).zip(&edges[first..]).map(of).collect()
            }
        }
    }

    /// Draws `m` values, those of the metrics from `first` on, from the `numbers` (P) that a network gave.
    pub fn sample(&self, numbers: &[f32], m: usize, first: usize, random: &mut Random) -> Vec<f64> {
        match self {
            Self::Mixture(components) => {
                let (shares, rest) = numbers.split_at(*components);
                let component = sample(&log_softmax(shares), random.uniform());
                let (means, deviations) = rest.split_at(components * m);
                let from = component * m;
                let gaussians = means[from..from + m].iter().zip(&deviations[from..from + m]);
                gaussians.map(|(mean, x)| f64::from(*mean) + deviation(f64::from(*x)) * random.normal()).collect()
            }
            Self::Buckets(edges) => {
                let of = |(numbers, edges): (&[f32], &Vec<f32>)| {
                    let bucket = sample(&log_softmax(numbers), random.uniform());
                    let [low, high] = [edges[bucket], edges[bucket + 1]].map(f64::from);
                    low + (high - low) * random.uniform()
                };
                numbers.chunks(numbers.len() / m).zip(&edges[first..]).map(of).collect()
            }
        }
    }
}

struct Mixture {
    /// (…, G).
    log_shares: Tensor,
    /// (…, G, m).
    means: Tensor,
    /// (…, G, m).
    log_deviations: Tensor,
}

impl Mixture {
    fn of(numbers: &Tensor, components: i64, m: i64) -> Self {
        let parts = numbers.split_with_sizes([components, components * m, components * m], -1);
        let mut shape = parts[0].size();
        shape.push(m);
        // Softplus keeps it above the floor, smoothly.
        let log_deviations = (&parts[2] + first_deviation()).softplus() + NARROWEST.ln();
        Self {
            log_shares: parts[0].log_softmax(-1, Kind::Float),
            means: parts[1].view(&shape[..]),
            log_deviations: log_deviations.view(&shape[..]),
        }
    }

    /// values: (…, m) -> (…), in nats.
    fn log_likelihood(&self, values: &Tensor) -> Tensor {
        let distance = (values.unsqueeze(-2) - &self.means) / self.log_deviations.exp(); // (…, G, m)
        let each: Tensor = distance.square() / -2.0 - &self.log_deviations - (2.0 * PI).ln() / 2.0;
        (each.sum_dim_intlist([-1_i64].as_slice(), false, Kind::Float) + &self.log_shares)
            .logsumexp([-1_i64].as_slice(), false)
    }
}

/// What makes the first standard deviations [`FIRST`], about.
fn first_deviation() -> f64 {
    FIRST.ln() - NARROWEST.ln()
}

/// A standard deviation from a network's number, as in [`Mixture::of`].
fn deviation(x: f64) -> f64 {
    let x = x + first_deviation();
    let softplus = if x > 20.0 { x } else { x.exp().ln_1p() };
    (softplus + NARROWEST.ln()).exp()
}

fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total = logits.iter().map(|x| (x - top).exp()).sum::<f32>().ln();
    logits.iter().map(|x| x - top - total).collect()
}

/// Edges of `buckets` intervals that hold equally many of `values`, and a little room at both ends.
pub(super) fn edges(mut values: Vec<f32>, buckets: usize) -> Vec<f32> {
    if values.is_empty() {
        values.push(0.0);
    }
    values.sort_by(f32::total_cmp);
    let (low, high) = (values[0], values[values.len() - 1]);
    let room = ((high - low) * 0.1).max(0.5);
    let inner = |n: usize| {
        let place = n * values.len() / buckets;
        // Between two values, so that a value that occurs often lies within an interval.
        (values[place.saturating_sub(1)] + values[place]) / 2.0
    };
    let mut edges = vec![low - room];
    for n in 1..buckets {
        let least = edges[n - 1] + LEAST_BUCKET;
        edges.push(inner(n).max(least));
    }
    let last = edges[buckets - 1] + LEAST_BUCKET;
    edges.push((high + room).max(last));
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_that_of_many_draws() {
        let mut numbers = vec![0.3, -0.4, 0.8, -0.5, 0.1, 0.6, -2.0, -2.5, -3.0, -2.2];
        let mixture = Density::Mixture(2);
        let buckets = Density::Buckets(vec![vec![-1.0, -0.2, 0.1, 0.4, 2.0]; 2]);
        for (density, p) in [(mixture, 10), (buckets, 8)] {
            numbers.truncate(p);
            let mut random = Random::stream(1, &[]);
            let mut sums = [0.0; 2];
            for _ in 0..40_000 {
                let drawn = density.sample(&numbers, 2, 0, &mut random);
                sums.iter_mut().zip(drawn).for_each(|(sum, x)| *sum += x / 40_000.0);
            }
            for (mean, sum) in density.mean(&numbers, 2, 0).iter().zip(sums) {
                assert!((mean - sum).abs() < 0.02, "{density:?}: {mean} and {sum}");
            }
        }
    }
}
