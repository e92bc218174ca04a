//! Seeded draws that are the same in every program, language and order of events.

/// SplitMix64 (Steele, Lea and Flood 2014): a counter through a mixing function, so that any draw can be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A stream of its own for each sequence of labels under `seed`.
    pub fn stream(seed: u64, labels: &[u64]) -> Self {
        let state = labels.iter().fold(mix(seed), |state, label| mix(state ^ mix(label.wrapping_add(GOLDEN))));
        Self { state }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// Uniform in [0, 1), with 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in 0 .. `n`; `n` must not be 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.uniform() * n as f64) as usize).min(n - 1)
    }
}

/// 2⁶⁴ divided by the golden ratio, odd.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Index drawn from a categorical distribution for a uniform number in [0, 1). `log_probabilities` sum to 1 when
/// exponentiated, up to rounding; what rounding leaves over goes to the last index with any probability.
pub fn sample(log_probabilities: &[f32], uniform: f64) -> usize {
    let mut left = uniform;
    let mut last = 0;
    for (index, log_probability) in log_probabilities.iter().enumerate() {
        let probability = f64::from(*log_probability).exp();
        if left < probability {
            return index;
        }
        if probability > 0.0 {
            last = index;
        }
        left -= probability;
    }
    last
}
