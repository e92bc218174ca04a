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
