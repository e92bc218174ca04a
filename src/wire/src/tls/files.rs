//! Identities as files: a folder per role with `ca.pem`, `cert.pem` and `key.pem`, as a Secret is mounted.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::authority::LIFE_OF_AUTHORITY;
use super::shown::{Folder, Shown};
use super::{Authority, Identity, Role, TlsError};

/// Between two looks into a folder whose files may have been replaced.
const LOOK_EVERY: Duration = Duration::from_secs(30);

const AUTHORITY: &str = "ca.pem";
const CERTIFICATE: &str = "cert.pem";
const KEY: &str = "key.pem";

/// Sees to it that `dir` holds the identities of experiment `uid`, in a folder per role named by [`Role::as_str`].
///
/// Makes all of them under a new authority if `dir` does not exist, and all at once: a kill leaves either none or all. They
/// are good for as long as their run may be resumed: nobody renews them, and whoever could steal one could steal its successor.
pub fn establish(dir: &Path, uid: &str) -> Result<(), TlsError> {
    if dir.try_exists().map_err(read_error(dir))? {
        return Role::ALL.into_iter().try_for_each(|role| expect(&dir.join(role.as_str()), &role.name(uid)));
    }
    let mut partial = OsString::from(dir);
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    if partial.try_exists().map_err(read_error(&partial))? {
        fs::remove_dir_all(&partial).map_err(write_error(&partial))?;
    }
    let authority = Authority::new(uid)?;
    for role in Role::ALL {
        authority.issue_for(role, LIFE_OF_AUTHORITY)?.save(&partial.join(role.as_str()))?;
    }
    fs::rename(&partial, dir).map_err(write_error(dir))
}

fn expect(dir: &Path, name: &str) -> Result<(), TlsError> {
    let identity = Identity::load(dir)?;
    let found = identity.role.name(&identity.uid);
    if found == name {
        return Ok(());
    }
    Err(TlsError::Foreign { path: dir.to_owned(), found, expected: name.to_owned() })
}

impl Identity {
    /// Reads the identity in `dir`, and follows it: files that are replaced there are used half a minute later.
    pub fn load(dir: &Path) -> Result<Self, TlsError> {
        Self::follow(dir, LOOK_EVERY)
    }

    /// The same, with at least `every` between two looks.
    pub fn follow(dir: &Path, every: Duration) -> Result<Self, TlsError> {
        let identity = Self::read(dir)?;
        let folder = Folder { path: dir.to_owned(), every };
        let name = identity.role.name(&identity.uid);
        let shown = Shown::new(name, identity.authority.clone(), identity.shown.key(), Some(folder));
        Ok(Self { shown: Arc::new(shown), ..identity })
    }

    /// Reads the identity in `dir` once.
    pub(super) fn read(dir: &Path) -> Result<Self, TlsError> {
        let [authority, certificate, key] = [AUTHORITY, CERTIFICATE, KEY].map(|name| {
            let path = dir.join(name);
            fs::read_to_string(&path).map_err(|source| TlsError::Read { path, source })
        });
        Self::from_pem(authority?, certificate?, key?)
            .map_err(|source| TlsError::Folder { path: dir.to_owned(), source: Box::new(source) })
    }

    /// Writes the identity into `dir`, which is made if need be; only the owner may read it.
    pub fn save(&self, dir: &Path) -> Result<(), TlsError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(write_error(dir))?;
        self.pem().into_iter().try_for_each(|(name, text)| write(&dir.join(name), text))
    }

    /// Name and content of each file of the identity, in PEM.
    pub fn pem(&self) -> [(&'static str, &str); 3] {
        [(AUTHORITY, &self.authority), (CERTIFICATE, &self.certificate), (KEY, &self.key)]
    }
}

fn write(path: &Path, text: &str) -> Result<(), TlsError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(write_error(path))
}

fn read_error(path: &Path) -> impl Fn(std::io::Error) -> TlsError {
    move |source| TlsError::Read { path: path.to_owned(), source }
}

fn write_error(path: &Path) -> impl Fn(std::io::Error) -> TlsError {
    move |source| TlsError::Write { path: path.to_owned(), source }
}
