//! The IDX form of MNIST (LeCun et al. 1998): a magic number, the sizes of each dimension, bytes. Plain, or packed by gzip.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;

use super::{Split, read as bytes_of};

/// Unsigned bytes, in so many dimensions.
const BYTES: u8 = 8;

/// The training images and the test images of a folder.
pub fn read(folder: &Path) -> Result<(Split, Split)> {
    Ok((split(folder, "train")?, split(folder, "t10k")?))
}

fn split(folder: &Path, which: &str) -> Result<Split> {
    let (sizes, images) = array(folder, &format!("{which}-images-idx3-ubyte"), 3)?;
    let (counts, labels) = array(folder, &format!("{which}-labels-idx1-ubyte"), 1)?;
    ensure!(sizes[0] == counts[0], "{which}: {} images, but {} labels", sizes[0], counts[0]);
    Split::of(&images, &labels, [1, sizes[1] as i64, sizes[2] as i64])
}

/// Sizes of the dimensions, and the bytes.
fn array(folder: &Path, name: &str, dimensions: usize) -> Result<(Vec<usize>, Vec<u8>)> {
    let packed = folder.join(format!("{name}.gz"));
    let bytes = if packed.is_file() {
        let mut bytes = Vec::new();
        let unpacked = GzDecoder::new(bytes_of(&packed)?.as_slice()).read_to_end(&mut bytes);
        unpacked.with_context(|| format!("{name}.gz can't be unpacked"))?;
        bytes
    } else {
        bytes_of(&folder.join(name))?
    };
    let head = 4 + 4 * dimensions;
    let is_ours = bytes.len() >= head && bytes[..4] == [0, 0, BYTES, dimensions as u8];
    ensure!(is_ours, "{name} does not begin as IDX does with {dimensions} dimensions of bytes");
    let size = |place: usize| u32::from_be_bytes([0, 1, 2, 3].map(|byte| bytes[4 + 4 * place + byte])) as usize;
    let sizes: Vec<usize> = (0..dimensions).map(size).collect();
    let expected = sizes.iter().product::<usize>() + head;
    ensure!(bytes.len() == expected, "{name} has {} bytes, expected {expected} by its head", bytes.len());
    Ok((sizes, bytes[head..].to_vec()))
}
