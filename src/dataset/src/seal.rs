//! The seal: a checksum over a whole segment, kept within it. It is looked at before anything is parsed, because the
//! Parquet library answers some damage with a panic and some with other numbers.

/// Key in the Parquet metadata under which the seal stands.
pub(crate) const SEAL_KEY: &str = "trainpilot.seal";

/// Value under that key until the rest of the file is known. Footers hold strings as they are, so that it can be found.
pub(crate) const UNSEALED: &str = "crc32:00000000";

const MARK: &[u8] = b"crc32:";

/// What the seal of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seal {
    Whole,
    Broken,
    Missing,
}

/// Puts the checksum of `bytes` in the place of [`UNSEALED`], which is there.
pub(crate) fn seal(bytes: &mut [u8]) {
    let sum = format!("{:08x}", crc32fast::hash(bytes));
    if let Some(place) = place(bytes) {
        bytes[place..place + sum.len()].copy_from_slice(sum.as_bytes());
    }
}

/// Compares `bytes` with their seal.
pub(crate) fn look(bytes: &[u8]) -> Seal {
    let Some(place) = place(bytes) else {
        return Seal::Missing;
    };
    let (before, rest) = bytes.split_at(place);
    let Some((sum, after)) = rest.split_at_checked(UNSEALED.len() - MARK.len()) else {
        return Seal::Broken;
    };
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(before);
    hasher.update(&UNSEALED.as_bytes()[MARK.len()..]);
    hasher.update(after);
    if format!("{:08x}", hasher.finalize()).as_bytes() == sum { Seal::Whole } else { Seal::Broken }
}

/// Where the checksum begins: the last mark counts, for the seal is the last string of the footer.
fn place(bytes: &[u8]) -> Option<usize> {
    bytes.windows(MARK.len()).rposition(|window| window == MARK).map(|mark| mark + MARK.len())
}
