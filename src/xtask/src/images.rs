//! `cargo xtask images`: container images of the programs, each with nothing in it but the program and what it is linked
//! with, so that no base image is pulled and none has to be kept up to date.

mod builder;
mod linked;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;
use clap::{Args, builder::PossibleValue};

pub use self::builder::Builder;
use crate::{
    command::{cargo, output, run, step, target_directory},
    setup,
};

/// The images, by the last word of their names; the program of each is `trainpilot-WORD`.
const IMAGES: [&str; 4] = ["operator", "agent", "learner", "tasks"];
/// Whom programs trust on the internet, here as in images.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Programs with what they need on GPUs, ten times as large: built only when they are asked for.
const FOR_GPUS: [&str; 2] = ["learner-cuda", "torch-tasks-cuda"];
/// What is shipped to nobody.
const FOR_TESTS: &str = "hostile";

#[derive(Args)]
pub struct Images {
    /// Only these [default: all but those for GPUs, which are large]
    #[arg(value_parser = known())]
    images: Vec<String>,
    /// What their names begin with: PREFIX-agent and so on
    #[arg(long, default_value = "localhost/trainpilot")]
    prefix: String,
    /// Their tag [default: the version]
    #[arg(long)]
    tag: Option<String>,
    /// Profile that the programs are built with
    #[arg(long, default_value = "release")]
    profile: String,
    /// Push each to the registry that its name begins with
    #[arg(long)]
    push: bool,
    /// Leave a file IMAGE.tar (docker-archive) of each in this folder
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
}

fn known() -> Vec<PossibleValue> {
    let shipped = IMAGES.into_iter().chain(FOR_GPUS).map(PossibleValue::new);
    shipped.chain([PossibleValue::new(FOR_TESTS).hide(true)]).collect()
}

impl Images {
    /// The images that tests load into a cluster, saved in `folder`.
    pub fn for_tests(profile: &str, folder: &Path) -> Self {
        Self {
            images: IMAGES.into_iter().chain([FOR_TESTS]).map(str::to_owned).collect(),
            prefix: "localhost/trainpilot".to_owned(),
            tag: None,
            profile: profile.to_owned(),
            push: false,
            save: Some(folder.to_owned()),
        }
    }

    /// Builds them; gives the files that were saved.
    pub fn run(&self, root: &Path) -> anyhow::Result<Vec<PathBuf>> {
        setup::run(root)?;
        let builder = Builder::find()?;
        step("building the programs");
        run(cargo(root).args(["build", "--workspace", "--bins", "--profile", &self.profile]))?;
        // It goes into images of which nothing is known.
        let alone = ["rustc", "--package", "trainpilot-agent", "--bin", "trainpilot-exec", "--profile", &self.profile];
        run(cargo(root).args(alone).args(["--", "-C", "target-feature=+crt-static"]))?;
        let folder = if self.profile == "dev" { "debug" } else { &self.profile };
        let target = target_directory(root)?;
        let all: Vec<String> = IMAGES.into_iter().map(str::to_owned).collect();
        let wanted = if self.images.is_empty() { &all } else { &self.images };
        let mut saved = Vec::new();
        for image in wanted {
            let context = target.join("images").join(image);
            let program = image.strip_suffix("-cuda").unwrap_or(image);
            put_together(root, &target.join(folder).join(format!("trainpilot-{program}")), &context, image)?;
            let name = format!("{}-{image}:{}", self.prefix, self.tag.as_deref().unwrap_or(env!("CARGO_PKG_VERSION")));
            let folder = if image == FOR_TESTS { "tests/cluster" } else { "images" };
            let file = root.join(folder).join(format!("{image}.Containerfile"));
            builder.build(&file, &context, &name, &revision(root))?;
            if self.push {
                builder.push(&name)?;
            }
            if let Some(folder) = &self.save {
                fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
                let path = folder.join(format!("{image}.tar"));
                builder.save(&name, &path)?;
                saved.push(path);
            }
            step(&format!("{name}: {} MB", size(&context)? / 1_000_000));
        }
        Ok(saved)
    }
}

/// The commit that they are built from; empty outside a checkout.
fn revision(root: &Path) -> String {
    let revision = output(Command::new("git").arg("-C").arg(root).args(["rev-parse", "HEAD"])).unwrap_or_default();
    String::from_utf8_lossy(&revision).trim().to_owned()
}

/// Makes the context of an image anew.
fn put_together(root: &Path, program: &Path, context: &Path, image: &str) -> anyhow::Result<()> {
    let _ = fs::remove_dir_all(context);
    let (bin, lib) = (context.join("root/usr/bin"), context.join("root/usr/lib"));
    for folder in [&bin, &lib, &context.join("root/tmp")] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let own = bin.join(program.file_name().unwrap_or_default());
    copy(program, &own)?;
    run(Command::new("strip").arg(&own))?;
    let libraries = if FOR_GPUS.contains(&image) {
        linked::libraries_beside(program, &setup::for_gpus()?)?
    } else {
        linked::libraries(program, &root.join("third_party/libtorch/lib"))?
    };
    for library in libraries {
        // The loader is found by its path, everything else in the folder that it looks into by itself.
        let place = if library.is_loader() {
            context.join("root").join(library.path.strip_prefix("/")?)
        } else {
            lib.join(&library.name)
        };
        fs::create_dir_all(place.parent().unwrap_or(&lib))?;
        copy(&library.path, &place)?;
    }
    if image == "agent" {
        let exec = bin.join("trainpilot-exec");
        copy(&program.with_file_name("trainpilot-exec"), &exec)?;
        run(Command::new("strip").arg(&exec))?;
    }
    if image.starts_with("learner") {
        // It reaches object stores by HTTPS; `SSL_CERT_FILE` names another file to somebody who trusts others.
        let certificates = context.join("root").join(CERTIFICATES.trim_start_matches('/'));
        fs::create_dir_all(certificates.parent().unwrap_or(&lib))?;
        copy(Path::new(CERTIFICATES), &certificates).context("missing: the package ca-certificates")?;
    }
    if image == "tasks" {
        let data = context.join("root/usr/share/trainpilot");
        fs::create_dir_all(&data)?;
        for entry in fs::read_dir(root.join("third_party/data"))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                copy(&entry.path(), &data.join(entry.file_name()))?;
            }
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Bytes below a folder.
fn size(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { size(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
