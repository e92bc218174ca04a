//! CIFAR-10 in its binary version: records of a label and 3 × 32 × 32 bytes, five files to train on and one to test.

use std::path::Path;

use anyhow::{Result, ensure};

use super::{Split, read as bytes_of};

const SHAPE: [i64; 3] = [3, 32, 32];
const RECORD: usize = 1 + 3 * 32 * 32;

/// The training images and the test images, from the folder or from `cifar-10-batches-bin` in it.
pub fn read(folder: &Path) -> Result<(Split, Split)> {
    let unpacked = folder.join("cifar-10-batches-bin");
    let folder = if unpacked.is_dir() { unpacked.as_path() } else { folder };
    let training: Vec<String> = (1..=5).map(|number| format!("data_batch_{number}.bin")).collect();
    Ok((split(folder, &training)?, split(folder, &["test_batch.bin".to_owned()])?))
}

fn split(folder: &Path, names: &[String]) -> Result<Split> {
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for name in names {
        let bytes = bytes_of(&folder.join(name))?;
        let rest = bytes.len() % RECORD;
        ensure!(rest == 0, "{name} is cut off: {} bytes are no multiple of the {RECORD} of an image", bytes.len());
        for record in bytes.chunks_exact(RECORD) {
            labels.push(record[0]);
            images.extend_from_slice(&record[1..]);
        }
    }
    Split::of(&images, &labels, SHAPE)
}
