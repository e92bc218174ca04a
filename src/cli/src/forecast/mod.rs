//! `trainpilot forecast`: what a world model makes of a training of a run, or of curves that others recorded.
//!
//! The networks are the learner's program; what it says is drawn and printed here.

pub(crate) mod pictures;
mod table;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde::de::DeserializeOwned;
use wire::forecast::{CurvesForecast, RecordedForecast};

use crate::failure::BadInput;
use crate::picture::{Picture, stack};
use crate::run::process::find;
use crate::{output, results::run::Run};

/// Draw what a world model makes of one training of a run, or of curves from a file
///
/// With DIR, it is the world model of that run, which was made with algorithm `simple`; the picture goes to
/// DIR/forecast.svg. With --data, a world model is trained on a part of the curves in a file and scored on the rest, beside
/// the last value and each curve's own power law.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folder of a run, such as runs/NAME
    #[arg(value_name = "DIR", required_unless_present = "data", conflicts_with = "data")]
    folder: Option<PathBuf>,
    /// Repetition of the run, from 0
    #[arg(long, value_name = "R", default_value_t = 0)]
    repetition: u32,
    /// Epoch of the training [default: the last that the world model knows]
    #[arg(long, value_name = "E")]
    epoch: Option<u32>,
    /// Index of the training [default: the first that the world model was not trained on]
    #[arg(long, value_name = "I")]
    index: Option<u32>,
    /// Observation from which it is forecast, from 0; what came before is known [default: 0, and a fifth of curves from a file]
    #[arg(long, value_name = "T")]
    from: Option<u32>,
    /// Epoch up to which the world model was trained [default: the newest]
    #[arg(long, value_name = "E")]
    world_model: Option<u32>,
    /// Curves that others recorded: CSV with a head, or Parquet, with a row for each curve and step
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Column that tells curves apart [default: the first]
    #[arg(long, value_name = "COLUMN", requires = "data")]
    curve: Option<String>,
    /// Column with the step [default: the second]
    #[arg(long, value_name = "COLUMN", requires = "data")]
    step: Option<String>,
    /// Columns that are forecast, separated by commas [default: all others]
    #[arg(long, value_name = "COLUMNS", requires = "data")]
    metrics: Option<String>,
    /// Columns with numbers above 0 that were set, not measured [default: none]
    #[arg(long, value_name = "COLUMNS", requires = "data")]
    hyperparameters: Option<String>,
    /// Metrics that are forecast in their logarithm
    #[arg(long, value_name = "COLUMNS", requires = "data")]
    log: Option<String>,
    /// Share of the curves that is forecast; the others are trained on [default: 0.2]
    #[arg(long, value_name = "SHARE", requires = "data")]
    test_share: Option<f64>,
    /// Seed of which curves these are
    #[arg(long, requires = "data")]
    seed: Option<u64>,
    /// File for the picture, in SVG [default: DIR/forecast.svg, or none]
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        match (&self.data, &self.folder) {
            (Some(data), _) => self.of_curves(data),
            (None, Some(folder)) => self.recorded(folder),
            (None, None) => Err(BadInput("expected the folder of a run, or --data FILE".to_owned()).into()),
        }
    }

    fn recorded(&self, folder: &Path) -> anyhow::Result<()> {
        // Says in words what is wrong with a folder that is none.
        Run::load(folder)?;
        let mut command = learner("forecast")?;
        command.arg("--storage").arg(folder.join(format!("repetition-{}", self.repetition)));
        for (flag, value) in [
            ("--epoch", self.epoch),
            ("--index", self.index),
            ("--from", self.from),
            ("--world-model", self.world_model),
        ] {
            command.args(value.iter().flat_map(|value| [flag.to_owned(), value.to_string()]));
        }
        let forecast: RecordedForecast = ask(command)?;
        let path = self.picture.clone().unwrap_or_else(|| folder.join("forecast.svg"));
        draw(&path, &pictures::all_metrics(&forecast.example))?;
        if self.json {
            return output::print_json(&forecast);
        }
        let known = if forecast.trained_on { "which it was trained on" } else { "which it was not trained on" };
        output::print(&format!(
            "epoch {}, index {}, from observation {}, by the world model of epoch {}, {known}\n{}\n",
            forecast.example.epoch,
            forecast.example.index,
            forecast.example.from,
            forecast.world_model,
            path.display()
        ))
    }

    fn of_curves(&self, data: &Path) -> anyhow::Result<()> {
        let mut command = learner("forecast-curves")?;
        command.arg("--data").arg(data);
        let numbers = [
            ("--from", self.from.map(|x| x.to_string())),
            ("--test-share", self.test_share.map(|x| x.to_string())),
            ("--seed", self.seed.map(|x| x.to_string())),
        ];
        let texts = [
            ("--curve", &self.curve),
            ("--step", &self.step),
            ("--metrics", &self.metrics),
            ("--hyperparameters", &self.hyperparameters),
            ("--log", &self.log),
        ];
        let texts = texts.into_iter().map(|(flag, text)| (flag, text.clone()));
        for (flag, value) in numbers.into_iter().chain(texts) {
            command.args(value.iter().flat_map(|value| [flag, value]));
        }
        let forecast: CurvesForecast = ask(command)?;
        if let Some(path) = &self.picture {
            draw(path, &pictures::of_scores(&forecast.scores))?;
        }
        if self.json { output::print_json(&forecast) } else { output::print(&table::of_curves(&forecast)) }
    }
}

/// The learner's program.
fn learner(subcommand: &str) -> anyhow::Result<Command> {
    let program = find("trainpilot-learner");
    let program = program.context("trainpilot-learner is neither beside this program nor on PATH")?;
    let mut command = Command::new(program);
    command.arg(subcommand).env("OMP_NUM_THREADS", "1");
    Ok(command)
}

/// What the program says on its standard output. What it tells on the other stream is passed on, but for its last words.
fn ask<T: DeserializeOwned>(mut command: Command) -> anyhow::Result<T> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("trainpilot-learner did not start")?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    // Both at once: whoever waits for one while the other is full waits for ever.
    let said = std::thread::spawn(move || {
        let mut said = String::new();
        out.map_or(Ok(0), |mut out| out.read_to_string(&mut said)).map(|_| said)
    });
    let mut failure = None;
    for line in err.into_iter().flat_map(|err| BufReader::new(err).lines()) {
        let line = line?;
        match line.strip_prefix("error: ") {
            Some(sentence) => failure = Some(sentence.to_owned()),
            None => eprintln!("{line}"),
        }
    }
    let said = said.join().map_err(|_| anyhow::anyhow!("what trainpilot-learner said was not read"))??;
    let status = child.wait()?;
    match failure {
        Some(sentence) => Err(BadInput(sentence).into()),
        None if !status.success() => bail!("trainpilot-learner ended with {status}"),
        None => serde_json::from_str(&said).context("trainpilot-learner said something else than JSON"),
    }
}

fn draw(path: &Path, pictures: &[Picture]) -> anyhow::Result<()> {
    output::write(path, stack(pictures)?.as_bytes())
}
