//! Where a dataset lies: a folder, or a URL of a store in the cloud.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use url::Url;

/// A store, and what stands before every key in it.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    pub store: Arc<dyn ObjectStore>,
    pub prefix: Key,
    /// For messages: folder or URL.
    pub name: String,
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
    /// The program was built without what the scheme needs.
    #[error("scheme {scheme:?} needs a program built with --features {feature}")]
    Feature {
        /// The scheme.
        scheme: String,
        /// The cargo feature.
        feature: &'static str,
    },
    /// Secrets or options stand in the URL.
    #[error("a dataset's URL takes no user, password, query or fragment; credentials belong in the environment")]
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
        let scheme = url.scheme().to_owned();
        let (feature, built) = match scheme.as_str() {
            "file" => {
                let path = url.to_file_path().map_err(|()| LocationError::Host)?;
                return Self::folder(&path);
            }
            "s3" | "s3a" => ("aws", cfg!(feature = "aws")),
            "gs" => ("gcp", cfg!(feature = "gcp")),
            "az" | "abfs" | "abfss" => ("azure", cfg!(feature = "azure")),
            _ => return Err(LocationError::Scheme(scheme)),
        };
        if built { Self::cloud(&url) } else { Err(LocationError::Feature { scheme, feature }) }
    }

    fn folder(path: &Path) -> Result<Self, LocationError> {
        let path = resolve(path)?;
        let store = Arc::new(LocalFileSystem::new().with_fsync(true));
        Ok(Self { store, prefix: Key::from_absolute_path(&path)?, name: path.display().to_string() })
    }

    /// The store at `url`, with options and credentials from the environment (`AWS_REGION` and the like).
    fn cloud(url: &Url) -> Result<Self, LocationError> {
        // An error means that somebody has chosen a provider before, which serves as well.
        #[cfg(feature = "cloud")]
        rustls::crypto::ring::default_provider().install_default().ok();
        let (store, prefix) = object_store::parse_url_opts(url, std::env::vars())?;
        Ok(Self { store: Arc::from(store), prefix, name: url.as_str().trim_end_matches('/').to_owned() })
    }
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
