//! IDX, the format of MNIST (http://yann.lecun.com/exdb/mnist): two zeros, a type, a number of dimensions, the dimensions,
//! then all bytes.

use std::io::Read;

use anyhow::{Context, Result, ensure};
use flate2::read::MultiGzDecoder;

use super::bundle::{Part, Shape};
use super::sum::Sum;

/// Unsigned bytes.
const BYTES: u8 = 8;

/// Sums are of what is unpacked, since Debian packs it otherwise than its authors do; measured on Debian's package.
pub const FASHION_MNIST: [Part; 4] = [
    Part {
        name: "train-images-idx3-ubyte.gz",
        shape: Shape::Idx {
            dimensions: &[60_000, 28, 28],
            sha256: Some("c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
        },
    },
    Part {
        name: "train-labels-idx1-ubyte.gz",
        shape: Shape::Idx {
            dimensions: &[60_000],
            sha256: Some("bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
        },
    },
    Part {
        name: "t10k-images-idx3-ubyte.gz",
        shape: Shape::Idx {
            dimensions: &[10_000, 28, 28],
            sha256: Some("5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
        },
    },
    Part {
        name: "t10k-labels-idx1-ubyte.gz",
        shape: Shape::Idx {
            dimensions: &[10_000],
            sha256: Some("0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
        },
    },
];

/// How many there are, if `packed` has what it should.
pub fn check(packed: impl Read, dimensions: &[u32], sha256: Option<&str>, shown: &str) -> Result<u64> {
    let header: Vec<u8> = [0, 0, BYTES, dimensions.len() as u8]
        .into_iter()
        .chain(dimensions.iter().flat_map(|size| size.to_be_bytes()))
        .collect();
    let length = header.len() as u64 + dimensions.iter().map(|size| u64::from(*size)).product::<u64>();
    let mut bytes = Vec::new();
    let unpacked = MultiGzDecoder::new(packed).take(length + 1).read_to_end(&mut bytes);
    unpacked.with_context(|| format!("cannot unpack {shown}"))?;
    ensure!(
        bytes.starts_with(&header),
        "{shown} begins with {:02x?}, expected {header:02x?}: bytes of dimensions {dimensions:?} in IDX",
        &bytes[..header.len().min(bytes.len())]
    );
    let found = bytes.len() as u64;
    ensure!(found == length, "{shown} has {found}{} bytes unpacked, expected {length}", or_more(found > length));
    let found = Sum::of(bytes.as_slice())?;
    let expected = sha256.unwrap_or_default();
    ensure!(
        sha256.is_none() || found.to_string() == expected,
        "{shown} unpacked has the SHA-256 {found}, expected {expected}"
    );
    Ok(u64::from(dimensions.first().copied().unwrap_or_default()))
}

fn or_more(more: bool) -> &'static str {
    if more { " or more" } else { "" }
}
