//! What is done to training images, so that none is seen twice: moved by up to four pixels, and mirrored every other time.

use tch::{Kind, Tensor};
use tuning::Random;

/// Pixels that an image may be moved by, in each direction; what it leaves is black.
const PAD: i64 = 4;

/// images: (B, channels, H, W) -> the same, each moved and mirrored as `random` draws.
pub fn augmented(images: &Tensor, random: &mut Random) -> Tensor {
    let (count, channels, height, width) = images.size4().expect("images have four dimensions");
    let device = images.device();
    let draw = |random: &mut Random, below: i64| -> Vec<i64> {
        (0..count).map(|_| random.below(below as usize) as i64).collect()
    };
    let [down, right] = [(); 2].map(|()| draw(random, 2 * PAD + 1));
    let mirrored = draw(random, 2);
    let column = |values: &[i64]| Tensor::from_slice(values).to_device(device).view([count, 1]);
    let rows = Tensor::arange(height, (Kind::Int64, device)).unsqueeze(0) + column(&down); // (B, H)
    let straight = Tensor::arange(width, (Kind::Int64, device)).unsqueeze(0); // (1, W)
    let backward = width - 1 - &straight;
    let mirrored = column(&mirrored);
    let columns: Tensor = &mirrored * backward + (1 - &mirrored) * straight + column(&right); // (B, W)
    let padded_width = width + 2 * PAD;
    let places = rows.unsqueeze(2) * padded_width + columns.unsqueeze(1); // (B, H, W)
    let places = places.view([count, 1, height * width]).expand([count, channels, height * width], false);
    let padded = images.constant_pad_nd([PAD; 4]).view([count, channels, -1]);
    padded.gather(2, &places, false).view([count, channels, height, width])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tch::Device;

    use super::*;

    #[test]
    fn images_are_moved_by_up_to_four_pixels_and_mirrored_half_of_the_time() {
        // One bright spot, left of the middle.
        let images = Tensor::zeros([200, 1, 12, 13], (Kind::Uint8, Device::Cpu));
        let _ = images.narrow(2, 6, 1).narrow(3, 5, 1).fill_(200);
        let moved = augmented(&images, &mut Random::stream(1, &[]));
        assert_eq!((moved.size(), moved.kind()), (images.size(), Kind::Uint8));
        let spots = Vec::<Vec<i64>>::try_from(moved.nonzero()).unwrap();
        assert_eq!(spots.len(), 200, "the spot is never lost");
        let (mut rows, mut columns): (Vec<i64>, Vec<i64>) = spots.iter().map(|spot| (spot[2], spot[3])).unzip();
        rows.sort_unstable();
        columns.sort_unstable();
        assert_eq!((rows[0], rows[199]), (2, 10));
        // Mirrored, it stands at 7.
        assert_eq!((columns[0], columns[199]), (1, 11));
        let again = augmented(&images, &mut Random::stream(1, &[]));
        assert!(moved.equal(&again), "the same seed gives the same images");
    }
}
