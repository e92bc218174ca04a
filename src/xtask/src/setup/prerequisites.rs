//! What must be on the machine before anything can be fetched or built.

use std::{env, ffi::OsStr, path::Path, process::Command};

use anyhow::bail;

use crate::command::succeeds;

#[derive(Clone, Copy)]
pub enum Need {
    Compiler,
    Python,
    Pip,
}

/// Says in one sentence all that is missing.
pub fn check(needs: &[Need]) -> anyhow::Result<()> {
    let path = env::var_os("PATH").unwrap_or_default();
    let missing = needs.iter().copied().filter(|need| !need.is_met(&path)).collect::<Vec<_>>();
    if missing.is_empty() { Ok(()) } else { bail!(sentence(&missing)) }
}

impl Need {
    fn is_met(self, path: &OsStr) -> bool {
        match self {
            Self::Compiler => is_on_path(&env::var_os("CXX").unwrap_or_else(|| "c++".into()), path),
            Self::Python => is_on_path(OsStr::new("python3"), path),
            Self::Pip => succeeds(Command::new("python3").args(["-m", "pip", "--version"])),
        }
    }

    /// What it is, and the packages of Debian and of Fedora that have it.
    fn name_and_packages(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Compiler => ("a C++ compiler (c++, or the one named by CXX)", "build-essential", "gcc-c++"),
            Self::Python => ("python3", "python3", "python3"),
            Self::Pip => ("python3's pip", "python3-pip", "python3-pip"),
        }
    }
}

fn sentence(missing: &[Need]) -> String {
    let all = missing.iter().map(|one| one.name_and_packages());
    let names = all.clone().map(|(name, ..)| name).collect::<Vec<_>>().join(" and ");
    let debian = all.clone().map(|(_, debian, _)| debian).collect::<Vec<_>>().join(" ");
    let fedora = all.map(|(.., fedora)| fedora).collect::<Vec<_>>().join(" ");
    format!(
        "missing: {names}; install with `apt-get install {debian}` (Debian, Ubuntu) or `dnf install {fedora}` (Fedora)"
    )
}

/// Whether a program can be found, as a shell would: by its path, or in one of the folders of PATH.
fn is_on_path(program: &OsStr, path: &OsStr) -> bool {
    let program = Path::new(program);
    env::split_paths(path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_name_and_by_path() {
        let path = OsStr::new("/nowhere:/bin");
        assert!(is_on_path(OsStr::new("sh"), path));
        assert!(is_on_path(OsStr::new("/bin/sh"), path));
        assert!(!is_on_path(OsStr::new("no-such-program"), path));
        assert!(!is_on_path(OsStr::new("sh"), OsStr::new("/nowhere")));
    }

    #[test]
    fn all_that_is_missing_is_said_in_one_sentence() {
        assert_eq!(
            sentence(&[Need::Compiler, Need::Pip]),
            "missing: a C++ compiler (c++, or the one named by CXX) and python3's pip; install with \
             `apt-get install build-essential python3-pip` (Debian, Ubuntu) or `dnf install gcc-c++ python3-pip` (Fedora)"
        );
    }
}
