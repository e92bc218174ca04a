//! Checkpoints: everything that a learner needs to go on with identical numbers, as one safetensors file.
//!
//! A part of it has a prefix of its own. Of a policy, tensors are its weights by name, and Adam's moments as `mean.NAME`
//! and `square.NAME`. Published world models and what their training goes on from are such files too.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors, serialize};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::{Device, Tensor};
use tuning::Problem;
use wire::artifact::Policy;
use wire::settings::PpoSettings;

use crate::nets::{PolicyNetwork, Weights, to_vec};
use crate::ppo::shape;
use crate::{LearnError, Ppo};

/// Version of the checkpoints written here; others are refused.
const FORMAT: u32 = 3;
/// Key in the safetensors metadata under which the plain data of all parts stand as JSON, by prefix.
const METADATA_KEY: &str = "trainpilot.checkpoint";

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

/// A checkpoint while it is written; the same state gives the same bytes.
#[derive(Default)]
pub(crate) struct Writer {
    tensors: Vec<(String, Vec<usize>, Vec<u8>)>,
    parts: BTreeMap<String, Value>,
}

impl Writer {
    /// Adds the plain data of the part `prefix`.
    pub fn data(&mut self, prefix: &str, data: &impl Serialize) {
        let data = serde_json::to_value(data).expect("plain data always serialises");
        self.parts.insert(prefix.to_owned(), data);
    }

    /// Adds `values` (N), one for each of `weights`, under their names behind `prefix`.
    pub fn tensors(&mut self, prefix: &str, weights: &Weights, values: &Tensor) {
        let parts = weights.cut(&to_vec(values)).into_iter();
        self.tensors.extend(parts.map(|(name, shape, values)| (format!("{prefix}{name}"), shape, bytes(&values))));
    }

    /// The file.
    pub fn finish(self) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
            (name, view.expect("as many bytes as the shape asks for"))
        });
        // In one entry: several would have no order of their own.
        let json = serde_json::to_string(&self.parts).expect("plain data always serialises");
        serialize(views, Some(HashMap::from([(METADATA_KEY.to_owned(), json)])))
            .expect("names are distinct and sizes fit")
    }
}

/// A checkpoint while it is read.
pub(crate) struct Reader<'a> {
    tensors: SafeTensors<'a>,
    parts: BTreeMap<String, Value>,
}

impl<'a> Reader<'a> {
    pub fn open(checkpoint: &'a [u8]) -> Result<Self, CheckpointError> {
        let (_, metadata) = SafeTensors::read_metadata(checkpoint).map_err(CheckpointError::File)?;
        let json = metadata.metadata().as_ref().and_then(|entries| entries.get(METADATA_KEY));
        let parts = serde_json::from_str(json.ok_or(CheckpointError::Foreign)?).map_err(CheckpointError::Metadata)?;
        let tensors = SafeTensors::deserialize(checkpoint).map_err(CheckpointError::File)?;
        Ok(Self { tensors, parts })
    }

    /// The plain data of the part `prefix`.
    pub fn data<T: DeserializeOwned>(&self, prefix: &str) -> Result<T, CheckpointError> {
        let part = self.parts.get(prefix).ok_or(CheckpointError::Foreign)?;
        serde_json::from_value(part.clone()).map_err(CheckpointError::Metadata)
    }

    /// Whether all tensors are finite 32-bit floats.
    pub fn check_finite(&self) -> Result<(), CheckpointError> {
        let sound = |view: &TensorView| view.dtype() == Dtype::F32 && floats(view.data()).iter().all(|x| x.is_finite());
        match self.tensors.iter().find(|(_, view)| !sound(view)) {
            Some((name, view)) => Err(CheckpointError::Tensor { name: name.to_owned(), shape: view.shape().to_vec() }),
            None => Ok(()),
        }
    }

    /// The tensors of the names of `weights` behind `prefix`, one after the other; (N).
    pub fn tensors(&self, prefix: &str, weights: &Weights) -> Result<Tensor, CheckpointError> {
        let mut values = Vec::new();
        for (name, shape) in weights.shapes() {
            let name = format!("{prefix}{name}");
            let fits = |view: &TensorView| view.dtype() == Dtype::F32 && view.shape() == shape;
            let found = self.tensors.tensor(&name).ok().filter(fits).map(|view| floats(view.data()));
            match found.filter(|found| found.iter().all(|x| x.is_finite())) {
                Some(found) => values.extend(found),
                None => return Err(CheckpointError::Tensor { name, shape: shape.to_vec() }),
            }
        }
        Ok(Tensor::from_slice(&values))
    }
}

/// What stands of a policy beside tensors.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Counters {
    format: u32,
    action_space: String,
    policy: Policy,
    epochs_learned: u32,
    optimizer_steps: u64,
}

impl Ppo {
    /// A checkpoint of all that learning changes; the same state gives the same bytes.
    pub fn save(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.write(&mut writer, "");
        writer.finish()
    }

    /// Adds all that learning changes to a checkpoint, as the part `prefix`.
    pub(crate) fn write(&self, writer: &mut Writer, prefix: &str) {
        let weights = self.policy.weights();
        writer.data(prefix, &self.counters());
        writer.tensors(prefix, weights, &weights.flat());
        writer.tensors(&format!("{prefix}mean."), weights, &self.adam.mean);
        writer.tensors(&format!("{prefix}square."), weights, &self.adam.square);
    }

    /// A learner of a continuous policy that goes on where [`Ppo::save`] was called.
    ///
    /// # Errors
    /// If `checkpoint` is damaged, foreign, or for another problem or network.
    pub fn load(
        problem: Problem,
        settings: &PpoSettings,
        checkpoint: &[u8],
        device: Device,
    ) -> Result<Self, LearnError> {
        let shape = Policy::Continuous(shape(settings)?);
        let policy = PolicyNetwork::zeros(&problem, &shape, device);
        let mut ppo = Self::fresh(problem, settings, shape, policy);
        ppo.restore(checkpoint)?;
        Ok(ppo)
    }

    fn counters(&self) -> Counters {
        Counters {
            format: FORMAT,
            action_space: self.problem.action_space_hash(),
            policy: self.shape.clone(),
            epochs_learned: self.epochs_learned,
            optimizer_steps: self.adam.steps,
        }
    }

    /// Goes back to what [`Ppo::save`] gave.
    ///
    /// # Errors
    /// If `checkpoint` is damaged, foreign, or for another problem or network.
    pub fn restore(&mut self, checkpoint: &[u8]) -> Result<(), CheckpointError> {
        self.read(&Reader::open(checkpoint)?, "")
    }

    /// Goes back to what [`Ppo::write`] added.
    pub(crate) fn read(&mut self, reader: &Reader, prefix: &str) -> Result<(), CheckpointError> {
        let (saved, own): (Counters, _) = (reader.data(prefix)?, self.counters());
        same("format", &saved.format, &own.format)?;
        same("action space", &saved.action_space, &own.action_space)?;
        same("policy", &saved.policy, &own.policy)?;
        let read = |part: &str| reader.tensors(&format!("{prefix}{part}"), self.policy.weights());
        let (weights, mean, square) = (read("")?, read("mean.")?, read("square.")?);
        self.policy.weights_mut().set(&weights);
        self.adam.mean.copy_(&mean);
        self.adam.square.copy_(&square);
        self.adam.steps = saved.optimizer_steps;
        self.epochs_learned = saved.epochs_learned;
        Ok(())
    }
}

pub(crate) fn same<T: PartialEq + Debug>(field: &'static str, got: &T, expected: &T) -> Result<(), CheckpointError> {
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
