//! Reference trainers of the size that fills a GPU, and their data.
//!
//! Owns networks, data sets and augmentation; the trainer's contract and the loop around a training are those of `tasks`.
//! Must not know agents, policies or rewards.
//! Start reading at [`wide_resnet`].

pub mod checkpoint;
pub mod data;
pub mod device;
pub mod optimizers;
pub mod wide_resnet;
