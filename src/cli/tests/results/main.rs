//! `report`, `compare`, `policy` and `completions` on runs made in code.
#![allow(clippy::unwrap_used, missing_docs)]

mod compare;
mod policy;
mod report;
mod support;
