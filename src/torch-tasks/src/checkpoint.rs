//! Tensors by name in a file (safetensors), and back into those that are there.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tch::{Device, Tensor, nn::VarStore, no_grad};

/// Tensors by name.
pub type Named = BTreeMap<String, Tensor>;

/// What a checkpoint and the training that goes on from it have in common, by name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Common(Map<String, Value>);

impl Common {
    /// The fields of an object.
    pub fn new(fields: &Value) -> Self {
        Self(fields.as_object().cloned().unwrap_or_default())
    }

    /// Compares with what was found in a checkpoint.
    ///
    /// # Errors
    /// The first difference.
    pub fn check(&self, found: &Self) -> Result<()> {
        for (field, expected) in &self.0 {
            let found = found.0.get(field).unwrap_or(&Value::Null);
            ensure!(found == expected, "it is of another training: its {field} is {found}, expected {expected}");
        }
        Ok(())
    }
}

/// All of `weights`, by name, with what is not trained, such as the sums of batch normalisation.
pub fn all(weights: &VarStore) -> Named {
    weights.variables().into_iter().collect()
}

/// Writes `tensors` to `file`.
///
/// # Errors
/// If the disk does not take them.
pub fn write(file: &Path, tensors: &Named) -> Result<()> {
    let there = |tensor: &Tensor| tensor.detach().to_device(Device::Cpu).contiguous();
    let tensors: Vec<(&String, Tensor)> = tensors.iter().map(|(name, tensor)| (name, there(tensor))).collect();
    Tensor::write_safetensors(&tensors, file).with_context(|| format!("could not write {}", file.display()))
}

/// Copies what `file` holds into `tensors`, each into that of its name.
///
/// # Errors
/// If it can't be read, or holds other tensors, or of other sizes or kinds: the first difference is named, and nothing was
/// copied.
pub fn read(file: &Path, tensors: &Named) -> Result<()> {
    let shown = file.display();
    let found = Tensor::read_safetensors(file).with_context(|| format!("{shown} is missing or damaged"))?;
    let found: Named = found.into_iter().collect();
    if let Some(name) = found.keys().find(|name| !tensors.contains_key(*name)) {
        bail!("{shown} is of another model: it has {name:?}, which this one has not");
    }
    for (name, here) in tensors {
        let Some(there) = found.get(name) else { bail!("{shown} is of another model: it lacks {name:?}") };
        let (there, here) = ((there.size(), there.kind()), (here.size(), here.kind()));
        ensure!(there == here, "{shown} is of another model: {name:?} is {there:?}, expected {here:?}");
    }
    no_grad(|| tensors.iter().for_each(|(name, here)| here.shallow_clone().copy_(&found[name])));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    fn named(tensors: &[(&str, &[f32])]) -> Named {
        tensors.iter().map(|(name, values)| ((*name).to_owned(), Tensor::from_slice(values))).collect()
    }

    #[test]
    fn tensors_come_back_to_the_bit_and_those_of_another_model_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("weights.safetensors");
        write(&file, &named(&[("a", &[1.0, 1e-30]), ("b", &[f32::MAX])])).unwrap();
        let here = named(&[("a", &[0.0, 0.0]), ("b", &[0.0])]);
        read(&file, &here).unwrap();
        assert_eq!(Vec::<f32>::try_from(&here["a"]).unwrap(), [1.0, 1e-30]);
        let refused = |tensors: &[(&str, &[f32])], sentence: &str| {
            let told = format!("{:#}", read(&file, &named(tensors)).unwrap_err());
            assert!(told.contains(sentence), "{told}");
        };
        refused(&[("a", &[0.0, 0.0])], "another model: it has \"b\"");
        refused(&[("a", &[0.0, 0.0]), ("b", &[0.0]), ("c", &[0.0])], "it lacks \"c\"");
        refused(&[("a", &[0.0]), ("b", &[0.0])], "\"a\" is ([2], Float), expected ([1], Float)");
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() - 3]).unwrap();
        refused(&[("a", &[0.0, 0.0]), ("b", &[0.0])], "is missing or damaged");
    }
}
