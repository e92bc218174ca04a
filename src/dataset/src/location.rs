//! Where a dataset lies, or anything else that outlives a process: a folder, or a URL of a store in the cloud.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use url::Url;

/// Names the folder whose files, each named like an environment variable, say how stores are reached: a mounted Secret.
pub const CREDENTIALS_VARIABLE: &str = "TRAINPILOT_CREDENTIALS";

/// A store, and what stands before every key in it.
#[derive(Clone, Debug)]
pub struct Location {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) prefix: Key,
    /// For messages: folder or URL.
    pub(crate) name: String,
}

/// Why a place can't hold a dataset.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// The URL can't be parsed.
    #[error("it is no URL")]
    Url(#[from] url::ParseError),
    /// Nothing is known of the scheme.
    #[error("scheme {0:?} is unknown; there are folders, file://, s3://, gs://, az:// and abfss://")]
    Scheme(String),
    /// Secrets or options stand in the URL.
    #[error(
        "a URL here takes no user, password, query or fragment; credentials belong in the environment, or in a Secret"
    )]
    Extras,
    /// A file URL names another machine.
    #[error("a file URL has three slashes and no host: file:///folder")]
    Host,
    /// The store's library refused.
    #[error("the store can't be opened")]
    Store(#[from] object_store::Error),
    /// A folder can't be looked up.
    #[error("the folder can't be looked up")]
    Folder(#[from] io::Error),
    /// A folder has a name that no object can have.
    #[error("the folder's path is no object's path")]
    Path(#[from] object_store::path::Error),
}

impl Location {
    /// Understands `text`: a URL if it has a scheme, else a folder, which need not exist yet.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        if !text.contains("://") {
            return Self::folder(Path::new(text));
        }
        let url = Url::parse(text)?;
        let extras = url.query().is_some() || url.fragment().is_some();
        if extras || !url.username().is_empty() || url.password().is_some() {
            return Err(LocationError::Extras);
        }
        match url.scheme() {
            "file" => {
                let path = url.to_file_path().map_err(|()| LocationError::Host)?;
                Self::folder(&path)
            }
            "s3" | "s3a" | "gs" | "az" | "abfs" | "abfss" => Self::cloud(&url),
            scheme => Err(LocationError::Scheme(scheme.to_owned())),
        }
    }

    /// A folder within.
    pub fn below(&self, folder: &str) -> Self {
        let name = format!("{}/{folder}", self.name);
        Self { store: Arc::clone(&self.store), prefix: self.prefix.clone().join(folder), name }
    }

    /// Folder or URL, for messages and to be [parsed](Self::parse) again.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Key of an object; slashes in its name stand for folders.
    pub(crate) fn key(&self, name: &str) -> Key {
        name.split('/').fold(self.prefix.clone(), |key, part| key.join(part))
    }

    fn folder(path: &Path) -> Result<Self, LocationError> {
        let path = resolve(path)?;
        let store = Arc::new(LocalFileSystem::new().with_fsync(true));
        Ok(Self { store, prefix: Key::from_absolute_path(&path)?, name: path.display().to_string() })
    }

    /// The store at `url`, with options and credentials from the environment (`AWS_REGION` and the like) and from the folder
    /// that it names.
    fn cloud(url: &Url) -> Result<Self, LocationError> {
        // An error means that somebody has chosen a provider before, which serves as well.
        rustls::crypto::ring::default_provider().install_default().ok();
        let options = std::env::vars().chain(mounted()?);
        let (store, prefix) = object_store::parse_url_opts(url, options)?;
        Ok(Self { store: Arc::from(store), prefix, name: url.as_str().trim_end_matches('/').to_owned() })
    }
}

/// What a mounted Secret says, by variable.
fn mounted() -> io::Result<Vec<(String, String)>> {
    let Some(folder) = std::env::var_os(CREDENTIALS_VARIABLE) else { return Ok(Vec::new()) };
    let mut options = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // Kubernetes keeps its own links beside the files.
        if let Some(name) = entry.file_name().to_str().filter(|name| !name.starts_with('.')) {
            options.push((name.to_owned(), std::fs::read_to_string(entry.path())?.trim().to_owned()));
        }
    }
    Ok(options)
}

/// The absolute path without links or dots, also where its end does not exist yet.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let absolute = std::path::absolute(path)?;
            let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
                return Err(error);
            };
            Ok(resolve(parent)?.join(name))
        }
        found => found,
    }
}
