//! The certificate authority of one experiment.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Identity, Role, TlsError};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rcgen::{ExtendedKeyUsagePurpose as Usage, date_time_ymd};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Life of an identity's certificate, unless another is asked for. A key that was stolen is of use for no longer; and whoever
/// renews at two thirds of it may be away for a month before anything breaks.
pub const LIFE: Duration = DAY.saturating_mul(90);

/// The authority goes away with its experiment, and only has to outlive it.
pub(super) const LIFE_OF_AUTHORITY: Duration = DAY.saturating_mul(3650);

/// Makes the identities of one experiment.
///
/// Whoever has its key can be anybody in the experiment: it is kept where no program but the issuing one can read it.
pub struct Authority {
    uid: String,
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority for the experiment `uid`: 1 to 63 lower-case letters, digits and inner hyphens.
    pub fn new(uid: &str) -> Result<Self, TlsError> {
        check_uid(uid)?;
        let mut params = params(Vec::new(), &format!("trainpilot {uid}"), LIFE_OF_AUTHORITY)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { uid: uid.to_owned(), certificate, issuer: Issuer::new(params, key) })
    }

    /// The authority of the experiment `uid` again, from its certificate and key in PEM.
    pub fn from_pem(uid: &str, certificate: String, key: &str) -> Result<Self, TlsError> {
        check_uid(uid)?;
        let issuer = Issuer::from_ca_cert_pem(&certificate, KeyPair::from_pem(key)?)?;
        Ok(Self { uid: uid.to_owned(), certificate, issuer })
    }

    /// Its certificate, in PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// Its key, in PEM.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A new certificate and key for `role`, good as server and as client for [`LIFE`].
    pub fn issue(&self, role: Role) -> Result<Identity, TlsError> {
        self.issue_for(role, LIFE)
    }

    /// The same, good for another time.
    pub fn issue_for(&self, role: Role, life: Duration) -> Result<Identity, TlsError> {
        let name = role.name(&self.uid);
        let mut params = params(vec![name.clone()], &name, life)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![Usage::ServerAuth, Usage::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Identity::from_pem(self.certificate.clone(), certificate.pem(), key.serialize_pem())
    }
}

fn params(names: Vec<String>, common_name: &str, life: Duration) -> Result<CertificateParams, TlsError> {
    let date = |time: SystemTime| date_time_ymd(1970, 1, 1) + time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    // Clocks of a cluster's nodes differ.
    params.not_before = date(SystemTime::now() - DAY);
    params.not_after = date(SystemTime::now() + life);
    Ok(params)
}

fn check_uid(uid: &str) -> Result<(), TlsError> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = (1..=63).contains(&uid.len()) && uid.chars().all(inner) && !uid.starts_with('-') && !uid.ends_with('-');
    if fits { Ok(()) } else { Err(TlsError::Uid(uid.to_owned())) }
}
