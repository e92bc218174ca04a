//! Welch's compression as `compress` writes it, without the three bytes that such files begin with.
//!
//! Codes of 9 to 16 bits, lowest bit first, in groups of eight; a group is cut short, its rest skipped, where codes become
//! longer or the table is emptied. Reference: gzip's unlzw.c.

/// Codes below are bytes.
const BYTES: usize = 256;
/// Empties the table.
const CLEAR: usize = 256;
const SHORTEST: usize = 9;
const LONGEST: usize = 16;

/// The codes of a stream.
struct Codes<'a> {
    packed: &'a [u8],
    /// Bit at which the next code begins.
    place: usize,
    /// Bit at which codes began to be of this width.
    start: usize,
    width: usize,
}

impl Codes<'_> {
    fn next(&mut self) -> Option<usize> {
        let end = self.place + self.width;
        if end > self.packed.len() * 8 {
            return None;
        }
        let bytes = self.packed[self.place / 8..end.div_ceil(8)].iter().rev();
        let value = bytes.fold(0, |value, byte| value << 8 | usize::from(*byte));
        let code = value >> (self.place % 8) & ((1 << self.width) - 1);
        self.place = end;
        Some(code)
    }

    fn set_width(&mut self, width: usize) {
        self.place = self.start + (self.place - self.start).next_multiple_of(self.width * 8);
        (self.start, self.width) = (self.place, width);
    }
}

/// Unpacks up to `limit` bytes; none if that is not what `packed` is.
pub fn unpack(packed: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut codes = Codes { packed, place: 0, start: 0, width: SHORTEST };
    let mut unpacked = Vec::with_capacity(limit);
    // Each code above `CLEAR` stands for bytes that have been unpacked before: from where, and how many.
    let mut table: Vec<(usize, usize)> = Vec::new();
    let mut before: Option<(usize, usize)> = None;
    loop {
        let longer = CLEAR + 1 + table.len() >= 1 << codes.width;
        if longer && codes.width < LONGEST {
            codes.set_width(codes.width + 1);
        }
        let Some(code) = codes.next() else { return Some(unpacked) };
        if code == CLEAR {
            codes.set_width(SHORTEST);
            table.clear();
            before = None;
            continue;
        }
        let start = unpacked.len();
        // What was before and one byte more has a code from now on, even from within that code itself.
        if let Some((start, length)) = before.filter(|_| CLEAR + 1 + table.len() < 1 << LONGEST) {
            table.push((start, length + 1));
        }
        if code < BYTES {
            unpacked.push(code as u8);
        } else {
            let (from, length) = *table.get(code - CLEAR - 1)?;
            if start + length > limit {
                return None;
            }
            for place in from..from + length {
                unpacked.push(*unpacked.get(place)?);
            }
        }
        if unpacked.len() > limit {
            return None;
        }
        before = Some((start, unpacked.len() - start));
    }
}
