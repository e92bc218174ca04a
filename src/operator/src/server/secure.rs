//! Metrics over TLS, with a certificate that is given, or one of our own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum_server::tls_rustls::RustlsConfig;

/// Between two looks at a certificate that is given: who issues it issues it anew.
const RELOAD_EVERY: Duration = Duration::from_secs(600);

/// Where the certificate comes from.
#[derive(Clone, Debug)]
pub enum Certificate {
    /// A folder with `tls.crt` and `tls.key`, as Secrets of the type `kubernetes.io/tls` give it; read again now and then.
    Folder(PathBuf),
    /// Made for these names, and signed by itself: what is read can't be overheard, but who answers is not proved.
    OwnFor(Vec<String>),
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It can't be read, or is none.
    #[error("the certificate of {} can't be used", .0.display())]
    Folder(PathBuf, #[source] std::io::Error),
    /// None could be made.
    #[error("no certificate could be made")]
    Make(#[from] rcgen::Error),
    /// What was made is of no use.
    #[error("the certificate can't be used")]
    Use(#[source] std::io::Error),
}

impl Certificate {
    /// What a server shows.
    ///
    /// # Errors
    /// If there is none.
    pub async fn config(&self) -> Result<RustlsConfig, CertificateError> {
        match self {
            Self::Folder(folder) => {
                let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
                let config = RustlsConfig::from_pem_file(certificate, key).await;
                config.map_err(|error| CertificateError::Folder(folder.clone(), error))
            }
            Self::OwnFor(names) => {
                let made = rcgen::generate_simple_self_signed(names.clone())?;
                let key = made.signing_key.serialize_pem();
                let config = RustlsConfig::from_pem(made.cert.pem().into_bytes(), key.into_bytes()).await;
                config.map_err(CertificateError::Use)
            }
        }
    }
}

/// Serves `router` over TLS for as long as somebody waits for it.
///
/// # Errors
/// If there is no certificate, or nothing can listen at the address.
pub async fn serve(address: SocketAddr, certificate: Certificate, router: Router) -> anyhow::Result<()> {
    let config = certificate.config().await?;
    let served = axum_server::bind_rustls(address, config.clone()).serve(router.into_make_service());
    let renewed = async {
        loop {
            tokio::time::sleep(RELOAD_EVERY).await;
            let Certificate::Folder(folder) = &certificate else { continue };
            if let Err(error) = config.reload_from_pem_file(folder.join("tls.crt"), folder.join("tls.key")).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the certificate stays as it was");
            }
        }
    };
    tokio::select! {
        done = served => Ok(done?),
        never = renewed => never,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_certificate_is_made_or_read_and_a_wrong_one_is_told_of() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Certificate::OwnFor(vec!["trainpilot-operator".to_owned()]).config().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let given = Certificate::Folder(folder.path().to_owned());
        assert!(matches!(given.config().await, Err(CertificateError::Folder(..))));
        let made = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
        std::fs::write(folder.path().join("tls.crt"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("tls.key"), made.signing_key.serialize_pem()).unwrap();
        given.config().await.unwrap();
    }
}
