//! What a run shows while it works: bars on a terminal, plain lines elsewhere, JSON lines for machines.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use api::{TuningExperiment, TuningExperimentStatus};
use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;
use wire::learner::EpochSummary;

/// Where one repetition stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    pub(super) repetition: u32,
    /// Epoch being gathered, and how many there are to learn from; the one after them is the final evaluation.
    pub(super) epoch: u32,
    pub(super) epochs: u32,
    /// Trajectories of this epoch.
    pub(super) running: u32,
    pub(super) ended: u32,
    pub(super) trajectories: u32,
    pub(super) policy_version: u64,
    pub(super) learning: bool,
    /// What learning is about at the moment, where it has several parts.
    pub(super) doing: Option<String>,
    /// What the world-model learner is about, where there is one and it does something.
    pub(super) world_model: Option<String>,
    /// Whether the final evaluation is stored.
    pub(super) over: bool,
    /// Mean objective of the last epoch.
    pub(super) objective: Option<f64>,
    pub(super) fault: Option<String>,
}

/// How to show it.
pub(super) enum Progress {
    /// A bar for each repetition.
    Bars(MultiProgress, Vec<ProgressBar>),
    /// A line for each thing that is done.
    Lines,
    /// The same as JSON.
    Json,
}

/// What one line of JSON says.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
enum Line<'a> {
    Epoch {
        repetition: u32,
        #[serde(flatten)]
        summary: &'a EpochSummary,
    },
    Note {
        text: &'a str,
    },
    Complete {
        status: &'a TuningExperimentStatus,
    },
    Progress {
        repetitions: &'a [View],
    },
}

impl Progress {
    pub(super) fn new(json: bool, repetitions: u32) -> Self {
        if json {
            return Self::Json;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines;
        }
        let bars = MultiProgress::new();
        let style = ProgressStyle::with_template("{prefix} {bar:24.cyan/dim} {msg}").expect("the template is fixed");
        let make = |repetition: u32| {
            let bar = bars.add(ProgressBar::new(1).with_style(style.clone().progress_chars("━╸─")));
            bar.set_prefix(if repetitions > 1 { format!("repetition {repetition}") } else { String::new() });
            bar
        };
        let each = (0..repetitions).map(make).collect();
        Self::Bars(bars, each)
    }

    /// Shows where every repetition stands.
    pub(super) fn show(&self, views: &[View], left: Option<Duration>) {
        match self {
            Self::Bars(_, bars) => {
                for (bar, view) in bars.iter().zip(views) {
                    bar.set_length(u64::from(view.trajectories.max(1)));
                    bar.set_position(u64::from(view.ended));
                    bar.set_message(describe(view, left));
                }
            }
            Self::Lines => {}
            Self::Json => line(&Line::Progress { repetitions: views }),
        }
    }

    /// Says that an epoch is learned.
    pub(super) fn epoch(&self, repetition: u32, epochs: u32, summary: &EpochSummary) {
        match self {
            Self::Json => line(&Line::Epoch { repetition, summary }),
            _ => self.say(&in_words(repetition, epochs, summary)),
        }
    }

    /// Says something in passing.
    pub(super) fn say(&self, text: &str) {
        match self {
            // A terminal that went away is no reason to stop trainings.
            Self::Bars(bars, _) => drop(bars.println(text)),
            Self::Lines => drop(writeln!(std::io::stderr(), "{text}")),
            Self::Json => line(&Line::Note { text }),
        }
    }

    /// Least time between two showings.
    pub(super) fn pace(&self, of_lines: Duration) -> Duration {
        if matches!(self, Self::Bars(..)) { Duration::ZERO } else { of_lines }
    }

    /// Says what a complete experiment came to.
    pub(super) fn result(&self, experiment: &TuningExperiment) {
        let Some(status) = &experiment.status else { return };
        if let Self::Json = self {
            return line(&Line::Complete { status });
        }
        let objective = &experiment.spec.objective.metric;
        let mean = status.objective.mean.map_or("-".to_owned(), |mean| format!("{mean:.4}"));
        self.say(&format!("final evaluation: {objective} {mean}, for {:.0} full trainings in all", status.fte));
    }

    /// Takes the bars away.
    pub(super) fn end(&self) {
        if let Self::Bars(bars, _) = self {
            drop(bars.clear());
        }
    }
}

fn line(line: &Line<'_>) {
    let text = serde_json::to_string(line).expect("plain data always serialises");
    drop(writeln!(std::io::stdout(), "{text}"));
}

fn describe(view: &View, left: Option<Duration>) -> String {
    if view.over {
        return "complete".to_owned();
    }
    let what = if view.epoch > view.epochs {
        "final evaluation".to_owned()
    } else {
        format!("epoch {}/{}", view.epoch, view.epochs)
    };
    // While the world model is trained, the policy learner waits for it.
    let doing = match view.world_model.as_ref().or(view.doing.as_ref()) {
        Some(doing) => format!(", {doing}"),
        None if view.learning => ", learning".to_owned(),
        None => format!(", {} running", view.running),
    };
    let left = left.map_or(String::new(), |left| format!(", about {} left", HumanDuration(left)));
    let fault = view.fault.as_ref().map_or(String::new(), |fault| format!(" — {fault}"));
    let mean = view.objective.map_or(String::new(), |mean| format!(", last mean {mean:.4}"));
    let (ended, all) = (view.ended, view.trajectories);
    format!("{what}: {ended}/{all} ended{doing}, policy {}{mean}{left}{fault}", view.policy_version)
}

fn in_words(repetition: u32, epochs: u32, summary: &EpochSummary) -> String {
    let what = if summary.epoch > epochs {
        "final evaluation".to_owned()
    } else {
        format!("epoch {}/{epochs}", summary.epoch)
    };
    let number = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.4}"));
    let mut text = format!(
        "repetition {repetition}, {what}: mean {}, best {}, {} completed",
        number(summary.mean),
        number(summary.best),
        summary.completed
    );
    for (count, word) in [(summary.diverged, "diverged"), (summary.lost, "lost")] {
        if count > 0 {
            text.push_str(&format!(", {count} {word}"));
        }
    }
    text
}

/// Guesses the time left from the trajectories done so far in this process.
#[derive(Debug)]
pub(super) struct Pace {
    since: Instant,
    done: u32,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), done: 0 }
    }

    pub(super) fn count(&mut self) {
        self.done += 1;
    }

    /// Time for `remaining` more; none before there is anything to go by.
    pub(super) fn left(&self, remaining: u32) -> Option<Duration> {
        (self.done > 0).then(|| self.since.elapsed() * remaining / self.done)
    }
}
