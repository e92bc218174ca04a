//! `cargo xtask demo`: from a fresh clone to a table that compares a learned policy with tuned baselines.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::{
    command::{run, step},
    programs::Trainpilot,
};

/// The experiments, in the order of the table: the first is what the others are compared with.
const EXPERIMENTS: [&str; 4] = ["digits-constant", "digits-linear", "digits-ppo", "digits-simple"];

#[derive(Args)]
pub struct Demo {
    /// Trainings at once; as many as there are cores if not given
    #[arg(long)]
    jobs: Option<usize>,
    /// Where each experiment gets a folder of its name
    #[arg(long, default_value = "runs")]
    dir: PathBuf,
}

impl Demo {
    /// Everything, and where to look at the end.
    pub fn run(&self, root: &Path) -> anyhow::Result<()> {
        let trainpilot = Trainpilot::build(root, &[])?;
        for arguments in self.steps() {
            run(&mut trainpilot.call(&arguments))?;
        }
        for folder in self.folders() {
            step(&format!("report: {}", root.join(folder).join("report.html").display()));
        }
        Ok(())
    }

    /// The arguments of each call of `trainpilot`.
    fn steps(&self) -> Vec<Vec<String>> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let runs = EXPERIMENTS.iter().zip(self.folders()).map(|(name, folder)| {
            let mut arguments =
                vec!["run".to_owned(), format!("examples/{name}.yaml"), "--dir".to_owned(), text(folder)];
            arguments.extend(self.jobs.iter().flat_map(|jobs| ["--jobs".to_owned(), jobs.to_string()]));
            arguments
        });
        let reports = self.folders().map(|folder| vec!["report".to_owned(), text(folder)]);
        let compare = [vec!["compare".to_owned()].into_iter().chain(self.folders().map(text)).collect()];
        runs.chain(reports).chain(compare).collect()
    }

    fn folders(&self) -> impl Iterator<Item = PathBuf> {
        EXPERIMENTS.iter().map(|name| self.dir.join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_experiment_is_run_then_reported_then_all_are_compared() {
        let steps = Demo { jobs: Some(2), dir: PathBuf::from("runs") }.steps();
        let lines = steps.iter().map(|words| words.join(" ")).collect::<Vec<_>>();
        assert_eq!(
            lines,
            [
                "run examples/digits-constant.yaml --dir runs/digits-constant --jobs 2",
                "run examples/digits-linear.yaml --dir runs/digits-linear --jobs 2",
                "run examples/digits-ppo.yaml --dir runs/digits-ppo --jobs 2",
                "run examples/digits-simple.yaml --dir runs/digits-simple --jobs 2",
                "report runs/digits-constant",
                "report runs/digits-linear",
                "report runs/digits-ppo",
                "report runs/digits-simple",
                "compare runs/digits-constant runs/digits-linear runs/digits-ppo runs/digits-simple",
            ]
        );
    }
}
