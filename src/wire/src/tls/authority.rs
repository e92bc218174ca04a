//! The certificate authority of one experiment.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Identity, Role, TlsError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rcgen::{ExtendedKeyUsagePurpose as Usage, date_time_ymd};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Certificates go away with their experiment; they only have to outlive it.
const VALID: Duration = DAY.saturating_mul(3650);

/// Makes the identities of one experiment. Its key never leaves memory: whoever is done issuing drops it.
pub struct Authority {
    uid: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority for the experiment `uid`: 1 to 63 lower-case letters, digits and inner hyphens.
    pub fn new(uid: &str) -> Result<Self, TlsError> {
        check_uid(uid)?;
        let mut params = params(Vec::new(), &format!("trainpilot {uid}"))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self { uid: uid.to_owned(), issuer })
    }

    /// A new certificate and key for `role`, good as server and as client.
    pub fn issue(&self, role: Role) -> Result<Identity, TlsError> {
        let name = role.name(&self.uid);
        let mut params = params(vec![name.clone()], &name)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![Usage::ServerAuth, Usage::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Identity::from_pem(self.issuer.pem(), certificate.pem(), key.serialize_pem())
    }
}

fn params(names: Vec<String>, common_name: &str) -> Result<CertificateParams, TlsError> {
    let date = |time: SystemTime| date_time_ymd(1970, 1, 1) + time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    // Clocks of a cluster's nodes differ.
    params.not_before = date(SystemTime::now() - DAY);
    params.not_after = date(SystemTime::now() + VALID);
    Ok(params)
}

fn check_uid(uid: &str) -> Result<(), TlsError> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = (1..=63).contains(&uid.len()) && uid.chars().all(inner) && !uid.starts_with('-') && !uid.ends_with('-');
    if fits { Ok(()) } else { Err(TlsError::Uid(uid.to_owned())) }
}
