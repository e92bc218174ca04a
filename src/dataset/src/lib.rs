//! Trajectories as Parquet on object stores, append-only and exactly once, and the journal of the epoch being gathered.
//!
//! Owns the format of segments and journals. A committed segment never changes; whatever dies while one is written, the
//! last committed state stays. Must not know tensors, Kubernetes or how trajectories arrive.
//! Start reading at [`Dataset`] (what is committed), then [`Spool`] (what is still being gathered).

mod column;
mod dataset;
mod decode;
mod encode;
mod error;
mod frame;
mod gathered;
mod header;
mod initial;
mod journal;
mod location;
mod record;
mod seal;
mod spool;
mod store;
mod table;

pub use dataset::{Committed, Dataset, Epoch};
pub use error::{DatasetError, Fault};
pub use gathered::{Counts, GatherError, Gathered, Progress};
pub use header::{FORMAT, Identity, METADATA_KEY};
pub use initial::initial_data;
pub use journal::{Journal, JournalError};
pub use location::{CREDENTIALS_VARIABLE, Location, LocationError};
pub use record::{Order, Record, RecordError, Steps};
pub use spool::{Spool, SpoolError};
pub use store::StoreError;
pub use table::{Table, TableError};
