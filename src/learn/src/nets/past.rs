//! What a Transformer remembers of sequences that grow: keys and values of the positions that it has seen.

use tch::{Kind, Tensor};

use super::attention::{Window, attend_from};

/// What all blocks of a network remember.
#[derive(Debug)]
pub(crate) struct Past {
    pub(super) blocks: Vec<Cache>,
    /// Positions seen.
    pub(crate) seen: i64,
}

/// What one block remembers: keys and values, (N, H, capacity, E), of which the first `seen` positions are filled.
#[derive(Debug)]
pub(crate) struct Cache {
    kept: Option<[Tensor; 2]>,
    seen: i64,
    capacity: i64,
}

impl Past {
    /// Nothing seen yet, with room for `capacity` positions.
    pub(super) fn new(blocks: usize, capacity: i64) -> Self {
        let cache = || Cache { kept: None, seen: 0, capacity };
        Self { blocks: (0..blocks).map(|_| cache()).collect(), seen: 0 }
    }
}

impl Cache {
    /// Adds positions (N, H, t, E), and gives the attention of the last of them, as many as there are queries, to what
    /// their window shows of all that were seen.
    pub(super) fn attend(&mut self, query: &Tensor, key: &Tensor, value: &Tensor, window: Window) -> Tensor {
        let (n, h, t, e) = key.size4().expect("keys are (N, H, t, E)");
        let capacity = self.capacity;
        let empty = || Tensor::empty([n, h, capacity, e], (Kind::Float, key.device()));
        let [keys, values] = self.kept.get_or_insert_with(|| [empty(), empty()]);
        keys.narrow(2, self.seen, t).copy_(key);
        values.narrow(2, self.seen, t).copy_(value);
        self.seen += t;
        let from = window.first(self.seen - query.size()[2]);
        let [keys, values] = [keys, values].map(|kept| kept.narrow(2, from, self.seen - from));
        attend_from(query, &keys, &values, from, window)
    }
}
