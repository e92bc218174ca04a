//! Artifacts as bytes.

use std::collections::HashMap;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{ArtifactError, FORMAT, Header, MAX_BYTES, METADATA_KEY, check};

/// Name, shape and numbers (row by row) of one weight.
pub type Tensor = (String, Vec<usize>, Vec<f32>);

/// The file of a policy, after the very checks that [`read`] makes. Equal arguments give equal bytes.
///
/// `tensors` are those of [`super::Policy::tensors`], in any order; none for other kinds of policy.
pub fn write(header: &Header, tensors: &[Tensor]) -> Result<Vec<u8>, ArtifactError> {
    check::header(header)?;
    let given = tensors.iter().map(|(name, shape, _)| (name.as_str(), Dtype::F32, shape.as_slice()));
    names_and_shapes(header, given)?;
    tensors.iter().try_for_each(numbers)?;
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(.., numbers)| numbers.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let views: Result<Vec<_>, _> = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, shape, _), bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect();
    let json = serde_json::to_string(header).map_err(ArtifactError::Header)?;
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), json)]);
    let file = views.and_then(|views| safetensors::serialize(views, Some(metadata)));
    let file = file.map_err(ArtifactError::Safetensors)?;
    if file.len() > MAX_BYTES { Err(ArtifactError::TooLarge(file.len())) } else { Ok(file) }
}

/// Header and weights of the policy in `bytes`, the weights in the order of [`super::Policy::tensors`].
///
/// Nothing is returned, and little is allocated, before sizes, version, header, names, types and shapes are as they
/// should be; and every number is finite.
pub fn read(bytes: &[u8]) -> Result<(Header, Vec<Tensor>), ArtifactError> {
    if bytes.len() > MAX_BYTES {
        return Err(ArtifactError::TooLarge(bytes.len()));
    }
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(ArtifactError::Safetensors)?;
    let json = metadata.metadata().as_ref().and_then(|entries| entries.get(METADATA_KEY));
    let header = parse(json.ok_or(ArtifactError::NoHeader)?)?;
    let file = SafeTensors::deserialize(bytes).map_err(ArtifactError::Safetensors)?;
    let views: HashMap<String, TensorView<'_>> = file.tensors().into_iter().collect();
    let given = views.iter().map(|(name, view)| (name.as_str(), view.dtype(), view.shape()));
    let expected = names_and_shapes(&header, given)?;
    let tensors = expected.into_iter().map(|(name, shape)| {
        let floats = views.get(&name).map_or_else(Vec::new, |view| floats(view.data()));
        (name, shape, floats)
    });
    let tensors: Vec<Tensor> = tensors.collect();
    tensors.iter().try_for_each(numbers)?;
    Ok((header, tensors))
}

/// The version is looked at on its own first: another one may have other fields.
fn parse(json: &str) -> Result<Header, ArtifactError> {
    #[derive(Deserialize)]
    struct Version {
        format: u64,
    }
    let Version { format } = serde_json::from_str(json).map_err(ArtifactError::Header)?;
    if format != u64::from(FORMAT) {
        return Err(ArtifactError::Format(format));
    }
    let header = serde_json::from_str(json).map_err(ArtifactError::Header)?;
    check::header(&header)?;
    Ok(header)
}

/// The weights that `header` asks for, if those `given` are exactly them.
fn names_and_shapes<'a>(
    header: &Header,
    given: impl Iterator<Item = (&'a str, Dtype, &'a [usize])>,
) -> Result<Vec<(String, Vec<usize>)>, ArtifactError> {
    let expected = header.policy.tensors(&header.problem);
    let mut missing: HashMap<&str, &[usize]> =
        expected.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
    for (name, dtype, shape) in given {
        let Some(wanted) = missing.remove(name) else {
            return Err(ArtifactError::Unexpected(name.to_owned()));
        };
        if dtype != Dtype::F32 {
            return Err(ArtifactError::Type { name: name.to_owned(), found: dtype });
        }
        if shape != wanted {
            let (found, expected) = (shape.to_vec(), wanted.to_vec());
            return Err(ArtifactError::Shape { name: name.to_owned(), found, expected });
        }
    }
    match expected.iter().find(|(name, _)| missing.contains_key(name.as_str())).cloned() {
        Some((name, shape)) => Err(ArtifactError::Missing { name, shape }),
        None => Ok(expected),
    }
}

fn numbers((name, shape, numbers): &Tensor) -> Result<(), ArtifactError> {
    let expected = shape.iter().product();
    if numbers.len() != expected {
        return Err(ArtifactError::Length { name: name.clone(), found: numbers.len(), expected });
    }
    if numbers.iter().all(|x| x.is_finite()) { Ok(()) } else { Err(ArtifactError::NotFinite(name.clone())) }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks();
    numbers.iter().map(|number| f32::from_le_bytes(*number)).collect()
}

/// SHA-256 of an artifact, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
