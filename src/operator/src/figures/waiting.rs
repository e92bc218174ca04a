//! Who waits for a round. The controller merges what happens to an experiment before its round, and so does this.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Experiments, by namespace and name.
#[derive(Default)]
pub(super) struct Waiting(Mutex<HashSet<(String, String)>>);

impl Waiting {
    /// How many wait once this one does.
    pub fn enter(&self, namespace: &str, experiment: &str) -> i64 {
        self.change(|waiting| waiting.insert((namespace.to_owned(), experiment.to_owned())))
    }

    /// How many wait once this one does not any more.
    pub fn leave(&self, namespace: &str, experiment: &str) -> i64 {
        self.change(|waiting| waiting.remove(&(namespace.to_owned(), experiment.to_owned())))
    }

    fn change(&self, change: impl FnOnce(&mut HashSet<(String, String)>) -> bool) -> i64 {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut waiting);
        waiting.len() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_experiment_waits_once_however_much_happens_to_it() {
        let waiting = Waiting::default();
        assert_eq!([waiting.enter("a", "x"), waiting.enter("a", "x"), waiting.enter("b", "x")], [1, 1, 2]);
        assert_eq!([waiting.leave("a", "x"), waiting.leave("a", "x"), waiting.leave("b", "x")], [1, 1, 0]);
    }
}
