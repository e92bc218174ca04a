//! Lets the program that links libtorch find it, both under cargo and when it is started directly.
#![allow(clippy::unwrap_used, missing_docs)]

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    if env::var_os("CARGO_FEATURE_TORCH").is_none() {
        return;
    }
    // An image holds bin/ beside lib/.
    println!("cargo::rustc-link-arg-bin=trainpilot-digits=-Wl,-rpath,$ORIGIN/../lib");
    let Ok(root) = env::var("LIBTORCH") else { return };
    println!("cargo::rustc-link-arg-bin=trainpilot-digits=-Wl,-rpath,{root}/lib");
    // Cargo puts only those search paths on LD_LIBRARY_PATH that lie under its target directory.
    let link = Path::new(&env::var_os("OUT_DIR").unwrap()).join("libtorch");
    let _ = fs::remove_file(&link);
    symlink(Path::new(&root).join("lib"), &link).unwrap();
    println!("cargo::rustc-link-search=native={}", link.display());
}
