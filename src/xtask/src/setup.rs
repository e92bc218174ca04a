//! `cargo xtask setup`: what the workspace needs and crates.io does not have.

mod bundle;
mod cuda;
mod libtorch;
mod platform;
mod prerequisites;
mod python;
mod samples;
mod wheel;

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context as _, bail};

use self::{bundle::Bundle, platform::Platform, prerequisites::Need, wheel::Pip};
use crate::command::step;

/// Makes third_party/libtorch (unless the shell names a libtorch) and third_party/data, once.
pub fn run(root: &Path) -> anyhow::Result<()> {
    let cache = cache_of_the_shell()?;
    let third_party = root.join("third_party");
    let mut wanted = vec![("data", samples::bundle())];
    match libtorch::of_the_shell(env::var_os("LIBTORCH").map(PathBuf::from), &third_party) {
        Some(folder) => {
            libtorch::check(&folder)?;
            step(&format!("libtorch {}: LIBTORCH={}", libtorch::VERSION, folder.display()));
        }
        None => wanted.push(("libtorch", libtorch::bundle(Platform::of_this_machine()?))),
    }
    let complete = wanted.iter().all(|(_, bundle)| bundle.is_installed(&cache));
    // Pip is asked for only if something is to be downloaded: it is slow to start.
    prerequisites::check(if complete { &[Need::Compiler] } else { &[Need::Compiler, Need::Python, Need::Pip] })?;
    for (name, bundle) in wanted {
        install(&bundle, &cache, &Pip::default(), &third_party.join(name))?;
    }
    Ok(())
}

/// The same and third_party/python, with what tests and benchmarks compare with.
pub fn for_tests(root: &Path) -> anyhow::Result<()> {
    run(root)?;
    let cache = cache_of_the_shell()?;
    prerequisites::check(&[Need::Python])?;
    let (bundle, pip) = python::bundle(&python::abi()?)?;
    if !bundle.is_installed(&cache) {
        prerequisites::check(&[Need::Pip])?;
    }
    install(&bundle, &cache, &pip, &root.join("third_party/python"))
}

/// The folder with the libraries of learners on GPUs: of no use to a build, and large.
pub fn for_gpus() -> anyhow::Result<PathBuf> {
    let (bundle, cache) = (cuda::bundle(Platform::of_this_machine()?), cache_of_the_shell()?);
    if !bundle.is_installed(&cache) {
        prerequisites::check(&[Need::Python, Need::Pip])?;
    }
    let folder = bundle.install(&cache, &Pip::default())?;
    step(&format!("{}: {}", bundle.name, folder.display()));
    Ok(folder.join("lib"))
}

fn install(bundle: &Bundle, cache: &Path, pip: &Pip, link: &Path) -> anyhow::Result<()> {
    let folder = bundle.install(cache, pip)?;
    point(link, &folder)?;
    step(&format!("{}: {}", bundle.name, folder.display()));
    Ok(())
}

/// The folder for what is fetched or built once, as the shell's variables have it.
pub fn cache_of_the_shell() -> anyhow::Result<PathBuf> {
    cache(env::var_os("XDG_CACHE_HOME").map(PathBuf::from), env::var_os("HOME").map(PathBuf::from))
}

/// The folder shared by all clones of the project, by the rules of the XDG base directories.
fn cache(xdg: Option<PathBuf>, home: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let base = xdg.filter(|path| path.is_absolute()).or_else(|| home.map(|home| home.join(".cache")));
    Ok(base.context("neither XDG_CACHE_HOME nor HOME is set: no place to keep downloads")?.join("trainpilot"))
}

/// Makes `link` point to `folder`, in one step: a build that runs meanwhile sees the old folder or the new one.
fn point(link: &Path, folder: &Path) -> anyhow::Result<()> {
    if fs::read_link(link).is_ok_and(|at| at == folder) {
        return Ok(());
    }
    if link.is_dir() && !link.is_symlink() {
        bail!("{} is a folder of its own: remove it, so that a link to {} fits", link.display(), folder.display());
    }
    let parent = link.parent().context("a link lies in a folder")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let fresh = parent.join(format!(".link-{}", process::id()));
    symlink(folder, &fresh).with_context(|| format!("cannot make the link {}", fresh.display()))?;
    fs::rename(&fresh, link).with_context(|| format!("cannot make the link {}", link.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_cache_follows_xdg_and_falls_back_to_home() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(cache(path("/x"), path("/h")).unwrap(), Path::new("/x/trainpilot"));
        assert_eq!(cache(None, path("/h")).unwrap(), Path::new("/h/.cache/trainpilot"));
        assert_eq!(cache(path("relative"), path("/h")).unwrap(), Path::new("/h/.cache/trainpilot"));
        assert!(cache(None, None).unwrap_err().to_string().contains("XDG_CACHE_HOME"));
    }

    #[test]
    fn a_link_is_made_moved_and_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let link = place.path().join("third_party/data");
        for target in ["one", "two", "two"] {
            point(&link, &place.path().join(target)).unwrap();
            assert_eq!(fs::read_link(&link).unwrap(), place.path().join(target));
        }
        assert_eq!(fs::read_dir(link.parent().unwrap()).unwrap().count(), 1, "no half-made link stays behind");
    }

    #[test]
    fn a_folder_in_the_links_place_is_not_removed() {
        let place = tempfile::tempdir().unwrap();
        let error = point(place.path(), Path::new("/elsewhere")).unwrap_err().to_string();
        assert!(error.contains("remove it"), "{error}");
        assert!(place.path().is_dir());
    }
}
