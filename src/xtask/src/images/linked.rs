//! The shared libraries that a program is linked with, as this machine's loader finds them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::command::output;

/// NVIDIA's driver, which is brought into containers by whoever starts them on a node that has one.
const DRIVER: &str = "libcuda.so.1";

/// A shared library.
#[derive(Debug, PartialEq)]
pub struct Library {
    /// The name that the program asks for.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

impl Library {
    /// Whether it is the loader itself, which programs name by its path.
    pub fn is_loader(&self) -> bool {
        self.name.starts_with("ld-linux")
    }
}

/// All libraries of `program`, those of libraries too; `beside` is looked into first.
pub fn libraries(program: &Path, beside: &Path) -> anyhow::Result<Vec<Library>> {
    let text = output(Command::new("ldd").arg(program).env("LD_LIBRARY_PATH", beside))?;
    parse(&String::from_utf8_lossy(&text))
}

/// The same and all that lies in the folder `beside`, with what that is linked with: libraries may be loaded by their names, too.
pub fn libraries_beside(program: &Path, beside: &Path) -> anyhow::Result<Vec<Library>> {
    let mut all = libraries(program, beside)?;
    for entry in fs::read_dir(beside).with_context(|| format!("cannot list {}", beside.display()))? {
        let path = entry?.path();
        all.extend(libraries(&path, beside)?);
        all.push(Library { name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(), path });
    }
    let by_name: BTreeMap<String, Library> = all.into_iter().map(|library| (library.name.clone(), library)).collect();
    Ok(by_name.into_values().collect())
}

/// What `ldd` says: `NAME => PATH (ADDRESS)`, or for the loader `PATH (ADDRESS)`; the kernel's own has no path.
fn parse(text: &str) -> anyhow::Result<Vec<Library>> {
    let mut libraries = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("linux-vdso")) {
        let path = line.split_once(" => ").map_or(line, |(_, path)| path);
        let path = path.rsplit_once(" (").map_or(path, |(path, _)| path);
        let name = line.split([' ', '\t']).next().unwrap_or_default();
        if name == DRIVER {
            continue;
        }
        if !path.starts_with('/') {
            bail!("{name} is not to be found on this machine");
        }
        let name = name.rsplit('/').next().unwrap_or(name).to_owned();
        libraries.push(Library { name, path: PathBuf::from(path) });
    }
    Ok(libraries)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn libraries_are_read_as_ldd_prints_them() {
        let text = "\tlinux-vdso.so.1 (0x00007ffe)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f1a)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f1c)\n";
        let found = parse(text).unwrap();
        let names: Vec<&str> = found.iter().map(|library| library.name.as_str()).collect();
        assert_eq!(names, ["libm.so.6", "ld-linux-x86-64.so.2"]);
        assert_eq!(found[1].path, Path::new("/lib64/ld-linux-x86-64.so.2"));
        assert_eq!(found.iter().map(Library::is_loader).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn the_driver_is_not_looked_for() {
        assert_eq!(parse("\tlibcuda.so.1 => not found\n").unwrap(), []);
    }

    #[test]
    fn a_library_that_is_not_there_is_named() {
        let error = parse("\tlibtorch.so => not found\n").unwrap_err();
        assert_eq!(error.to_string(), "libtorch.so is not to be found on this machine");
    }
}
