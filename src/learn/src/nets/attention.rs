//! Causal attention, over all of the past or over a window of it.
//!
//! Notation: N sequences, H heads, T positions, E width of a head (D / H), W positions of a bin.

use tch::{Device, Kind, Tensor};

/// How far back a position sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// To the first one.
    All,
    /// To the beginning of the bin before its own, where bins have so many positions: trax's `TimeBinCausalAttention`,
    /// which the talk's world model has.
    Bins(i64),
}

impl Window {
    /// Bins of that many positions, or none.
    pub(crate) fn of(bin: Option<u32>) -> Self {
        bin.map_or(Self::All, |bin| Self::Bins(bin.into()))
    }

    /// The first position that `position` sees.
    pub(crate) fn first(self, position: i64) -> i64 {
        match self {
            Self::All => 0,
            Self::Bins(bin) => ((position / bin - 1) * bin).max(0),
        }
    }
}

/// Attention of whole sequences, (N, H, T, E) each -> (N, H, T, E).
pub(crate) fn attend(query: &Tensor, key: &Tensor, value: &Tensor, window: Window) -> Tensor {
    match window {
        Window::Bins(bin) if bin < query.size()[2] => in_bins(query, key, value, bin),
        _ => attention(query, key, value, None, true),
    }
}

/// Every bin attends to itself and to the one before: what is outside is never computed.
fn in_bins(query: &Tensor, key: &Tensor, value: &Tensor, bin: i64) -> Tensor {
    let (n, h, t, e) = query.size4().expect("queries are (N, H, T, E)");
    let bins = (t + bin - 1) / bin;
    let cut = |x: &Tensor| x.constant_pad_nd([0, 0, 0, bins * bin - t]).reshape([n, h, bins, bin, e]);
    let both = |x: &Tensor| {
        let own = cut(x);
        let before = own.narrow(2, 0, bins - 1).constant_pad_nd([0, 0, 0, 0, 1, 0]);
        Tensor::cat(&[before, own], 3).reshape([n, h * bins, 2 * bin, e]) // (N, H bins, 2 W, E)
    };
    let mask = Tensor::ones([bin, 2 * bin], (Kind::Bool, query.device())).tril(bin); // (W, 2 W)
    // The first bin has none before it.
    let first = Tensor::arange(2 * bin, (Kind::Int64, query.device())).ge(bin).logical_and(&mask);
    let rest = mask.unsqueeze(0).expand([bins - 1, bin, 2 * bin], false);
    let mask = Tensor::cat(&[first.unsqueeze(0), rest], 0).repeat([h, 1, 1]); // (H bins, W, 2 W)
    let query = cut(query).reshape([n, h * bins, bin, e]);
    let mixed = attention(&query, &both(key), &both(value), Some(&mask), false);
    mixed.reshape([n, h, bins * bin, e]).narrow(2, 0, t)
}

/// Attention of the last positions of sequences, (N, H, t, E), to all of them from `from` on, (N, H, T, E).
pub(crate) fn attend_from(query: &Tensor, key: &Tensor, value: &Tensor, from: i64, window: Window) -> Tensor {
    let (queries, keys) = (query.size()[2], key.size()[2]);
    // A single position may see all there is.
    let mask = (queries > 1).then(|| mask(queries, keys, from, window, query.device()));
    attention(query, key, value, mask.as_ref(), false)
}

/// Which of `keys` positions from `from` on each of the last `queries` of them sees, (queries, keys).
fn mask(queries: i64, keys: i64, from: i64, window: Window, device: Device) -> Tensor {
    let mask = Tensor::ones([queries, keys], (Kind::Bool, Device::Cpu)).tril(keys - queries);
    for row in 0..queries {
        let unseen = window.first(from + keys - queries + row) - from;
        if unseen > 0 {
            let _ = mask.get(row).narrow(0, 0, unseen).fill_(0);
        }
    }
    mask.to_device(device)
}

fn attention(query: &Tensor, key: &Tensor, value: &Tensor, mask: Option<&Tensor>, causal: bool) -> Tensor {
    Tensor::scaled_dot_product_attention(query, key, value, mask, 0.0, causal, None, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::Past;

    #[test]
    fn bins_show_their_own_and_the_one_before_with_and_without_memory() {
        tch::manual_seed(1);
        let [query, key, value] = [(); 3].map(|()| Tensor::randn([2, 2, 11, 4], (Kind::Float, Device::Cpu)));
        let window = Window::Bins(3);
        let all = mask(11, 11, 0, window, Device::Cpu);
        assert_eq!(
            (all.int64_value(&[10, 5]), all.int64_value(&[10, 6])),
            (0, 1),
            "position 10 is in the bin from 9 on"
        );
        let slow = attention(&query, &key, &value, Some(&all), false);
        let distance = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
        assert!(distance(&attend(&query, &key, &value, window), &slow) < 1e-6);
        let mut past = Past::new(1, 11);
        for (from, length) in [(0, 4), (4, 1), (5, 5), (10, 1)] {
            let [query, key, value] = [&query, &key, &value].map(|x| x.narrow(2, from, length));
            let step = past.blocks[0].attend(&query, &key, &value, window);
            assert!(distance(&step, &slow.narrow(2, from, length)) < 1e-6, "from {from}");
        }
    }
}
