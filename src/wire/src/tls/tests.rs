#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::CertificateError;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{ServerName, UnixTime};

use super::*;

fn identities(uid: &str) -> [Identity; 3] {
    let authority = Authority::new(uid).unwrap();
    Role::ALL.map(|role| authority.issue(role).unwrap())
}

/// What a client that trusts `client`'s authority says about `server` at `now`.
fn verdict(client: &Identity, expects: Role, server: &Identity, now: SystemTime) -> Result<(), rustls::Error> {
    let verifier = NamedServer::new(client.roots().unwrap(), &expects.name(client.uid())).unwrap();
    let dialled = ServerName::try_from("10.0.0.7").unwrap();
    let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap());
    let certificate = certificate_in(&server.certificate).unwrap();
    verifier.verify_server_cert(&certificate, &[], &dialled, &[], now).map(|_| ())
}

#[test]
fn a_server_is_believed_by_its_name_at_any_address() {
    let [operator, agent, learner] = identities("0c1d-7");
    let now = SystemTime::now();
    assert_eq!(verdict(&operator, Role::Agent, &agent, now), Ok(()));
    assert_eq!(verdict(&agent, Role::Learner, &learner, now), Ok(()));
    let error = verdict(&operator, Role::Learner, &agent, now).unwrap_err();
    assert!(matches!(error, rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })));
}

#[test]
fn another_experiment_of_the_same_uid_is_not_believed() {
    let [operator, _, _] = identities("twin");
    let [_, agent, _] = identities("twin");
    let error = verdict(&operator, Role::Agent, &agent, SystemTime::now()).unwrap_err();
    assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error:?}");
}

#[test]
fn an_expired_certificate_is_not_believed() {
    let [operator, agent, _] = identities("old");
    assert_eq!(verdict(&operator, Role::Agent, &agent, SystemTime::now() + LIFE - Duration::from_secs(60)), Ok(()));
    let later = SystemTime::now() + LIFE + Duration::from_secs(60);
    let error = verdict(&operator, Role::Agent, &agent, later).unwrap_err();
    assert!(matches!(error, rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { .. })), "{error:?}");
}

#[test]
fn an_authority_that_was_kept_issues_what_its_first_identities_believe() {
    let first = Authority::new("kept").unwrap();
    let before = first.issue(Role::Operator).unwrap();
    let again = Authority::from_pem("kept", first.certificate_pem().to_owned(), &first.key_pem()).unwrap();
    let after = again.issue(Role::Agent).unwrap();
    assert_eq!(verdict(&before, Role::Agent, &after, SystemTime::now()), Ok(()));
    assert_eq!(verdict(&after, Role::Operator, &before, SystemTime::now()), Ok(()));
}

#[test]
fn an_identity_is_renewed_by_itself_only_and_its_clones_with_it() {
    let authority = Authority::new("one").unwrap();
    let identity = authority.issue_for(Role::Agent, Duration::from_secs(600)).unwrap();
    let clone = identity.clone();
    for (stranger, name) in [
        (authority.issue(Role::Learner).unwrap(), "another role"),
        (Authority::new("one").unwrap().issue(Role::Agent).unwrap(), "another authority"),
    ] {
        assert!(matches!(identity.renew(&stranger), Err(TlsError::Another { .. })), "{name}");
    }
    let left = |identity: &Identity| identity.not_after().unwrap().duration_since(SystemTime::now()).unwrap();
    assert!(left(&clone) <= Duration::from_secs(600));
    identity.renew(&authority.issue(Role::Agent).unwrap()).unwrap();
    assert!(left(&clone) > LIFE - Duration::from_secs(600));
}

#[test]
fn files_that_are_replaced_by_something_else_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("one").unwrap();
    authority.issue(Role::Agent).unwrap().save(folder.path()).unwrap();
    let identity = Identity::follow(folder.path(), Duration::ZERO).unwrap();
    let before = identity.shown.key();
    let other = authority.issue(Role::Agent).unwrap();
    std::fs::write(folder.path().join("cert.pem"), &other.certificate).unwrap();
    assert_eq!(identity.shown.key().cert, before.cert, "the key is still the first one's");
    std::fs::write(folder.path().join("key.pem"), &other.key).unwrap();
    assert_ne!(identity.shown.key().cert, before.cert);
}

#[test]
fn a_uid_that_is_no_dns_label_is_refused() {
    let long = "a".repeat(64);
    for uid in ["", "UPPER", "with.dot", "-a", "a-", "under_score", "*", long.as_str()] {
        assert!(matches!(Authority::new(uid), Err(TlsError::Uid(_))), "{uid}");
    }
}

#[test]
fn established_identities_stay_and_are_their_owners_only() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("tls");
    establish(&dir, "one").unwrap();
    let before = Identity::load(&dir.join("agent")).unwrap();
    assert_eq!((before.role(), before.uid()), (Role::Agent, "one"));
    establish(&dir, "one").unwrap();
    assert_eq!(Identity::load(&dir.join("agent")).unwrap().pem(), before.pem());
    let mode = |path: &str| std::fs::metadata(dir.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("agent/key.pem"), 0o600);
    assert_eq!(mode("learner"), 0o700);
}

#[test]
fn a_folder_left_by_a_killed_start_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("tls");
    std::fs::create_dir_all(folder.path().join("tls.partial/agent")).unwrap();
    std::fs::write(folder.path().join("tls.partial/agent/key.pem"), "half").unwrap();
    establish(&dir, "one").unwrap();
    assert_eq!(Identity::load(&dir.join("operator")).unwrap().role(), Role::Operator);
    assert!(!folder.path().join("tls.partial").exists());
}

#[test]
fn a_folder_of_another_experiment_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("tls");
    establish(&dir, "one").unwrap();
    let error = establish(&dir, "two").unwrap_err();
    assert!(matches!(error, TlsError::Foreign { ref found, .. } if found == "operator.one"), "{error}");
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [operator, agent, _] = identities("one");
    agent.save(folder.path()).unwrap();
    let spoil = |file: &str, text: &str| {
        let path = folder.path().join(file);
        let before = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text).unwrap();
        let error = Identity::load(folder.path()).unwrap_err();
        assert!(matches!(error, TlsError::Folder { .. }), "{file}: {error}");
        std::fs::write(&path, before).unwrap();
    };
    spoil("key.pem", &operator.key);
    spoil("key.pem", "");
    spoil("cert.pem", "not PEM");
    spoil("cert.pem", &agent.authority);
    std::fs::remove_file(folder.path().join("ca.pem")).unwrap();
    assert!(matches!(Identity::load(folder.path()), Err(TlsError::Read { .. })));
}

#[test]
fn a_printed_identity_does_not_show_its_key() {
    let [operator, _, _] = identities("one");
    assert_eq!(format!("{operator:?}"), "Identity { name: \"operator.one\", .. }");
}
