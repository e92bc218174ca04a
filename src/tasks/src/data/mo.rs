//! Catalogues of translated messages, as gettext keeps them in .mo files
//! (https://www.gnu.org/software/gettext/manual/html_node/MO-Files.html).
//!
//! Seven numbers begin it: a magic one, which tells big from little endian, the revision, the number of messages, the place
//! of the table of originals, that of translations, and two of no interest here. Either table has a length and a place for
//! each message.

use thiserror::Error;

const MAGIC: u32 = 0x9504_12de;

/// Why something is not a catalogue.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MoError {
    /// No magic number.
    #[error("it begins with {0:02x?}, expected de 12 04 95 or 95 04 12 de")]
    NotOne(Vec<u8>),
    /// Of a kind that is yet to be invented.
    #[error("its revision is {0}, expected 0 or 1")]
    Revision(u32),
    /// Cut short, or not what it says.
    #[error("{what} should end at byte {end} of {length}: is the file whole?")]
    Short {
        /// What is not in it.
        what: String,
        /// Where it would end.
        end: u64,
        /// Where the file ends.
        length: usize,
    },
}

/// A message and its translation, as they are: with its context, and with plurals behind zero bytes.
pub type Message<'a> = (&'a [u8], &'a [u8]);

struct Reader<'a> {
    data: &'a [u8],
    big_endian: bool,
}

impl<'a> Reader<'a> {
    fn bytes(&self, place: u64, length: u64, what: impl Fn() -> String) -> Result<&'a [u8], MoError> {
        // Neither is above 2^36, since all come from numbers of 32 bits.
        let end = place + length;
        let bytes = usize::try_from(place)
            .ok()
            .zip(usize::try_from(end).ok())
            .and_then(|(place, end)| self.data.get(place..end));
        bytes.ok_or_else(|| MoError::Short { what: what(), end, length: self.data.len() })
    }

    fn number(&self, place: u64, what: impl Fn() -> String) -> Result<u32, MoError> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.bytes(place, 4, what)?);
        Ok(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn string(&self, table: u32, index: u32, what: &str) -> Result<&'a [u8], MoError> {
        let row = u64::from(table) + 8 * u64::from(index);
        let entry = || format!("entry {index} of the table of {what}s");
        let (length, place) = (self.number(row, entry)?, self.number(row + 4, entry)?);
        self.bytes(place.into(), length.into(), || format!("{what} {index}"))
    }
}

/// All messages.
pub fn messages(data: &[u8]) -> Result<Vec<Message<'_>>, MoError> {
    let big_endian = data.starts_with(&MAGIC.to_be_bytes());
    if !big_endian && !data.starts_with(&MAGIC.to_le_bytes()) {
        return Err(MoError::NotOne(data[..data.len().min(4)].to_vec()));
    }
    let reader = Reader { data, big_endian };
    let header = |index: u64| reader.number(4 * index, || "the header".to_owned());
    let (revision, count, originals, translations) = (header(1)?, header(2)?, header(3)?, header(4)?);
    if revision >> 16 > 1 {
        return Err(MoError::Revision(revision >> 16));
    }
    let message =
        |index| Ok((reader.string(originals, index, "original")?, reader.string(translations, index, "translation")?));
    (0..count).map(message).collect()
}
