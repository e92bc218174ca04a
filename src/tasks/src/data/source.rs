//! What data are made from: the files of a Debian package, a folder, one file, or what a URL has.

mod download;

use std::fmt::{self, Display, Formatter};
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use flate2::read::MultiGzDecoder;
use tempfile::TempPath;

use super::sum::Sum;
use super::target::{SHA256, about};

/// Where a data set comes from if nobody says otherwise.
#[derive(Clone)]
pub struct Set {
    /// As the command line has it.
    pub name: String,
    /// The Debian package that has it.
    pub package: Option<Package>,
    /// What is known of its archive.
    pub published: Option<&'static str>,
    /// Bytes of its largest file, with room to spare.
    pub limit: u64,
}

/// A Debian package and the folder of its files.
#[derive(Clone)]
pub struct Package {
    /// Its name.
    pub name: &'static str,
    /// Where its files are.
    pub folder: &'static str,
}

/// What `--from` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Begins with http:// or https://.
    Url(String),
    /// A folder or a file.
    Path(PathBuf),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            Some(("http" | "https", rest)) if !rest.is_empty() => Ok(Self::Url(text.to_owned())),
            Some(_) => Err("expected a folder, a file, or a URL that begins with http:// or https://".to_owned()),
            None => Ok(Self::Path(text.into())),
        }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// A source that is there, as far as can be seen before it is read.
pub struct Source<'a> {
    kind: Kind,
    set: Set,
    sha256: Option<Sum>,
    /// For what is downloaded.
    scratch: &'a Path,
    origin: String,
}

/// Of what kind a source is.
pub enum Kind {
    /// Files of a Debian package, below the folder.
    Package(PathBuf),
    /// A folder with the files in it.
    Folder(PathBuf),
    /// The one file.
    File(PathBuf),
    /// The one file, or the folder of the files.
    Url(String),
}

/// A file to be read.
pub struct Input {
    path: PathBuf,
    shown: String,
    /// Gone when it has been read.
    _downloaded: Option<TempPath>,
}

impl<'a> Source<'a> {
    /// Finds it.
    pub fn open(set: Set, from: Option<Place>, sha256: Option<Sum>, scratch: &'a Path) -> Result<Self> {
        let origin = from.as_ref().map_or(String::new(), Place::to_string);
        let kind = match from {
            None => {
                let package = set.package.as_ref();
                let package = package.with_context(|| {
                    format!("no Debian package has {}: give --from a folder, a file or a URL", set.name)
                })?;
                Kind::Package(package.folder.into())
            }
            Some(Place::Url(url)) => Kind::Url(url),
            Some(Place::Path(path)) => {
                let found = fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?;
                if found.is_dir() { Kind::Folder(path) } else { Kind::File(path) }
            }
        };
        Ok(Self { kind, set, sha256, scratch, origin })
    }

    /// Of what kind it is.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// What the data are made from, in a few words that stay true.
    pub fn origin(&self) -> String {
        self.origin.clone()
    }

    /// Says it in other words.
    pub fn called(&mut self, origin: String) {
        self.origin = origin;
    }

    /// Whether it is an archive of the files.
    pub fn is_archive(&self) -> bool {
        let name = match &self.kind {
            Kind::File(path) => path.to_string_lossy().into_owned(),
            Kind::Url(url) => url.split(['?', '#']).next().unwrap_or_default().to_owned(),
            Kind::Package(_) | Kind::Folder(_) => return false,
        };
        [".tgz", ".tar.gz"].iter().any(|end| name.ends_with(end))
    }

    /// The one file that all is made from, called as one of `usual` where it is in a folder.
    pub fn single(&mut self, usual: &[&str]) -> Result<Input> {
        let folder = match &self.kind {
            Kind::Url(url) => {
                let input = self.download(url)?;
                return self.checked(input);
            }
            Kind::File(path) => {
                let input = Input::local(path);
                return self.checked(input);
            }
            Kind::Package(folder) | Kind::Folder(folder) => folder,
        };
        let found = usual.iter().map(|file| folder.join(file)).find(|path| path.is_file());
        let input = Input::local(&found.with_context(|| self.missing(&usual.join(" or ")))?);
        if matches!(self.kind, Kind::Package(_)) {
            self.named_by_packages(&[]);
        }
        if self.sha256.is_some() { self.checked(input) } else { Ok(input) }
    }

    /// One of several files.
    pub fn part(&mut self, file: &str) -> Result<Input> {
        ensure!(
            self.sha256.is_none(),
            "--sha256 is for one file, and {} is made from several: compare SHA256SUMS instead",
            self.set.name
        );
        match &self.kind {
            Kind::File(path) => bail!(
                "{} is made from {file} and others, and {} is one file: give their folder, or a .tar.gz of them",
                self.set.name,
                path.display()
            ),
            Kind::Url(url) => self.download(&format!("{}/{file}", url.trim_end_matches('/'))),
            Kind::Package(folder) | Kind::Folder(folder) => {
                let path = folder.join(file);
                ensure!(path.is_file(), "{}", self.missing(file));
                if matches!(self.kind, Kind::Package(_)) {
                    self.named_by_packages(&[]);
                }
                Ok(Input::local(&path))
            }
        }
    }

    /// The origin is the package, or the packages, with their versions.
    pub fn named_by_packages(&mut self, names: &[&str]) {
        let usual = self.set.package.as_ref().map(|package| package.name);
        let names = if names.is_empty() { usual.as_slice() } else { names };
        let named: Vec<_> = names.iter().map(|name| format!("{name} {}", version(name))).collect();
        self.origin = named.join(", ");
    }

    fn missing(&self, files: &str) -> String {
        match (&self.kind, &self.set.package) {
            (Kind::Package(folder), Some(Package { name, .. })) => format!(
                "{name} is not installed (there is no {files} in {}): apt install {name}, or give --from",
                folder.display()
            ),
            (Kind::Package(folder) | Kind::Folder(folder), _) => format!("there is no {files} in {}", folder.display()),
            (Kind::File(path), _) => format!("there is no {files} in {}", path.display()),
            (Kind::Url(url), _) => format!("there is no {files} in {url}"),
        }
    }

    fn download(&self, url: &str) -> Result<Input> {
        let downloaded = download::get(url, self.set.limit, self.scratch)?;
        Ok(Input { path: downloaded.to_path_buf(), shown: url.to_owned(), _downloaded: Some(downloaded) })
    }

    /// Nothing is made of a file before its sum is known.
    fn checked(&mut self, input: Input) -> Result<Input> {
        let found = Sum::of(input.open()?)?;
        match (self.sha256, self.set.published) {
            (Some(expected), _) => {
                ensure!(found == expected, "{} has the SHA-256 {found}, expected {expected}", input.shown);
            }
            (None, Some(published)) => ensure!(
                found.to_string() == published,
                "{} has the SHA-256 {found}, expected {published}, which is the published one (--sha256 can say another)",
                input.shown
            ),
            (None, None) => {}
        }
        self.origin = format!("{}{SHA256}{found}", self.origin);
        Ok(input)
    }
}

impl Input {
    /// A file that is here.
    pub fn local(path: &Path) -> Self {
        Self { path: path.to_owned(), shown: path.display().to_string(), _downloaded: None }
    }

    /// What to call it in a sentence.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Its bytes.
    pub fn open(&self) -> Result<Named<File>> {
        let file = File::open(&self.path).with_context(|| format!("cannot read {}", self.shown))?;
        Ok(Named { inner: file, what: "cannot read", shown: self.shown.clone() })
    }

    /// What is packed in it.
    pub fn unpacked(&self) -> Result<Named<impl Read + use<>>> {
        let unpacked = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, self.open()?));
        Ok(Named { inner: unpacked, what: "cannot unpack", shown: self.shown.clone() })
    }

    /// The error, with its name unless it has it.
    pub fn cannot_unpack(&self, error: &io::Error) -> io::Error {
        with_name(error, "cannot unpack", &self.shown)
    }

    /// Its bytes, all at once, or those packed in it.
    pub fn bytes(&self, from: impl Read, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        from.take(limit + 1).read_to_end(&mut bytes)?;
        ensure!(bytes.len() as u64 <= limit, "{} has more than {limit} bytes", self.shown);
        Ok(bytes)
    }
}

/// Names the file in what goes wrong.
pub struct Named<R> {
    inner: R,
    what: &'static str,
    shown: String,
}

impl<R: Read> Read for Named<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| with_name(&error, self.what, &self.shown))
    }
}

/// A reader within may have said it already.
fn with_name(error: &io::Error, what: &str, shown: &str) -> io::Error {
    if error.to_string().contains(shown) {
        io::Error::new(error.kind(), error.to_string())
    } else {
        about(error, what, shown)
    }
}

/// The version of an installed Debian package.
fn version(package: &str) -> String {
    let output = Command::new("dpkg-query").args(["--show", "--showformat=${Version}", package]).output();
    let version = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    version.map_or("of unknown version".to_owned(), |version| String::from_utf8_lossy(&version).into_owned())
}
