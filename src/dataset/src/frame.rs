//! Frames: length and CRC-32, both little-endian, then the bytes. One append to a journal is one frame.

/// Bytes before those of a frame.
pub(crate) const HEAD: usize = 8;

/// Longest frame. That each byte of text is at least 9 makes four of them, read as a length, longer than this: frames
/// can be told from their content.
const LIMIT: usize = 1 << 26;

/// What the bytes after a journal's mark hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frames<'a> {
    /// Content of each whole frame.
    pub whole: Vec<&'a [u8]>,
    /// Bytes that the whole frames take.
    pub length: usize,
    /// Whether a whole frame stands somewhere after the bytes that make none. Then these are no torn end but damage.
    pub damaged: bool,
}

/// `content` as a frame, unless it is too long.
pub(crate) fn frame(content: &[u8]) -> Option<Vec<u8>> {
    if content.is_empty() || content.len() > LIMIT {
        return None;
    }
    let length = content.len() as u32;
    let mut frame = Vec::with_capacity(HEAD + content.len());
    frame.extend(length.to_le_bytes());
    frame.extend(crc32fast::hash(content).to_le_bytes());
    frame.extend(content);
    Some(frame)
}

/// Splits `bytes` into frames.
pub(crate) fn frames(bytes: &[u8]) -> Frames<'_> {
    let (mut whole, mut length) = (Vec::new(), 0);
    while let Some(content) = first(&bytes[length..]) {
        whole.push(content);
        length += HEAD + content.len();
    }
    let damaged = (length + 1..bytes.len()).any(|start| first(&bytes[start..]).is_some());
    Frames { whole, length, damaged }
}

/// Content of the frame that `bytes` begin with.
fn first(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    if length == 0 || length > LIMIT {
        return None;
    }
    let content = rest.get(..length)?;
    (crc32fast::hash(content) == u32::from_le_bytes(*sum)).then_some(content)
}
