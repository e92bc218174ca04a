//! SHA-256 sums: of what is read, of what is written, and as text.

use std::fmt::{self, Display, Formatter};
use std::io::{self, Read, Write};
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// A SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum([u8; 32]);

impl Sum {
    /// Of all that is left to read.
    pub fn of(mut data: impl Read) -> io::Result<Self> {
        let mut summing = Summing::new(io::sink());
        io::copy(&mut data, &mut summing)?;
        Ok(summing.sum())
    }
}

impl Display for Sum {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Sum {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let problem = || "expected the 64 hexadecimal digits of a SHA-256".to_owned();
        let digits: Option<Vec<u8>> = text.chars().map(|digit| Some(digit.to_digit(16)? as u8)).collect();
        let bytes: Vec<u8> = digits
            .ok_or_else(problem)?
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |sum, digit| sum * 16 + digit))
            .collect();
        if text.len() == 64 { bytes.try_into().map(Self).map_err(|_| problem()) } else { Err(problem()) }
    }
}

/// Passes on what is written, and sums it.
pub struct Summing<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Summing<W> {
    /// Nothing is written yet.
    pub fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::new() }
    }

    /// Of what has been written.
    pub fn sum(self) -> Sum {
        self.into_parts().1
    }

    /// What it was passed on to, and the sum.
    pub fn into_parts(self) -> (W, Sum) {
        (self.inner, Sum(self.hash.finalize().into()))
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(data)?;
        self.hash.update(&data[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
