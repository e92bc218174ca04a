//! Checkpoints: everything that a learner needs to go on with identical numbers, as one safetensors file.
//!
//! Tensors are the policy's weights by name, and Adam's moments as `mean.NAME` and `square.NAME`.

use std::collections::HashMap;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors, serialize};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};
use tuning::Problem;
use wire::artifact::Continuous;
use wire::settings::PpoSettings;

use crate::nets::{ContinuousPolicy, to_vec};
use crate::ppo::shape;
use crate::{LearnError, Ppo};

/// Version of the checkpoints written here; others are refused.
const FORMAT: u32 = 1;
/// Key in the safetensors metadata under which [`Counters`] stand as JSON.
const METADATA_KEY: &str = "trainpilot.checkpoint";

/// What stands in a checkpoint beside tensors.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Counters {
    format: u32,
    action_space: String,
    policy: Continuous,
    epochs_learned: u32,
    optimizer_steps: u64,
}

/// Why a checkpoint cannot be resumed from.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It is cut short, or something else altogether.
    #[error("not a safetensors file")]
    File(#[source] SafeTensorError),
    /// It is a safetensors file of another kind.
    #[error("its metadata has no entry {METADATA_KEY}")]
    Foreign,
    /// Its metadata are not what is written here.
    #[error("its metadata {METADATA_KEY} cannot be read")]
    Metadata(#[source] serde_json::Error),
    /// It was made for another problem or network, or by another version.
    #[error("its {field} is {got}, expected {expected}")]
    Other {
        /// What differs.
        field: &'static str,
        /// As it is in the checkpoint.
        got: String,
        /// As it is here.
        expected: String,
    },
    /// A tensor is missing, or not what is expected.
    #[error("tensor {name}: expected finite 32-bit floats of shape {shape:?}")]
    Tensor {
        /// Its name.
        name: String,
        /// Shape expected of it.
        shape: Vec<usize>,
    },
}

impl Ppo {
    /// A checkpoint of all that learning changes; the same state gives the same bytes.
    pub fn save(&self) -> Vec<u8> {
        let weights = self.policy.weights();
        let parts = [("", weights.flat()), ("mean.", self.adam.mean.copy()), ("square.", self.adam.square.copy())];
        let tensors = parts.iter().flat_map(|(prefix, flat)| {
            let parts = weights.cut(&to_vec(flat)).into_iter();
            parts.map(move |(name, shape, values)| (format!("{prefix}{name}"), shape, bytes(&values)))
        });
        let tensors: Vec<_> = tensors.collect();
        let views = tensors.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
            (name, view.expect("as many bytes as the shape asks for"))
        });
        let counters = serde_json::to_string(&self.counters()).expect("plain data always serialises");
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), counters)]);
        serialize(views, Some(metadata)).expect("names are distinct and sizes fit")
    }

    /// A learner that goes on where [`Ppo::save`] was called.
    ///
    /// # Errors
    /// If `checkpoint` is damaged, foreign, or for another problem or network.
    pub fn load(
        problem: Problem,
        settings: &PpoSettings,
        checkpoint: &[u8],
        device: Device,
    ) -> Result<Self, LearnError> {
        let policy = ContinuousPolicy::zeros(&problem, &shape(settings)?, device);
        let mut ppo = Self::fresh(problem, settings, policy);
        ppo.restore(checkpoint)?;
        Ok(ppo)
    }

    fn counters(&self) -> Counters {
        Counters {
            format: FORMAT,
            action_space: self.problem.action_space_hash(),
            policy: self.shape(),
            epochs_learned: self.epochs_learned,
            optimizer_steps: self.adam.steps,
        }
    }

    /// Goes back to what [`Ppo::save`] gave.
    ///
    /// # Errors
    /// If `checkpoint` is damaged, foreign, or for another problem or network.
    pub fn restore(&mut self, checkpoint: &[u8]) -> Result<(), CheckpointError> {
        let (_, metadata) = SafeTensors::read_metadata(checkpoint).map_err(CheckpointError::File)?;
        let entry = metadata.metadata().as_ref().and_then(|entries| entries.get(METADATA_KEY));
        let saved: Counters =
            serde_json::from_str(entry.ok_or(CheckpointError::Foreign)?).map_err(CheckpointError::Metadata)?;
        let own = self.counters();
        same("format", &saved.format, &own.format)?;
        same("action space", &saved.action_space, &own.action_space)?;
        same("policy", &saved.policy, &own.policy)?;
        let tensors = SafeTensors::deserialize(checkpoint).map_err(CheckpointError::File)?;
        let read = |prefix: &str| self.read(&tensors, prefix);
        let (weights, mean, square) = (read("")?, read("mean.")?, read("square.")?);
        self.policy.weights_mut().set(&weights);
        self.adam.mean.copy_(&mean);
        self.adam.square.copy_(&square);
        self.adam.steps = saved.optimizer_steps;
        self.epochs_learned = saved.epochs_learned;
        Ok(())
    }

    /// The tensors whose names begin with `prefix`, one behind the other; (N).
    fn read(&self, tensors: &SafeTensors, prefix: &str) -> Result<Tensor, CheckpointError> {
        let mut values = Vec::new();
        for (name, shape) in self.policy.weights().shapes() {
            let name = format!("{prefix}{name}");
            let fits = |view: &TensorView| view.dtype() == Dtype::F32 && view.shape() == shape;
            let found = tensors.tensor(&name).ok().filter(fits).map(|view| floats(view.data()));
            match found.filter(|found| found.iter().all(|x| x.is_finite())) {
                Some(found) => values.extend(found),
                None => return Err(CheckpointError::Tensor { name, shape: shape.to_vec() }),
            }
        }
        Ok(Tensor::from_slice(&values))
    }
}

fn same<T: PartialEq + std::fmt::Debug>(field: &'static str, got: &T, expected: &T) -> Result<(), CheckpointError> {
    if got == expected {
        return Ok(());
    }
    Err(CheckpointError::Other { field, got: format!("{got:?}"), expected: format!("{expected:?}") })
}

/// Safetensors are little-endian.
fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect()
}
