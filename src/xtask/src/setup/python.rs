//! pyarrow, by which a test and a benchmark see a segment as others do: unpacked into a folder for PYTHONPATH.

use std::process::Command;

use anyhow::{Context as _, bail};

use super::{
    bundle::{Bundle, Part},
    platform::Platform,
    wheel::{Pip, Wheel},
};
use crate::command;

/// The versions of CPython that have a wheel, and its hashes on x86_64 and on aarch64.
const WHEELS: [(&str, [&str; 2]); 4] = [
    (
        "3.11",
        [
            "39cb0f2418282c24bea6ceda77b03e5a8f0a5766b63a8bf194d4e2a2c423548c",
            "22a96a225de107eb9acd1ad9a818198ca832df2a4c0952412f754a7ed2105a98",
        ],
    ),
    (
        "3.12",
        [
            "c718bf97a92a6dea97fd1062c3b9f9e2e83cb9cc926e752289fa4ffff41738f9",
            "6c18167774fb599d42444b7ac558a893d49e750fb14232b538955e6f0d1d51ea",
        ],
    ),
    (
        "3.13",
        [
            "f71221bbc7707e3fad920d0478db9350791d4714ec445299ee0d56559fbc156c",
            "a3a79661404ba3d41b7c9a45cb56113246a244b38cb1393fadae289bc66b91b4",
        ],
    ),
    (
        "3.14",
        [
            "7ae48ab53610b85e004b03bccff593fbdf22186d0ab48ed42c90797915dac814",
            "0044cb9303c3ae082cc52a2493312109c955bcfa84e87be768736f7d6d8f6257",
        ],
    ),
];

/// What the machine's python3 calls its binary interface, as `cpython-311-x86_64-linux-gnu`.
pub fn abi() -> anyhow::Result<String> {
    let script = "import sysconfig; print(sysconfig.get_config_var('SOABI'))";
    let text = command::output(Command::new("python3").args(["-c", script]))?;
    Ok(String::from_utf8(text).context("python3's name for its binary interface is no text")?.trim().to_owned())
}

/// pyarrow for a Python with this binary interface, and how to ask pip for it.
pub fn bundle(abi: &str) -> anyhow::Result<(Bundle, Pip)> {
    for (python, hashes) in WHEELS {
        for (platform, sha256) in [Platform::X86_64, Platform::Aarch64].into_iter().zip(hashes) {
            let tag = python.replace('.', "");
            if abi == format!("cpython-{tag}-{}-linux-gnu", platform.name()) {
                let name = format!("python-cp{tag}-{}", platform.name());
                let wheels = vec![Wheel { project: "pyarrow", version: "26.0.1", sha256 }];
                let parts = vec![Part::Folder { from: "pyarrow/", to: "pyarrow" }];
                return Ok((Bundle { name, platform, wheels, parts }, Pip { python, ..Pip::default() }));
            }
        }
    }
    bail!(
        "python3 is {abi}, and pyarrow, which tests need, is pinned for CPython 3.11 to 3.14 on Linux with glibc (x86_64 \
         or aarch64): let PATH find such a python3 first; all that building and the demo need is there"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_python_and_processor_has_a_folder_and_a_wheel_of_its_own() {
        let mut seen = BTreeSet::new();
        for tag in [311, 312, 313, 314] {
            for processor in ["x86_64", "aarch64"] {
                let (bundle, pip) = bundle(&format!("cpython-{tag}-{processor}-linux-gnu")).unwrap();
                assert_eq!(bundle.name, format!("python-cp{tag}-{processor}"));
                assert_eq!((pip.python.replace('.', ""), bundle.platform.name()), (tag.to_string(), processor));
                assert!(seen.insert(bundle.wheels[0].sha256), "two have the same hash");
            }
        }
    }

    #[test]
    fn a_python_without_a_pinned_wheel_gets_a_sentence_that_says_what_to_do() {
        for other in ["cpython-310-x86_64-linux-gnu", "cpython-313t-x86_64-linux-gnu", "cpython-312-darwin", "None"] {
            let error = bundle(other).unwrap_err().to_string();
            assert!(error.starts_with(&format!("python3 is {other}, ")) && error.contains("3.11 to 3.14"), "{error}");
        }
    }
}
