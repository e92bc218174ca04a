//! Fixed-precision encoding: numbers as symbols (the talk, *Time series forecasting*).

/// P symbols of an alphabet of V for a number in [0, 1], most significant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedPrecision {
    vocabulary: u16,
    symbols: u8,
}

/// Why an encoding is impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    /// Fewer than two symbols, none per number, or more codes than a double can tell apart.
    #[error(
        "an encoding needs a vocabulary of at least 2, at least 1 symbol, and at most 2^52 codes (got vocabulary {vocabulary}, symbols {symbols})"
    )]
    Size {
        /// Vocabulary asked for.
        vocabulary: u16,
        /// Symbols per number asked for.
        symbols: u8,
    },
    /// A symbol is not in the alphabet.
    #[error("symbol {symbol} is outside the vocabulary of {vocabulary}")]
    Symbol {
        /// The symbol.
        symbol: u16,
        /// Size of the alphabet.
        vocabulary: u16,
    },
    /// A number was given by too few or too many symbols.
    #[error("a number takes {expected} symbols, got {got}")]
    Count {
        /// Symbols per number.
        expected: u8,
        /// Symbols given.
        got: usize,
    },
}

impl FixedPrecision {
    /// An encoding with `vocabulary` symbols (V), `symbols` per number (P).
    pub fn new(vocabulary: u16, symbols: u8) -> Result<Self, EncodingError> {
        let bits = f64::from(vocabulary).log2() * f64::from(symbols);
        if vocabulary < 2 || symbols == 0 || bits > 52.0 {
            return Err(EncodingError::Size { vocabulary, symbols });
        }
        Ok(Self { vocabulary, symbols })
    }

    /// Number of codes, V^P.
    pub fn codes(&self) -> u64 {
        u64::from(self.vocabulary).pow(u32::from(self.symbols))
    }

    /// Width of the interval that shares a code, V^−P.
    pub fn precision(&self) -> f64 {
        1.0 / self.codes() as f64
    }

    /// Symbols of `x`, which is clipped to [0, 1]; 1 takes the top code, a NaN the lowest.
    pub fn encode(&self, x: f64) -> Vec<u16> {
        let mut code = ((x * self.codes() as f64) as u64).min(self.codes() - 1);
        let mut symbols = vec![0; usize::from(self.symbols)];
        for symbol in symbols.iter_mut().rev() {
            *symbol = (code % u64::from(self.vocabulary)) as u16;
            code /= u64::from(self.vocabulary);
        }
        symbols
    }

    /// The middle of the interval that `symbols` stand for.
    pub fn decode(&self, symbols: &[u16]) -> Result<f64, EncodingError> {
        if symbols.len() != usize::from(self.symbols) {
            return Err(EncodingError::Count { expected: self.symbols, got: symbols.len() });
        }
        let mut code = 0;
        for &symbol in symbols {
            if symbol >= self.vocabulary {
                return Err(EncodingError::Symbol { symbol, vocabulary: self.vocabulary });
            }
            code = code * u64::from(self.vocabulary) + u64::from(symbol);
        }
        Ok((code as f64 + 0.5) * self.precision())
    }

    /// Weight of each symbol in the loss: `decay` to the power of its significance (0 for the first).
    pub fn significance(&self, decay: f64) -> Vec<f64> {
        (0..i32::from(self.symbols)).map(|place| decay.powi(place)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn encodings() -> impl Strategy<Value = FixedPrecision> {
        prop_oneof![Just((8, 2)), Just((128, 2)), (2_u16..300, 1_u8..5)]
            .prop_map(|(v, p)| FixedPrecision::new(v, p).unwrap())
    }

    #[test]
    fn the_talks_example_has_64_codes() {
        let talk = FixedPrecision::new(8, 2).unwrap();
        assert_eq!((talk.codes(), talk.precision()), (64, 1.0 / 64.0));
        let encoded = [0.0, 0.015, 1.0 / 64.0, 0.5, 0.99, 1.0].map(|x| talk.encode(x));
        assert_eq!(encoded, [[0, 0], [0, 0], [0, 1], [4, 0], [7, 7], [7, 7]]);
        assert_eq!(talk.decode(&[4, 0]), Ok(32.5 / 64.0));
    }

    #[test]
    fn ours_tells_16384_values_apart() {
        let ours = FixedPrecision::new(128, 2).unwrap();
        assert_eq!(ours.codes(), 16384);
        assert_eq!([0.0, 0.5, 1.0].map(|x| ours.encode(x)), [[0, 0], [64, 0], [127, 127]]);
    }

    #[test]
    fn every_code_decodes_to_a_number_that_encodes_to_it() {
        for encoding in [FixedPrecision::new(8, 2).unwrap(), FixedPrecision::new(128, 2).unwrap()] {
            let vocabulary = encoding.vocabulary;
            for symbols in (0..vocabulary).flat_map(|a| (0..vocabulary).map(move |b| [a, b])) {
                assert_eq!(encoding.encode(encoding.decode(&symbols).unwrap()), symbols);
            }
        }
    }

    #[test]
    fn numbers_outside_take_the_end_codes_and_what_is_no_number_the_lowest() {
        let talk = FixedPrecision::new(8, 2).unwrap();
        let outside = [-3.0, f64::NEG_INFINITY, f64::NAN, 1.5, f64::INFINITY].map(|x| talk.encode(x));
        assert_eq!(outside, [[0, 0], [0, 0], [0, 0], [7, 7], [7, 7]]);
    }

    #[test]
    fn the_first_symbol_weighs_most() {
        let weights = FixedPrecision::new(8, 3).unwrap().significance(0.8);
        assert_eq!(weights.len(), 3);
        assert!(weights.iter().zip([1.0, 0.8, 0.64]).all(|(a, b)| (a - b).abs() < 1e-15), "{weights:?}");
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for (vocabulary, symbols) in [(0, 2), (1, 2), (8, 0), (128, 8), (u16::MAX, 4)] {
            assert_eq!(FixedPrecision::new(vocabulary, symbols), Err(EncodingError::Size { vocabulary, symbols }));
        }
        assert!(FixedPrecision::new(2, 52).is_ok() && FixedPrecision::new(2, 53).is_err());
    }

    #[test]
    fn foreign_symbols_and_wrong_counts_are_refused() {
        let talk = FixedPrecision::new(8, 2).unwrap();
        assert_eq!(talk.decode(&[0, 8]), Err(EncodingError::Symbol { symbol: 8, vocabulary: 8 }));
        assert_eq!(talk.decode(&[0]), Err(EncodingError::Count { expected: 2, got: 1 }));
        let message = talk.decode(&[0, 0, 0]).unwrap_err().to_string();
        assert_eq!(message, "a number takes 2 symbols, got 3");
    }

    proptest! {
        #[test]
        fn a_round_trip_stays_within_half_the_precision(encoding in encodings(), x in 0.0..=1.0) {
            let back = encoding.decode(&encoding.encode(x)).unwrap();
            prop_assert!((back - x).abs() <= encoding.precision() / 2.0 + 1e-12, "{x} came back as {back}");
        }

        #[test]
        fn symbols_keep_the_order_of_numbers(encoding in encodings(), a in 0.0..=1.0, b in 0.0..=1.0) {
            let (low, high) = if a <= b { (a, b) } else { (b, a) };
            prop_assert!(encoding.encode(low) <= encoding.encode(high));
            if high - low > 1.001 * encoding.precision() {
                prop_assert!(encoding.encode(low) < encoding.encode(high));
            }
        }

        #[test]
        fn both_ends_take_the_end_codes(encoding in encodings()) {
            prop_assert!(encoding.encode(0.0).iter().all(|symbol| *symbol == 0));
            prop_assert!(encoding.encode(1.0).iter().all(|symbol| *symbol == encoding.vocabulary - 1));
        }
    }
}
