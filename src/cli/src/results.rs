//! What runs came to: their folders read back, and the figures that reports and comparisons share.

pub(crate) mod figures;
pub(crate) mod run;
pub(crate) mod statistics;
