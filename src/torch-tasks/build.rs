//! Lets programs and tests find libtorch: under cargo, beside themselves in an image, else where they were linked.
#![allow(clippy::unwrap_used)]

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    println!("cargo::rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib");
    let Ok(root) = env::var("LIBTORCH") else { return };
    println!("cargo::rustc-link-arg-bins=-Wl,-rpath,{root}/lib");
    // Cargo puts only those search paths on LD_LIBRARY_PATH that lie under its target directory.
    let link = Path::new(&env::var_os("OUT_DIR").unwrap()).join("libtorch");
    let _ = fs::remove_file(&link);
    symlink(Path::new(&root).join("lib"), &link).unwrap();
    println!("cargo::rustc-link-search=native={}", link.display());
}
