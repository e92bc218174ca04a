//! Mutual TLS: who may talk to whom within one experiment.
//!
//! Every experiment has a certificate authority of its own and one identity per [`Role`], whose certificate carries the
//! name `ROLE.UID`. That name is what peers check, whatever address was dialled: pods move, addresses get reused.
//! Identities are renewed long before they expire, under the same authority, so that old and new ones understand each other.

mod authority;
mod files;
mod shown;
mod verify;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;

pub use authority::{Authority, LIFE};
pub use files::establish;
use shown::Shown;
use verify::NamedServer;
pub(crate) use verify::bearer;

/// What a program may do within its experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Plans, starts the others, and gathers.
    Operator,
    /// Steers one training.
    Agent,
    /// Stores trajectories, learns and publishes policies.
    Learner,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::Operator, Self::Agent, Self::Learner];

    /// The word used in certificates, and as the name of the folder with the identity.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Agent => "agent",
            Self::Learner => "learner",
        }
    }

    /// Inverse of [`Role::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// The DNS name in the certificate of this role in the experiment `uid`.
    pub fn name(self, uid: &str) -> String {
        format!("{}.{uid}", self.as_str())
    }
}

/// Why an identity could not be made, stored or used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The unique id can't stand in a DNS name.
    #[error("uid {0:?} must be 1 to 63 lower-case letters, digits and inner hyphens")]
    Uid(String),
    /// A key or certificate could not be made.
    #[error("could not make a certificate")]
    Generate(#[from] rcgen::Error),
    /// A file of an identity could not be read.
    #[error("could not read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of an identity could not be written.
    #[error("could not write {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A text is not what it should be.
    #[error("expected a {0} in PEM")]
    Pem(&'static str),
    /// The files of a folder are not an identity.
    #[error("{path} does not hold an identity")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: Box<TlsError>,
    },
    /// A certificate has no name, several, or one that is not `ROLE.UID`.
    #[error("a certificate must carry exactly one name ROLE.UID")]
    Name,
    /// A folder already holds identities of another experiment.
    #[error("{path} holds the identity of {found:?}, expected {expected:?}")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Name found.
        found: String,
        /// Name expected.
        expected: String,
    },
    /// What should take the place of an identity is not the same one.
    #[error("the new certificate is not of {name} under the same authority")]
    Another {
        /// Name in the certificate that is to be replaced.
        name: String,
    },
    /// Certificate, key and authority do not belong together.
    #[error("certificate, key and authority cannot be used together")]
    Unusable(#[from] rustls::Error),
    /// The authority's certificate can't be trusted.
    #[error("the authority's certificate cannot be trusted")]
    Untrusted(#[from] rustls::server::VerifierBuilderError),
    /// The address of a listener is unknown.
    #[error("could not learn where the listener listens")]
    Listen(#[source] std::io::Error),
    /// No client could be made of an identity.
    #[error("could not make an HTTP client")]
    Client(#[from] reqwest::Error),
}

/// One role's certificate and key, and the authority that it trusts, in PEM.
///
/// Servers and clients made of it show its newest certificate, as do those made of its clones: see [`Identity::renew`].
#[derive(Clone)]
pub struct Identity {
    role: Role,
    uid: String,
    authority: String,
    certificate: String,
    key: String,
    shown: Arc<Shown>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("name", &self.role.name(&self.uid)).finish_non_exhaustive()
    }
}

impl Identity {
    /// An identity from an authority's certificate, its own and its key, after checking that they belong together.
    pub fn from_pem(authority: String, certificate: String, key: String) -> Result<Self, TlsError> {
        let (role, uid) = bearer(&certificate_in(&certificate)?)?;
        let chain = vec![certificate_in(&certificate)?];
        let private = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| TlsError::Pem("private key"))?;
        let pair = Arc::new(CertifiedKey::from_der(chain, private, &ring::default_provider())?);
        let shown = Arc::new(Shown::new(role.name(&uid), authority.clone(), pair, None));
        let identity = Self { role, uid, authority, certificate, key, shown };
        identity.server_config()?;
        Ok(identity)
    }

    /// What the bearer may do.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Unique id of the experiment.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// When the certificate shown now expires.
    pub fn not_after(&self) -> Result<SystemTime, TlsError> {
        self.shown.not_after()
    }

    /// Shows the certificate of `other` from now on, which must be the same identity issued anew.
    pub fn renew(&self, other: &Self) -> Result<(), TlsError> {
        self.shown.replace(other)
    }

    /// For a server: clients without a certificate of this experiment are refused.
    pub fn server_config(&self) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(self.roots()?, provider).build()?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_protocol_versions(&[&TLS13])?.with_client_cert_verifier(clients);
        let mut config = config.with_cert_resolver(Arc::clone(&self.shown) as _);
        // Without resumption each connection proves both identities anew.
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// For a client: servers are believed if they prove to be `expects` of this experiment, at whatever address.
    pub fn client_config(&self, expects: Role) -> Result<ClientConfig, TlsError> {
        let server = NamedServer::new(self.roots()?, &expects.name(&self.uid))?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_protocol_versions(&[&TLS13])?.dangerous();
        let config = config.with_custom_certificate_verifier(Arc::new(server));
        let mut config = config.with_client_cert_resolver(Arc::clone(&self.shown) as _);
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Ok(config)
    }

    fn roots(&self) -> Result<Arc<RootCertStore>, TlsError> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate_in(&self.authority)?)?;
        Ok(Arc::new(roots))
    }
}

fn certificate_in(text: &str) -> Result<CertificateDer<'static>, TlsError> {
    CertificateDer::from_pem_slice(text.as_bytes()).map_err(|_| TlsError::Pem("certificate"))
}

/// For a client that has no business beyond plain HTTP: it believes no server at all.
pub(crate) fn believes_nobody() -> Result<ClientConfig, TlsError> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_protocol_versions(&[&TLS13])?.with_root_certificates(RootCertStore::empty());
    Ok(config.with_no_client_auth())
}

#[cfg(test)]
mod tests;
