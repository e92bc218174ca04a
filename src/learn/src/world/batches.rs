//! Which trajectories an optimizer step sees.

use tuning::Random;

use super::training::Lesson;

/// Passes through all trajectories in random order, each member's its own.
pub(super) struct Batches {
    random: Random,
    initial: Passes,
    own: Passes,
    initial_share: Option<f64>,
}

impl Batches {
    pub fn new(lesson: &Lesson, member: u64) -> Self {
        let random = Random::stream(lesson.seed, &[member]);
        let all = lesson.training.size();
        // Where one of the two is empty, or they are taken alike, there is one pass through everything.
        let apart = lesson.initial_share.filter(|_| (1..all).contains(&lesson.initial));
        let initial = if apart.is_some() { lesson.initial } else { 0 };
        Self { random, initial: Passes::new(0, initial), own: Passes::new(initial, all), initial_share: apart }
    }

    /// The next `size` rows.
    pub fn next(&mut self, size: usize) -> Vec<i64> {
        let share = self.initial_share.unwrap_or(0.0);
        let initial = if share > 0.0 { (0..size).filter(|_| self.random.uniform() < share).count() } else { 0 };
        let mut rows = self.initial.next(initial, &mut self.random);
        rows.extend(self.own.next(size - initial, &mut self.random));
        rows
    }
}

/// Passes through a range of rows.
struct Passes {
    from: usize,
    to: usize,
    order: Vec<i64>,
}

impl Passes {
    fn new(from: usize, to: usize) -> Self {
        Self { from, to, order: Vec::new() }
    }

    fn next(&mut self, size: usize, random: &mut Random) -> Vec<i64> {
        let mut rows = Vec::new();
        while rows.len() < size {
            if self.order.len() < size.min(self.to - self.from) {
                let shuffled = random.shuffled(self.to - self.from).into_iter();
                self.order = shuffled.map(|row| (self.from + row) as i64).collect();
            }
            let count = (size - rows.len()).min(self.order.len());
            rows.extend(self.order.split_off(self.order.len() - count));
        }
        rows
    }
}
