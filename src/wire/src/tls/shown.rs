//! The certificate that a program shows its peers. It may be replaced while servers and clients go on: what was shown before
//! counts for the connections that are open, the new one for those that follow.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tracing::{info, warn};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Identity, TlsError};

/// What is shown, and where another one may appear.
pub(super) struct Shown {
    /// Only certificates of this name, under this authority, take its place.
    name: String,
    authority: String,
    folder: Option<Folder>,
    current: Mutex<Current>,
}

/// A folder that is looked into now and then.
pub(super) struct Folder {
    pub path: PathBuf,
    /// Between two looks, at least.
    pub every: Duration,
}

struct Current {
    key: Arc<CertifiedKey>,
    looked: Instant,
}

impl Shown {
    pub fn new(name: String, authority: String, key: Arc<CertifiedKey>, folder: Option<Folder>) -> Self {
        Self { name, authority, folder, current: Mutex::new(Current { key, looked: Instant::now() }) }
    }

    /// What is shown now: whoever asks is about to show it, so that is when the folder is looked into.
    pub fn key(&self) -> Arc<CertifiedKey> {
        let mut current = self.current();
        if let Some(folder) = &self.folder
            && current.looked.elapsed() >= folder.every
        {
            current.looked = Instant::now();
            match self.found_in(folder) {
                Ok(key) if key.cert == current.key.cert => {}
                Ok(key) => {
                    info!(name = self.name, "a new certificate is shown");
                    current.key = key;
                }
                // Half of it may be there, or none; what is known goes on as long as it is good.
                Err(error) => warn!(error = &error as &dyn std::error::Error, "the certificate stays as it is"),
            }
        }
        Arc::clone(&current.key)
    }

    /// Shows what `other` shows from now on.
    pub fn replace(&self, other: &Identity) -> Result<(), TlsError> {
        let key = self.fit(other)?;
        self.current().key = key;
        Ok(())
    }

    /// When what is shown now expires.
    pub fn not_after(&self) -> Result<SystemTime, TlsError> {
        let key = self.key();
        let certificate = key.end_entity_cert()?;
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| TlsError::Pem("certificate"))?;
        let seconds = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or_default();
        Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    fn found_in(&self, folder: &Folder) -> Result<Arc<CertifiedKey>, TlsError> {
        self.fit(&Identity::read(&folder.path)?)
    }

    fn fit(&self, other: &Identity) -> Result<Arc<CertifiedKey>, TlsError> {
        if other.shown.name != self.name || other.shown.authority != self.authority {
            return Err(TlsError::Another { name: self.name.clone() });
        }
        Ok(Arc::clone(&other.shown.current().key))
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
