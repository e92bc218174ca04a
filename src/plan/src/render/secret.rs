//! The experiment's identities: all of them in one Secret, so that they come into being together. Pods mount those of their
//! own role only, and see them renewed.
//!
//! The authority that issues them is in a Secret of its own, which no pod names: a node may read the whole of any Secret that
//! a pod on it mounts a part of.

use std::collections::BTreeMap;

use api::TuningExperiment;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{KeyToPath, Secret, SecretVolumeSource, Volume};
use wire::tls::{Authority, Identity, Role, TlsError};

use super::metadata;

/// The files of an identity.
const FILES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];

/// The files of the authority.
const AUTHORITY_CERTIFICATE: &str = "ca.pem";
const AUTHORITY_KEY: &str = "ca.key.pem";

/// Name of the Secret with the identities.
pub fn secret_name(experiment: &TuningExperiment) -> String {
    let name = experiment.metadata.name.as_deref().unwrap_or_default();
    metadata::unmistakable(experiment, &format!("{name}-identities"))
}

/// Name of the Secret with the authority.
pub fn authority_secret_name(experiment: &TuningExperiment) -> String {
    let name = experiment.metadata.name.as_deref().unwrap_or_default();
    metadata::unmistakable(experiment, &format!("{name}-authority"))
}

/// The Secret with `identities`.
pub fn secret(experiment: &TuningExperiment, identities: &[Identity]) -> Secret {
    let files = identities.iter().flat_map(|identity| {
        let file = |(file, text): (&str, &str)| (key(identity.role(), file), ByteString(text.as_bytes().to_vec()));
        identity.pem().map(file)
    });
    opaque(experiment, secret_name(experiment), files.collect())
}

/// The Secret with `authority`, which does not change.
pub fn authority_secret(experiment: &TuningExperiment, authority: &Authority) -> Secret {
    let texts = [(AUTHORITY_CERTIFICATE, authority.certificate_pem().to_owned()), (AUTHORITY_KEY, authority.key_pem())];
    let files = texts.map(|(file, text)| (file.to_owned(), ByteString(text.into_bytes())));
    Secret { immutable: Some(true), ..opaque(experiment, authority_secret_name(experiment), files.into()) }
}

fn opaque(experiment: &TuningExperiment, name: String, files: BTreeMap<String, ByteString>) -> Secret {
    Secret {
        metadata: metadata::of_experiment(experiment, name),
        data: Some(files),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}

/// The identity of `role` in the Secret.
///
/// # Errors
/// If it is not there, or damaged.
pub fn identity_in(secret: &Secret, role: Role) -> Result<Identity, TlsError> {
    let text = |file: &str| text(secret, &key(role, file)).ok_or(TlsError::Pem("file of an identity"));
    Identity::from_pem(text(FILES[0])?, text(FILES[1])?, text(FILES[2])?)
}

/// The authority of the experiment `uid` in the Secret.
///
/// # Errors
/// If it is not there, or damaged.
pub fn authority_in(secret: &Secret, uid: &str) -> Result<Authority, TlsError> {
    let text = |file: &str| text(secret, file).ok_or(TlsError::Pem("file of an authority"));
    Authority::from_pem(uid, text(AUTHORITY_CERTIFICATE)?, &text(AUTHORITY_KEY)?)
}

fn text(secret: &Secret, key: &str) -> Option<String> {
    String::from_utf8(secret.data.as_ref()?.get(key)?.0.clone()).ok()
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
