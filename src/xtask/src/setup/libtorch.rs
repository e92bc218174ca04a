//! libtorch for CPUs: the smallest set of files that links and runs, out of three wheels; or the one that is there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::bail;

use super::{
    bundle::{Bundle, Part},
    platform::Platform,
    wheel::Wheel,
};

/// The one version that the crate `tch` of this workspace works with.
pub const VERSION: &str = "2.13.0";

/// The libtorch that the shell names. Cargo's configuration sets LIBTORCH too, to our own link: that one does not count.
pub fn of_the_shell(variable: Option<PathBuf>, third_party: &Path) -> Option<PathBuf> {
    variable.filter(|folder| *folder != third_party.join("libtorch"))
}

/// Refuses a folder that is no libtorch of the right version.
pub fn check(folder: &Path) -> anyhow::Result<()> {
    let found = version(folder);
    let advice =
        format!("unset LIBTORCH to have {VERSION} downloaded, or let it name the folder of a libtorch {VERSION}");
    if !folder.join("lib/libtorch_cpu.so").is_file() && !folder.join("lib/libtorch_cpu.dylib").is_file() {
        bail!("LIBTORCH={} has no lib/libtorch_cpu: {advice}", folder.display());
    }
    match found.as_deref() {
        Some(found) if found.split('+').next() == Some(VERSION) => Ok(()),
        Some(found) => bail!("LIBTORCH={} is version {found}, not {VERSION}: {advice}", folder.display()),
        None => bail!("LIBTORCH={} does not say its version: {advice}", folder.display()),
    }
}

/// From `build-version` of a libtorch archive, or from the header that an installed Python package has as well.
fn version(folder: &Path) -> Option<String> {
    if let Ok(text) = fs::read_to_string(folder.join("build-version")) {
        return Some(text.trim().to_owned());
    }
    let header = fs::read_to_string(folder.join("include/torch/headeronly/version.h")).ok()?;
    let number = |name: &str| {
        let line = header.lines().find_map(|line| line.strip_prefix("#define ")?.strip_prefix(name))?;
        line.trim().parse::<u32>().ok()
    };
    let part = |name: &str| number(&format!("TORCH_VERSION_{name} "));
    Some(format!("{}.{}.{}", part("MAJOR")?, part("MINOR")?, part("PATCH")?))
}

/// What `libtorch_cpu` needs to be linked and loaded. The wheels of PyPI are built with CUDA: without a GPU only the two
/// small libraries of NVIDIA that it is linked to are needed, not its CUDA half.
pub fn bundle(platform: Platform) -> Bundle {
    let rest = [
        Part::Folder { from: "torch/include/", to: "include" },
        Part::Link { to: "lib/libtorch.so", target: "libtorch_cpu.so" },
        Part::Text { to: "build-version", text: "2.13.0+cpu" },
    ];
    Bundle {
        name: format!("libtorch-{VERSION}-cpu-{}", platform.name()),
        platform,
        wheels: wheels(platform),
        parts: libraries(platform).into_iter().chain(rest).collect(),
    }
}

/// What is needed to run.
pub(super) fn libraries(platform: Platform) -> Vec<Part> {
    let nvidia = ["nvidia/cu13/lib/libcudart.so.13", "nvidia/cu13/lib/libcupti.so.13"];
    own_libraries(platform).iter().copied().chain(nvidia).map(library).collect()
}

pub(super) fn library(from: &'static str) -> Part {
    let name = from.rsplit('/').next().unwrap_or(from);
    Part::File { from, to: format!("lib/{name}") }
}

/// The libraries of the torch wheel that `libtorch_cpu` names as needed, and those that they name.
fn own_libraries(platform: Platform) -> &'static [&'static str] {
    match platform {
        Platform::X86_64 => &["torch/lib/libtorch_cpu.so", "torch/lib/libc10.so", "torch/lib/libgomp.so.1"],
        Platform::Aarch64 => &[
            "torch/lib/libtorch_cpu.so",
            "torch/lib/libc10.so",
            "torch/lib/libgomp.so.1",
            "torch/lib/libarm_compute.so",
            "torch/lib/libarm_compute_graph.so",
            "torch/lib/libnvpl_blas_core.so.0",
            "torch/lib/libnvpl_blas_lp64_gomp.so.0",
            "torch/lib/libnvpl_lapack_core.so.0",
            "torch/lib/libnvpl_lapack_lp64_gomp.so.0",
        ],
    }
}

pub(super) fn wheels(platform: Platform) -> Vec<Wheel> {
    let [torch, cudart, cupti] = match platform {
        Platform::X86_64 => [
            "60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7",
            "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
            "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
        ],
        Platform::Aarch64 => [
            "092790c696a760c729fd5722835f50b9d81fd7c8f141571f3f3cf4081a8f664c",
            "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55",
            "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151",
        ],
    };
    vec![
        Wheel { project: "torch", version: VERSION, sha256: torch },
        Wheel { project: "nvidia-cuda-runtime", version: "13.0.96", sha256: cudart },
        Wheel { project: "nvidia-cuda-cupti", version: "13.0.85", sha256: cupti },
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A folder that looks like a libtorch of this version.
    fn libtorch(file: &str, text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [("lib/libtorch_cpu.so", ""), (file, text)] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn a_libtorch_of_another_version_is_refused_with_both_versions() {
        let folder = libtorch("build-version", "2.4.0+cu124\n");
        let error = check(folder.path()).unwrap_err().to_string();
        assert!(error.contains("is version 2.4.0+cu124, not 2.13.0: unset LIBTORCH"), "{error}");
    }

    #[test]
    fn a_libtorch_of_the_right_version_is_taken_whatever_it_was_built_for() {
        for version in ["2.13.0", "2.13.0+cpu\n", "2.13.0+cu130"] {
            check(libtorch("build-version", version).path()).unwrap();
        }
    }

    #[test]
    fn an_installed_python_package_tells_its_version_by_a_header() {
        let header = |minor| {
            let text =
                "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR MINOR\n#define TORCH_VERSION_PATCH 0\n";
            libtorch("include/torch/headeronly/version.h", &text.replace(" MINOR\n", &format!(" {minor}\n")))
        };
        check(header(13).path()).unwrap();
        assert!(check(header(12).path()).unwrap_err().to_string().contains("is version 2.12.0"));
    }

    #[test]
    fn a_folder_without_a_libtorch_is_refused() {
        let empty = tempfile::tempdir().unwrap();
        assert!(check(empty.path()).unwrap_err().to_string().contains("has no lib/libtorch_cpu"));
        let silent = libtorch("lib/libc10.so", "");
        assert!(check(silent.path()).unwrap_err().to_string().contains("does not say its version"));
    }

    #[test]
    fn our_own_link_is_not_a_libtorch_of_the_shell() {
        let third_party = Path::new("/repo/third_party");
        assert_eq!(of_the_shell(None, third_party), None);
        assert_eq!(of_the_shell(Some("/repo/third_party/libtorch".into()), third_party), None);
        assert_eq!(of_the_shell(Some("/opt/libtorch".into()), third_party), Some("/opt/libtorch".into()));
    }

    #[test]
    fn each_processor_has_wheels_of_its_own() {
        for (one, other) in wheels(Platform::X86_64).iter().zip(wheels(Platform::Aarch64)) {
            assert_eq!((one.project, one.version), (other.project, other.version));
            assert_ne!(one.sha256, other.sha256);
        }
    }
}
