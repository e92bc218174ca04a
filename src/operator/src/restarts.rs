//! How often learners were started again without getting further. One that ends now and then, but learns an epoch in between,
//! goes on; one that ends at the same place each time is given up.

use std::collections::HashMap;

/// Learners, by their names.
#[derive(Debug, Default)]
pub struct Restarts(HashMap<String, Known>);

#[derive(Debug)]
struct Known {
    /// Unique id of its pod.
    pod: String,
    /// Epochs that it had learned when it was last seen to have learned one.
    epochs: u32,
    /// How often the pod had been started again then.
    restarts: i32,
}

impl Restarts {
    /// How often the pod of a learner was started again since it last learned an epoch, out of `restarts` in all; `epochs` is
    /// what it says that it has learned. Restarts from before it is first asked about are not held against it.
    pub fn since_progress(&mut self, learner: &str, pod: &str, restarts: i32, epochs: Option<u32>) -> i32 {
        let known =
            self.0.entry(learner.to_owned()).or_insert_with(|| Known { pod: pod.to_owned(), epochs: 0, restarts });
        if known.pod != pod {
            *known = Known { pod: pod.to_owned(), epochs: known.epochs, restarts: 0 };
        }
        if let Some(epochs) = epochs.filter(|epochs| *epochs > known.epochs) {
            (known.epochs, known.restarts) = (epochs, restarts);
        }
        restarts - known.restarts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_count_from_the_last_epoch_that_was_learned() {
        let mut restarts = Restarts::default();
        let mut seen = |pod: &str, count, epochs| restarts.since_progress("learner", pod, count, epochs);
        assert_eq!(seen("a", 0, None), 0);
        assert_eq!(seen("a", 6, None), 6);
        assert_eq!(seen("a", 6, Some(1)), 0, "it got further");
        assert_eq!(seen("a", 14, Some(1)), 8);
        assert_eq!(seen("a", 15, None), 9, "one that does not answer has not got further");
        assert_eq!(seen("a", 15, Some(2)), 0);
        assert_eq!(seen("b", 3, Some(2)), 3, "another pod begins at none");
    }

    #[test]
    fn what_an_operator_finds_when_it_starts_is_not_held_against_a_learner() {
        let mut restarts = Restarts::default();
        assert_eq!(restarts.since_progress("learner", "a", 40, None), 0);
        assert_eq!(restarts.since_progress("learner", "a", 41, None), 1);
        assert_eq!(restarts.since_progress("other", "b", 2, Some(7)), 0);
    }
}
