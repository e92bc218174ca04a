//! Lets everything that links this crate find libtorch under cargo: programs, tests, benches and doctests.
#![allow(clippy::unwrap_used)]

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let Ok(root) = env::var("LIBTORCH") else { return };
    // Cargo puts only those search paths on LD_LIBRARY_PATH that lie under its target directory.
    let link = Path::new(&env::var_os("OUT_DIR").unwrap()).join("libtorch");
    let _ = fs::remove_file(&link);
    symlink(Path::new(&root).join("lib"), &link).unwrap();
    println!("cargo::rustc-link-search=native={}", link.display());
}
