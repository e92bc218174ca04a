//! Checks of what a peer's certificate says.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};
use webpki::EndEntityCert;

use super::{Role, TlsError};

/// Believes servers that carry one fixed name, whatever address they were found at.
#[derive(Debug)]
pub(super) struct NamedServer {
    name: ServerName<'static>,
    chain: Arc<WebPkiServerVerifier>,
}

impl NamedServer {
    pub(super) fn new(roots: Arc<RootCertStore>, name: &str) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let chain = WebPkiServerVerifier::builder_with_provider(roots, provider).build()?;
        let name = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name)?;
        Ok(Self { name, chain })
    }
}

impl ServerCertVerifier for NamedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _dialled: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.chain.verify_server_cert(end_entity, intermediates, &self.name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// Role and experiment in a certificate whose chain is already verified.
pub(crate) fn bearer(certificate: &CertificateDer<'_>) -> Result<(Role, String), TlsError> {
    let certificate = EndEntityCert::try_from(certificate).map_err(|_| TlsError::Name)?;
    let mut names = certificate.valid_dns_names();
    let (Some(name), None) = (names.next(), names.next()) else {
        return Err(TlsError::Name);
    };
    let (role, uid) = name.split_once('.').ok_or(TlsError::Name)?;
    Ok((Role::parse(role).ok_or(TlsError::Name)?, uid.to_owned()))
}
