//! The CUDA half of libtorch, for images: our programs are linked to the other half, and load this one where it is.
//!
//! What `libtorch_cuda` names as needed, what those libraries name, and what they load by name only when it is used.

use super::{
    bundle::Bundle,
    libtorch::{self, VERSION, library},
    platform::Platform,
    wheel::Wheel,
};

/// A wheel of NVIDIA's, and the libraries in it that are needed.
struct Nvidia {
    project: &'static str,
    version: &'static str,
    /// For x86_64 and for aarch64.
    sha256: [&'static str; 2],
    files: &'static [&'static str],
}

/// The versions that the torch wheel asks for.
const NVIDIA: [Nvidia; 12] = [
    Nvidia {
        project: "nvidia-cublas",
        version: "13.1.1.3",
        sha256: [
            "37936a16db8fe4ac1f065c2139360608a543a09275cb1a1af612e08cfa065436",
            "b7a210458267ac818974c53038fbec2e969d5c99f305ab15c72522fa9f001dd5",
        ],
        files: &["nvidia/cu13/lib/libcublas.so.13", "nvidia/cu13/lib/libcublasLt.so.13"],
    },
    Nvidia {
        project: "nvidia-cuda-nvrtc",
        version: "13.0.88",
        sha256: [
            "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
            "d27f20a0ca67a4bb34268a5e951033496c5b74870b868bacd046b1b8e0c3267b",
        ],
        files: &["nvidia/cu13/lib/libnvrtc.so.13", "nvidia/cu13/lib/libnvrtc-builtins.so.13.0"],
    },
    Nvidia {
        project: "nvidia-cudnn-cu13",
        version: "9.20.0.48",
        sha256: [
            "0c45dd8eeb50b603f07995b1b300c62ffe6a1980482b82b3bcf94a4ca9d49304",
            "e31454ae00094b0c55319d9d15b6fa2fc50a9e1c0f5c8c80fb75258234e731e1",
        ],
        files: &[
            "nvidia/cudnn/lib/libcudnn.so.9",
            "nvidia/cudnn/lib/libcudnn_adv.so.9",
            "nvidia/cudnn/lib/libcudnn_cnn.so.9",
            "nvidia/cudnn/lib/libcudnn_engines_precompiled.so.9",
            "nvidia/cudnn/lib/libcudnn_engines_runtime_compiled.so.9",
            "nvidia/cudnn/lib/libcudnn_graph.so.9",
            "nvidia/cudnn/lib/libcudnn_heuristic.so.9",
            "nvidia/cudnn/lib/libcudnn_ops.so.9",
        ],
    },
    Nvidia {
        project: "nvidia-cufft",
        version: "12.0.0.61",
        sha256: [
            "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3",
            "2708c852ef8cd89d1d2068bdbece0aa188813a0c934db3779b9b1faa8442e5f5",
        ],
        files: &["nvidia/cu13/lib/libcufft.so.12"],
    },
    Nvidia {
        project: "nvidia-cufile",
        version: "1.15.1.6",
        sha256: [
            "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44",
            "bdc0deedc61f548bddf7733bdc216456c2fdb101d020e1ab4b88d232d5e2f6d1",
        ],
        files: &["nvidia/cu13/lib/libcufile.so.0"],
    },
    Nvidia {
        project: "nvidia-curand",
        version: "10.4.0.35",
        sha256: [
            "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc",
            "133df5a7509c3e292aaa2b477afd0194f06ce4ea24d714d616ff36439cee349a",
        ],
        files: &["nvidia/cu13/lib/libcurand.so.10"],
    },
    Nvidia {
        project: "nvidia-cusolver",
        version: "12.0.4.66",
        sha256: [
            "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112",
            "02c2457eaa9e39de20f880f4bd8820e6a1cfb9f9a34f820eb12a155aa5bc92d2",
        ],
        files: &["nvidia/cu13/lib/libcusolver.so.12"],
    },
    Nvidia {
        project: "nvidia-cusparse",
        version: "12.6.3.3",
        sha256: [
            "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b",
            "80bcc4662f23f1054ee334a15c72b8940402975e0eab63178fc7e670aa59472c",
        ],
        files: &["nvidia/cu13/lib/libcusparse.so.12"],
    },
    Nvidia {
        project: "nvidia-cusparselt-cu13",
        version: "0.8.1",
        sha256: [
            "786ce87568c303fadb5afcc7102d454cd3040d75f6f8626f5db460d1871f4dd0",
            "4dca476c50bf4780d46cd0bfbd82e2bc10a08e4fef7950917ce8d7578d22a23f",
        ],
        files: &["nvidia/cusparselt/lib/libcusparseLt.so.0"],
    },
    Nvidia {
        project: "nvidia-nccl-cu13",
        version: "2.29.7",
        sha256: [
            "edd81538446786ec3b73972543e53bb43bcaf0bfc8ef76cb679fcc390ffe136d",
            "674a12383e3c38a1bcccae7d4f3633b37852230b6047883cb2f4c2d1b36d9bf5",
        ],
        files: &["nvidia/nccl/lib/libnccl.so.2"],
    },
    Nvidia {
        project: "nvidia-nvjitlink",
        version: "13.5.37",
        sha256: [
            "280d7cb9649704145f074b8dbde500de04ce02d0872e066e20a83c17bcaa93eb",
            "893f6f9a55b2720ed94913b5ba3332e972da8c78dfa2863d0244403dbd528ffc",
        ],
        files: &["nvidia/cu13/lib/libnvJitLink.so.13"],
    },
    Nvidia {
        project: "nvidia-nvshmem-cu13",
        version: "3.4.5",
        sha256: [
            "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80",
            "6dc2a197f38e5d0376ad52cd1a2a3617d3cdc150fd5966f4aee9bcebb1d68fe9",
        ],
        files: &["nvidia/nvshmem/lib/libnvshmem_host.so.3"],
    },
];

/// The libraries of the torch wheel beside those that are there without CUDA. `linalg` and `caffe2_nvrtc` are loaded by name.
const TORCH: [&str; 5] = [
    "torch/lib/libtorch_cuda.so",
    "torch/lib/libc10_cuda.so",
    "torch/lib/libtorch_nvshmem.so",
    "torch/lib/libtorch_cuda_linalg.so",
    "torch/lib/libcaffe2_nvrtc.so",
];

/// All libraries that learners need on a GPU, but for the driver's, which come from the node.
pub fn bundle(platform: Platform) -> Bundle {
    let of_nvidia = NVIDIA.iter().flat_map(|wheel| wheel.files.iter());
    let more = TORCH.iter().chain(of_nvidia).map(|from| library(from));
    let wheels = NVIDIA.iter().map(|wheel| {
        let [x86_64, aarch64] = wheel.sha256;
        let sha256 = if platform == Platform::X86_64 { x86_64 } else { aarch64 };
        Wheel { project: wheel.project, version: wheel.version, sha256 }
    });
    Bundle {
        name: format!("libtorch-{VERSION}-cuda-{}", platform.name()),
        platform,
        wheels: libtorch::wheels(platform).into_iter().chain(wheels).collect(),
        parts: libtorch::libraries(platform).into_iter().chain(more).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::bundle::Part, *};

    #[test]
    fn all_libraries_lie_beside_one_another_under_names_of_their_own() {
        for platform in [Platform::X86_64, Platform::Aarch64] {
            let bundle = bundle(platform);
            let places: BTreeSet<&str> = bundle.parts.iter().map(Part::to).collect();
            assert_eq!(places.len(), bundle.parts.len());
            assert!(places.iter().all(|place| place.starts_with("lib/")), "{places:?}");
        }
    }

    #[test]
    fn each_wheel_is_there_for_what_is_taken_out_of_it() {
        assert!(NVIDIA.iter().all(|wheel| !wheel.files.is_empty() && wheel.sha256[0] != wheel.sha256[1]));
    }
}
