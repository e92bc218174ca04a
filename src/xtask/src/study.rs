//! `cargo xtask study`: the experiments behind the README's figures, and the figures.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use clap::Args;
use serde_json::Value;

use crate::{
    command::{output, run, step},
    programs::Trainpilot,
};

/// Where the experiments lie.
const EXPERIMENTS: &str = "examples/studies";
/// Experiments that belong together.
struct Group {
    /// How their names begin.
    prefix: &'static str,
    /// Picture of them.
    picture: &'static str,
    /// What `trainpilot-tasks data` has to prepare for them.
    data: Option<&'static str>,
}

/// All of them; what fits no other is of the last.
const GROUPS: [Group; 7] = [
    Group { prefix: "mixture-", picture: "mixture.svg", data: None },
    Group { prefix: "long-", picture: "long.svg", data: None },
    Group { prefix: "simple-", picture: "simple.svg", data: None },
    Group { prefix: "fashion-", picture: "fashion.svg", data: Some("fashion-mnist") },
    Group { prefix: "kjv-", picture: "kjv.svg", data: Some("kjv") },
    Group { prefix: "ende-", picture: "ende.svg", data: Some("en-de") },
    Group { prefix: "", picture: "digits.svg", data: None },
];
/// What rewards were made of, and what no learning saw.
const METRICS: [&str; 2] = ["validation_accuracy", TEST];
const TEST: &str = "test_accuracy";

#[derive(Args)]
pub struct Study {
    /// Only these experiments of examples/studies; all if none is given
    names: Vec<String>,
    /// Trainings at once; as many as there are cores if not given
    #[arg(long)]
    jobs: Option<usize>,
    /// Where each experiment gets a folder of its name
    #[arg(long, default_value = "runs/studies")]
    dir: PathBuf,
}

impl Study {
    /// Runs what is not finished yet, then prints a table for each group, in Markdown, and draws it.
    pub fn run(&self, root: &Path) -> anyhow::Result<()> {
        let names = self.wanted(&known(root)?)?;
        let of_group =
            |group: &Group| names.iter().filter(|name| group_of(name).prefix == group.prefix).collect::<Vec<_>>();
        let groups = || GROUPS.iter().map(|group| (group, of_group(group))).filter(|(_, names)| !names.is_empty());
        // What trains on data that have to be prepared needs libtorch.
        let real: Vec<&str> = groups().filter_map(|(group, _)| group.data).collect();
        let trainpilot = Trainpilot::build(root, if real.is_empty() { &[] } else { &["trainpilot-torch-tasks"] })?;
        for data in real {
            run(trainpilot.program("trainpilot-tasks").args(["data", data]))?;
        }
        for name in &names {
            run(&mut trainpilot.call(&self.run_arguments(name)))?;
        }
        for (Group { picture, .. }, names) in groups() {
            let mut arguments = vec!["compare".to_owned(), "--json".to_owned(), "--picture".to_owned()];
            arguments.push(text(&self.dir.join(picture)));
            arguments.extend(names.iter().map(|name| text(&self.dir.join(name))));
            let comparison = output(&mut trainpilot.call(&arguments))?;
            println!("{}", table(&serde_json::from_slice(&comparison).context("cannot read what compare printed")?));
            step(&format!("picture: {}", root.join(&self.dir).join(picture).display()));
        }
        Ok(())
    }

    fn wanted(&self, known: &[String]) -> anyhow::Result<Vec<String>> {
        for name in &self.names {
            ensure!(known.contains(name), "{EXPERIMENTS} has no {name}.yaml; it has {}", known.join(", "));
        }
        let wanted = known.iter().filter(|name| self.names.is_empty() || self.names.contains(name));
        Ok(wanted.cloned().collect())
    }

    fn run_arguments(&self, name: &str) -> Vec<String> {
        let (file, folder) = (format!("{EXPERIMENTS}/{name}.yaml"), text(&self.dir.join(name)));
        let mut arguments = vec!["run".to_owned(), file, "--dir".to_owned(), folder];
        arguments.extend(self.jobs.iter().flat_map(|jobs| ["--jobs".to_owned(), jobs.to_string()]));
        arguments
    }
}

fn group_of(name: &str) -> &'static Group {
    GROUPS.iter().find(|group| name.starts_with(group.prefix)).expect("every name begins with nothing")
}

/// All experiments, those that others are compared with first.
fn known(root: &Path) -> anyhow::Result<Vec<String>> {
    let folder = root.join(EXPERIMENTS);
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        names.extend(name.to_str().and_then(|name| name.strip_suffix(".yaml")).map(str::to_owned));
    }
    names.sort_by_key(|name| (!name.ends_with("constant"), !name.ends_with("linear"), name.clone()));
    Ok(names)
}

/// Mean and standard error over the repetitions: of all trajectories, and the test split's of each task.
fn table(comparison: &Value) -> String {
    let rows = comparison["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let tasks: Vec<&String> = rows.iter().filter_map(|row| row["tasks"].as_object()).flat_map(|t| t.keys()).collect();
    let mut tasks: Vec<&str> = tasks.into_iter().map(String::as_str).collect();
    tasks.sort_unstable();
    tasks.dedup();
    let mut lines = vec![
        format!("| {} |", [&["experiment", "FTE"], &METRICS[..], &tasks[..]].concat().join(" | ")),
        format!("|---|--:|{}", "--:|".repeat(METRICS.len() + tasks.len())),
    ];
    for row in rows {
        let figures = METRICS.iter().map(|metric| &row["metrics"][metric]);
        let figures = figures.chain(tasks.iter().map(|task| &row["tasks"][task][TEST]));
        let figures: Vec<String> = figures.map(|metric| mean_and_error(&metric["repetitionMeans"])).collect();
        let name = row["name"].as_str().unwrap_or_default();
        lines.push(format!("| {name} | {} | {} |", row["fte"].as_f64().unwrap_or_default(), figures.join(" | ")));
    }
    lines.join("\n") + "\n"
}

fn mean_and_error(repetitions: &Value) -> String {
    let means: Vec<f64> = repetitions.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    let n = means.len() as f64;
    let mean = means.iter().sum::<f64>() / n;
    if means.len() < 2 {
        return format!("{mean:.4}");
    }
    let variance = means.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    format!("{mean:.4} ± {:.4}", (variance / n).sqrt())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::command::root;

    fn study(names: &[&str]) -> Study {
        Study {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            jobs: Some(2),
            dir: "runs/studies".into(),
        }
    }

    #[test]
    fn baselines_come_first_and_policies_before_what_applies_them() {
        let known = known(root()).unwrap();
        let place = |name: &str| known.iter().position(|known| known == name).unwrap();
        assert!(place("constant") < place("linear") && place("linear") < place("default-512"));
        assert!(place("default-512") < place("greedy-512"));
        assert_eq!(study(&[]).wanted(&known).unwrap(), known);
    }

    #[test]
    fn experiments_on_one_task_with_one_purpose_are_a_group() {
        let pictures = ["long-linear", "mixture-linear", "simple-128", "linear"].map(|name| group_of(name).picture);
        assert_eq!(pictures, ["long.svg", "mixture.svg", "simple.svg", "digits.svg"]);
    }

    #[test]
    fn a_name_that_is_not_there_is_refused_with_those_that_are() {
        let said = study(&["linaer"]).wanted(&["linear".to_owned()]).unwrap_err().to_string();
        assert_eq!(said, "examples/studies has no linaer.yaml; it has linear");
    }

    #[test]
    fn each_experiment_runs_into_a_folder_of_its_name() {
        let line = study(&[]).run_arguments("linear").join(" ");
        assert_eq!(line, "run examples/studies/linear.yaml --dir runs/studies/linear --jobs 2");
    }

    #[test]
    fn the_table_has_mean_and_standard_error_over_repetitions_and_a_column_for_each_task() {
        let test = json!({"test_accuracy": {"repetitionMeans": [0.5, 0.5]}});
        let both = json!({
            "validation_accuracy": {"repetitionMeans": [0.9, 0.9]}, "test_accuracy": {"repetitionMeans": [0.9, 0.8]},
        });
        let row = json!({"name": "a", "fte": 64.0, "metrics": both, "tasks": {"hard": test}});
        assert_eq!(
            table(&json!({"rows": [row]})),
            "| experiment | FTE | validation_accuracy | test_accuracy | hard |\n|---|--:|--:|--:|--:|\n\
             | a | 64 | 0.9000 ± 0.0000 | 0.8500 ± 0.0500 | 0.5000 ± 0.0000 |\n"
        );
        let plain = json!({"name": "b", "fte": 0.0, "metrics": {
            "validation_accuracy": {"repetitionMeans": [0.6]}, "test_accuracy": {"repetitionMeans": [0.5]},
        }});
        assert!(table(&json!({"rows": [plain]})).ends_with("|---|--:|--:|--:|\n| b | 0 | 0.6000 | 0.5000 |\n"));
    }
}
