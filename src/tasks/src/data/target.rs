//! The folder that data are put in: whole or not at all, with a list of their sums that `sha256sum -c` reads.

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::{Builder, NamedTempFile};

use super::source::Place;
use super::sum::{Sum, Summing};

/// Beside the data. Its first line is a comment that says what they were made from.
pub const SUMS: &str = "SHA256SUMS";

/// What has been prepared before, and is as it was then.
pub struct Before {
    /// What it was made from.
    pub origin: String,
    /// A line for each file.
    pub sums: String,
}

impl Before {
    /// Whether it is what is wanted now. Who names no place takes what there is.
    pub fn serves(&self, from: Option<&Place>, sha256: Option<&Sum>) -> bool {
        let (place, sum) = match self.origin.rsplit_once(SHA256) {
            Some((place, sum)) => (place, Some(sum)),
            None => (self.origin.as_str(), None),
        };
        from.is_none_or(|from| one_line(&from.to_string()) == place)
            && sha256.is_none_or(|sha256| sum == Some(&sha256.to_string()))
    }
}

/// Between a place and the sum of the file that was there.
pub const SHA256: &str = ", sha256 ";

/// A name of a file in a comment.
pub fn one_line(text: &str) -> String {
    text.replace(char::is_control, "?")
}

fn first_line(name: &str) -> String {
    format!("# {name}, made from ")
}

/// Data set `name` in `folder`, if its sums hold.
pub fn read(folder: &Path, name: &str) -> Option<Before> {
    let text = fs::read_to_string(folder.join(SUMS)).ok()?;
    let (origin, sums) = text.strip_prefix(&first_line(name))?.split_once('\n')?;
    let holds = |line: &str| {
        let (sum, file) = line.split_once("  ")?;
        (Sum::of(File::open(folder.join(file)).ok()?).ok()?.to_string() == sum).then_some(())
    };
    sums.lines().try_for_each(holds)?;
    (!sums.is_empty()).then(|| Before { origin: origin.to_owned(), sums: sums.to_owned() })
}

/// The folder while it is being filled.
pub struct Target {
    folder: PathBuf,
    made: Vec<(&'static str, NamedTempFile, Sum)>,
}

/// A file that has no name yet, and is gone if it never gets one.
pub struct Staged {
    name: &'static str,
    path: PathBuf,
    writer: Summing<BufWriter<NamedTempFile>>,
}

impl Target {
    /// Makes the folder if need be.
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        Ok(Self { folder: folder.to_owned(), made: Vec::new() })
    }

    /// Begins a file.
    pub fn create(&self, name: &'static str) -> Result<Staged> {
        let path = self.folder.join(name);
        let file = temporary(&self.folder).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Staged { name, path, writer: Summing::new(BufWriter::with_capacity(1 << 16, file)) })
    }

    /// Ends a file; it gets its name when all are there. Returns it for a second look.
    pub fn keep(&mut self, staged: Staged) -> Result<&Path> {
        let Staged { name, path, mut writer } = staged;
        let context = || format!("cannot write {}", path.display());
        writer.flush().with_context(context)?;
        let (writer, sum) = writer.into_parts();
        let file = writer.into_inner().map_err(io::IntoInnerError::into_error).with_context(context)?;
        file.as_file().sync_all().with_context(context)?;
        self.made.push((name, file, sum));
        Ok(self.made.last().map_or(Path::new(""), |(_, file, _)| file.path()))
    }

    /// Gives all files their names, the list of sums last. Returns the lines of the list.
    pub fn finish(self, name: &str, origin: &str) -> Result<String> {
        let mut sums = String::new();
        for (file, temporary, sum) in self.made {
            let _ = writeln!(sums, "{sum}  {file}");
            persist(temporary, &self.folder.join(file))?;
        }
        let path = self.folder.join(SUMS);
        let context = || format!("cannot write {}", path.display());
        let mut list = temporary(&self.folder).with_context(context)?;
        write!(list, "{}{}\n{sums}", first_line(name), one_line(origin)).with_context(context)?;
        list.as_file().sync_all().with_context(context)?;
        persist(list, &path)?;
        Ok(sums)
    }
}

impl Write for Staged {
    /// Names the file in what goes wrong, since a reader's errors may come the same way.
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.writer.write(data).map_err(|error| about(&error, "cannot write", &self.path.display().to_string()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush().map_err(|error| about(&error, "cannot write", &self.path.display().to_string()))
    }
}

/// The error with the name of a file.
pub fn about(error: &io::Error, what: &str, file: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {file}: {error}"))
}

/// A file in `folder` that is gone when it is dropped.
pub fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    Builder::new().prefix(".trainpilot-").permissions(Permissions::from_mode(0o644)).tempfile_in(folder)
}

fn persist(file: NamedTempFile, path: &Path) -> Result<()> {
    file.persist(path).map_err(|problem| problem.error).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}
