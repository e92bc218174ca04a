//! Kueue, the real one, for the suite: its controller as an image, and the chart that installs it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use super::assets;
use crate::{command::output, images::Builder};

/// Its Go module; the version is the image's tag too.
const MODULE: &str = "sigs.k8s.io/kueue@v0.14.0";
/// Image, as the suite tells the chart.
const IMAGE: &str = "localhost/kueue:v0.14.0";

/// What the suite installs.
pub struct Kueue {
    /// File of the image.
    pub image: PathBuf,
    /// Folder of the chart.
    pub chart: PathBuf,
}

impl Kueue {
    /// Finds or builds the controller, and puts it into an image; `folder` is where that lies.
    pub fn get(root: &Path, folder: &Path) -> anyhow::Result<Self> {
        let module = module()?;
        let controller = assets::kueue(&module)?;
        let context = folder.join("kueue");
        fs::create_dir_all(&context).with_context(|| format!("cannot make {}", context.display()))?;
        fs::copy(&controller, context.join("kueue")).context("cannot copy Kueue's controller")?;
        let (builder, image) = (Builder::find()?, folder.join("kueue.tar"));
        builder.build(&root.join("tests/cluster/kueue.Containerfile"), &context, IMAGE, "")?;
        builder.save(IMAGE, &image)?;
        Ok(Self { image, chart: module.join("charts/kueue") })
    }
}

/// Folder of the module, which Go keeps.
fn module() -> anyhow::Result<PathBuf> {
    // Outside of any module, so that nothing else has a say in the version.
    let mut go = Command::new("go");
    let said = output(go.current_dir("/").args(["mod", "download", "-json", MODULE]));
    let said = said.with_context(|| format!("Kueue's chart comes with its Go module {MODULE}, which needs Go"))?;
    let said: serde_json::Value = serde_json::from_slice(&said).context("cannot read what Go says of Kueue")?;
    Ok(PathBuf::from(said["Dir"].as_str().context("Go does not say where Kueue's module lies")?))
}
