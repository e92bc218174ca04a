//! The experiment's identities: all of them in one Secret, so that they come into being together. Pods mount those of their
//! own role only.

use std::collections::BTreeMap;

use api::TuningExperiment;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{KeyToPath, Secret, SecretVolumeSource, Volume};
use wire::tls::{Identity, Role, TlsError};

use super::metadata;

/// The files of an identity.
const FILES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];

/// Name of the Secret.
pub fn secret_name(experiment: &TuningExperiment) -> String {
    let name = experiment.metadata.name.as_deref().unwrap_or_default();
    metadata::unmistakable(experiment, &format!("{name}-identities"))
}

/// The Secret with `identities`.
pub fn secret(experiment: &TuningExperiment, identities: &[Identity]) -> Secret {
    let files = identities.iter().flat_map(|identity| {
        let file = |(file, text): (&str, &str)| (key(identity.role(), file), ByteString(text.as_bytes().to_vec()));
        identity.pem().map(file)
    });
    Secret {
        metadata: metadata::of_experiment(experiment, secret_name(experiment)),
        data: Some(files.collect::<BTreeMap<_, _>>()),
        immutable: Some(true),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}

/// The identity of `role` in the Secret.
///
/// # Errors
/// If it is not there, or damaged.
pub fn identity_in(secret: &Secret, role: Role) -> Result<Identity, TlsError> {
    let text = |file: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(&key(role, file)));
        let text = bytes.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
        text.ok_or(TlsError::Pem("file of an identity"))
    };
    Identity::from_pem(text(FILES[0])?, text(FILES[1])?, text(FILES[2])?)
}

/// A volume with the files of one role.
pub(super) fn volume(experiment: &TuningExperiment, role: Role, name: &str) -> Volume {
    let item = |file: &str| KeyToPath { key: key(role, file), path: file.to_owned(), mode: None };
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret_name(experiment)),
            items: Some(FILES.map(item).to_vec()),
            default_mode: Some(0o444),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn key(role: Role, file: &str) -> String {
    format!("{}.{file}", role.as_str())
}
