//! Seeded draws that are the same in every program, language and order of events.

use std::f64::consts::{PI, TAU};

use serde::{Deserialize, Serialize};

/// SplitMix64 (Steele, Lea and Flood 2014): a counter through a mixing function, so that any draw can be named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

    /// A standard normal number (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (TAU * self.uniform() - PI).cos()
    }

    /// 0 .. `n` in random order (Fisher and Yates).
    pub fn shuffled(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bits_are_those_of_splitmix64() {
        // The reference outputs of SplitMix64 for the state 1234567, as published with it.
        let mut random = Random { state: 1_234_567 };
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!([(); 5].map(|()| random.bits()), expected);
    }

    #[test]
    fn every_sequence_of_labels_has_a_stream_of_its_own() {
        let labels: [&[u64]; 8] = [&[], &[0], &[0, 0], &[1], &[1, 2], &[2, 1], &[1, 2, 0], &[u64::MAX]];
        let mut first: Vec<u64> =
            (0..4).flat_map(|seed| labels.map(|labels| Random::stream(seed, labels).bits())).collect();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 32);
    }

    #[test]
    fn uniform_numbers_fill_the_interval_evenly() {
        let mut random = Random::stream(1, &[]);
        let mut counts = [0; 10];
        for _ in 0..100_000 {
            counts[(random.uniform() * 10.0) as usize] += 1;
        }
        // Six standard deviations of a count, √(n p (1 − p)) = 95.
        assert!(counts.iter().all(|count| (10_000_i32 - count).abs() < 570), "{counts:?}");
    }

    #[test]
    fn whole_numbers_reach_both_ends_evenly() {
        let mut random = Random::stream(2, &[]);
        let mut counts = [0_i32; 3];
        (0..30_000).for_each(|_| counts[random.below(3)] += 1);
        assert!(counts.iter().all(|count| (10_000 - count).abs() < 500), "{counts:?}");
        assert_eq!(random.below(1), 0);
    }

    fn logs(probabilities: &[f32]) -> Vec<f32> {
        probabilities.iter().map(|p| p.ln()).collect()
    }

    #[test]
    fn indices_are_drawn_as_often_as_their_probabilities_say() {
        let (probabilities, n) = ([0.1, 0.2, 0.0, 0.7], 100_000);
        let (distribution, mut random, mut counts) = (logs(&probabilities), Random::stream(3, &[]), [0.0; 4]);
        (0..n).for_each(|_| counts[sample(&distribution, random.uniform())] += 1.0);
        for (count, p) in counts.iter().zip(probabilities) {
            let deviation = (f64::from(n) * f64::from(p * (1.0 - p))).sqrt();
            assert!((count - f64::from(n) * f64::from(p)).abs() <= 6.0 * deviation, "{counts:?}");
        }
    }

    #[test]
    fn the_ends_of_the_interval_give_the_first_and_last_possible_index() {
        let distribution = logs(&[0.0, 0.5, 0.5, 0.0]);
        assert_eq!([0.0, 0.499, 0.501, 1.0 - f64::EPSILON].map(|u| sample(&distribution, u)), [1, 1, 2, 2]);
    }

    #[test]
    fn what_rounding_leaves_over_goes_to_the_last_possible_index() {
        assert_eq!(sample(&logs(&[0.3, 0.3, 0.3, 0.0]), 0.95), 2);
    }

    proptest! {
        #[test]
        fn numbers_stay_within_their_limits(seed: u64, n in 1_usize..1000) {
            let mut random = Random::stream(seed, &[]);
            prop_assert!((0.0..1.0).contains(&random.uniform()));
            prop_assert!(random.below(n) < n);
        }
    }
}
