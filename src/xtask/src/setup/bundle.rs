//! A bundle: files chosen out of wheels, unpacked into one folder of the cache.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use zip::ZipArchive;

use super::{
    platform::Platform,
    wheel::{Pip, Wheel},
};
use crate::command::step;

/// Its `Debug` text is kept beside the files, so that a bundle whose pins have changed is made anew.
#[derive(Debug)]
pub struct Bundle {
    /// Also the folder's name.
    pub name: String,
    pub platform: Platform,
    pub wheels: Vec<Wheel>,
    pub parts: Vec<Part>,
}

/// What the folder holds; `to` is a path in it.
#[derive(Debug)]
pub enum Part {
    /// One file of a wheel.
    File {
        from: &'static str,
        to: String,
    },
    /// All files of a wheel below the folder `from`, which ends with a slash.
    Folder {
        from: &'static str,
        to: &'static str,
    },
    Link {
        to: &'static str,
        target: &'static str,
    },
    Text {
        to: &'static str,
        text: &'static str,
    },
}

const MANIFEST: &str = ".bundle";

impl Bundle {
    /// Whether a complete folder is there: it appears in one step, so a look at its list and top is enough.
    pub fn is_installed(&self, cache: &Path) -> bool {
        let folder = cache.join(&self.name);
        let unchanged = fs::read_to_string(folder.join(MANIFEST)).is_ok_and(|text| text == self.manifest());
        unchanged && self.parts.iter().all(|part| folder.join(part.to()).exists())
    }

    /// The bundle's folder, made if it is not there yet. Two set-ups at once do not meet: the second waits.
    pub fn install(&self, cache: &Path, pip: &Pip) -> anyhow::Result<PathBuf> {
        let folder = cache.join(&self.name);
        if self.is_installed(cache) {
            return Ok(folder);
        }
        fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
        let _lock = lock(cache)?;
        if !self.is_installed(cache) {
            self.replace(&folder, &cache.join(format!("{}.part", self.name)), pip)?;
        }
        Ok(folder)
    }

    /// Builds the folder in `part` and renames it, so that whatever is seen under its name is complete.
    fn replace(&self, folder: &Path, part: &Path, pip: &Pip) -> anyhow::Result<()> {
        remove(part)?;
        let outcome = self.build(part, pip).and_then(|fresh| {
            remove(folder)?;
            fs::rename(&fresh, folder).with_context(|| format!("cannot make {}", folder.display()))
        });
        remove(part)?;
        outcome
    }

    fn build(&self, part: &Path, pip: &Pip) -> anyhow::Result<PathBuf> {
        let wheels = pip.download(&self.wheels, self.platform, &part.join("wheels"))?;
        let fresh = part.join("folder");
        let mut filled = vec![false; self.parts.len()];
        for wheel in &wheels {
            step(&format!("unpacking {}", wheel.file_name().unwrap_or_default().display()));
            self.unpack(wheel, &fresh, &mut filled).with_context(|| format!("cannot unpack {}", wheel.display()))?;
        }
        for (part, filled) in self.parts.iter().zip(&mut filled) {
            *filled |= part.make(&fresh).with_context(|| format!("cannot make {}", part.to()))?;
        }
        if let Some(index) = filled.iter().position(|filled| !filled) {
            bail!("no wheel of {} has {:?}", self.name, self.parts[index]);
        }
        fs::write(fresh.join(MANIFEST), self.manifest()).context("cannot write the bundle's list")?;
        Ok(fresh)
    }

    fn unpack(&self, wheel: &Path, fresh: &Path, filled: &mut [bool]) -> anyhow::Result<()> {
        let mut archive = ZipArchive::new(File::open(wheel)?)?;
        for index in 0..archive.len() {
            let mut member = archive.by_index(index)?;
            let Some(name) = member.enclosed_name().filter(|_| member.is_file()) else { continue };
            let Some((part, to)) = self.parts.iter().enumerate().find_map(|(at, part)| Some((at, part.place(&name)?)))
            else {
                continue;
            };
            let mut file = create(&fresh.join(to))?;
            io::copy(&mut member, &mut file).with_context(|| format!("cannot unpack {}", name.display()))?;
            filled[part] = true;
        }
        Ok(())
    }

    fn manifest(&self) -> String {
        format!("{self:#?}\n")
    }
}

impl Part {
    pub fn to(&self) -> &str {
        match self {
            Self::File { to, .. } => to,
            Self::Folder { to, .. } | Self::Link { to, .. } | Self::Text { to, .. } => to,
        }
    }

    /// Where a wheel's member goes, if this part wants it.
    fn place(&self, member: &Path) -> Option<PathBuf> {
        match self {
            Self::File { from, to } => (member == Path::new(from)).then(|| PathBuf::from(to)),
            Self::Folder { from, to } => Some(Path::new(to).join(member.strip_prefix(from).ok()?)),
            Self::Link { .. } | Self::Text { .. } => None,
        }
    }

    /// Makes what comes out of no wheel; says whether it did.
    fn make(&self, fresh: &Path) -> io::Result<bool> {
        match self {
            Self::Link { to, target } => symlink(target, fresh.join(to)).map(|()| true),
            Self::Text { to, text } => fs::write(fresh.join(to), text).map(|()| true),
            Self::File { .. } | Self::Folder { .. } => Ok(false),
        }
    }
}

fn create(path: &Path) -> anyhow::Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

/// Held until dropped; the operating system frees it if we are killed.
fn lock(cache: &Path) -> anyhow::Result<File> {
    let lock = create(&cache.join(".lock"))?;
    if lock.try_lock().is_err() {
        step("waiting for another set-up to end");
        lock.lock().with_context(|| format!("cannot lock {}", cache.display()))?;
    }
    Ok(lock)
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "bundle_tests.rs"]
mod tests;
