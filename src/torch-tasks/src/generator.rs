//! libtorch's generator of random numbers: one for all threads, and its state can't be kept, only its seed be set.

use std::sync::{Mutex, MutexGuard, PoisonError};

static HELD: Mutex<()> = Mutex::new(());

/// Sets it to `seed`. Nobody else does until what is returned goes out of scope, so that what is drawn in between is always
/// the same.
pub fn seeded(seed: u64) -> MutexGuard<'static, ()> {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed as i64);
    held
}
