//! The systems for which libtorch wheels are pinned.

use std::env::consts;

use anyhow::bail;

/// A processor architecture of Linux with glibc.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Platform {
    X86_64,
    Aarch64,
}

impl Platform {
    /// The machine that xtask was built for, which is the one it runs on.
    pub fn of_this_machine() -> anyhow::Result<Self> {
        Self::named(consts::OS, consts::ARCH, cfg!(target_env = "gnu"))
    }

    fn named(os: &str, architecture: &str, glibc: bool) -> anyhow::Result<Self> {
        match (os, architecture, glibc) {
            ("linux", "x86_64", true) => Ok(Self::X86_64),
            ("linux", "aarch64", true) => Ok(Self::Aarch64),
            _ => bail!(
                "no libtorch is pinned for {os} on {architecture}{}: set LIBTORCH to the folder of a libtorch {} of your \
                 own, or use Linux with glibc on x86_64 or aarch64",
                if os == "linux" && !glibc { " without glibc" } else { "" },
                super::libtorch::VERSION,
            ),
        }
    }

    /// As wheels call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn linux_with_glibc_is_known_on_both_processors() {
        assert_eq!(Platform::named("linux", "x86_64", true).unwrap(), Platform::X86_64);
        assert_eq!(Platform::named("linux", "aarch64", true).unwrap(), Platform::Aarch64);
    }

    #[test]
    fn an_unknown_system_gets_a_sentence_that_says_what_to_do() {
        for (os, architecture, glibc, start) in [
            ("macos", "aarch64", false, "no libtorch is pinned for macos on aarch64: set LIBTORCH"),
            ("windows", "x86_64", false, "no libtorch is pinned for windows on x86_64: set LIBTORCH"),
            ("linux", "riscv64", true, "no libtorch is pinned for linux on riscv64: set LIBTORCH"),
            ("linux", "x86_64", false, "no libtorch is pinned for linux on x86_64 without glibc: set LIBTORCH"),
        ] {
            let error = Platform::named(os, architecture, glibc).unwrap_err().to_string();
            assert!(error.starts_with(start) && error.contains("2.13.0"), "{error}");
        }
    }
}
