//! Experiments as files: reading them, and the commands that need nothing else.

use std::path::{Path, PathBuf};

use anyhow::Context;
use api::{Timestamp, TuningExperiment, Violation};
use plan::Observed;

use crate::failure::BadInput;

/// Check an experiment as a cluster would
#[derive(Debug, clap::Args)]
pub(crate) struct Validate {
    /// The experiment, a TuningExperiment in YAML
    file: PathBuf,
}

/// Show what would be done for an experiment first, and why
#[derive(Debug, clap::Args)]
pub(crate) struct Plan {
    /// The experiment, a TuningExperiment in YAML
    file: PathBuf,
}

impl Validate {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let (_, experiment) = read(&self.file)?;
        println!("{} is valid: {}", self.file.display(), name(&experiment));
        Ok(())
    }
}

impl Plan {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let (_, mut experiment) = read(&self.file)?;
        // An experiment has its unique id only once it exists; the plan is the same for any.
        experiment.metadata.uid.get_or_insert_default();
        let observed = Observed { now: Timestamp::now(), experiment, repetitions: Vec::new() };
        match plan::validate(&observed) {
            Ok(valid) => print!("{}", plan::plan(&valid)),
            Err(violations) => return Err(refused(&self.file, &violations)),
        }
        Ok(())
    }
}

/// The file's text, and the experiment that it holds.
///
/// # Errors
/// Everything that a cluster would refuse, a line for each field.
pub(crate) fn read(file: &Path) -> anyhow::Result<(String, TuningExperiment)> {
    let text = std::fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
    let experiment = api::validate(&text).map_err(|violations| refused(file, &violations))?;
    Ok((text, experiment))
}

/// The experiment's name.
pub(crate) fn name(experiment: &TuningExperiment) -> &str {
    experiment.metadata.name.as_deref().unwrap_or_default()
}

/// Checks that `new` may take the place of the experiment that a run holds.
pub(crate) fn check_update(kept: &str, new: &TuningExperiment, file: &Path) -> anyhow::Result<()> {
    let old = api::validate(kept).map_err(|violations| refused(Path::new("the run's experiment.yaml"), &violations))?;
    api::check_update(&old, new).map_err(|violations| refused(file, &violations))
}

fn refused(file: &Path, violations: &[Violation]) -> anyhow::Error {
    let lines: Vec<String> = violations.iter().map(|violation| format!("\n  {violation}")).collect();
    BadInput(format!("{} is not accepted:{}", file.display(), lines.concat())).into()
}
