//! What was gathered so far, in figures.

use std::collections::BTreeMap;

/// Totals since the gatherer was made; they only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Pages asked for.
    pub scrapes: u64,
    /// Bytes of the pages received whole.
    pub bytes: u64,
    /// Steps handed to learners, repeated ones included.
    pub steps: u64,
    /// Attempts that could not be gathered, by [`GatherError::cause`](crate::GatherError::cause), and agents that could
    /// not be told, as `acknowledge`.
    pub failures: BTreeMap<&'static str, u64>,
}
