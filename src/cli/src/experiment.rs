//! Experiments as files: reading them, and the commands that need nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use api::{Timestamp, TuningExperiment, TuningPolicy, TuningPolicySpec, Violation};
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
    /// A TuningPolicy in YAML that it refers to; may be given several times
    #[arg(long = "policy", value_name = "FILE")]
    policies: Vec<PathBuf>,
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
        let (repetitions, policies) = (Vec::new(), read_policies(&self.policies)?);
        let observed = Observed { now: Timestamp::now(), experiment, repetitions, policies };
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

/// TuningPolicies by name.
///
/// # Errors
/// If a file can't be read, or is none.
pub(crate) fn read_policies(files: &[PathBuf]) -> anyhow::Result<BTreeMap<String, TuningPolicySpec>> {
    let read = |file: &PathBuf| {
        let text = std::fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
        let policy: TuningPolicy = serde_saphyr::from_str(&text).map_err(|error| {
            let line = error.to_string().lines().next().unwrap_or_default().to_owned();
            BadInput(format!("{} is no TuningPolicy: {line}", file.display()))
        })?;
        Ok((policy.metadata.name.unwrap_or_default(), policy.spec))
    };
    files.iter().map(read).collect()
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
