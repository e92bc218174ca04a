//! Reference trainers of the size that fills a GPU, and their data.
//!
//! Owns networks, optimizers, data sets and augmentation; the trainer's contract and the loop around a training are those of
//! `tasks`. Must not know agents, policies or rewards.
//! Start reading at [`wide_resnet`] for images, at [`language_model`] for text.

pub mod checkpoint;
pub mod device;
pub mod generator;
pub mod images;
pub mod language_model;
pub mod optimizers;
pub mod text;
pub mod wide_resnet;

/// A number from 0 up to, but not, 1.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 up to, but not, 1".to_owned()),
    }
}
