//! Writing of the trajectory page.

use std::fmt::{Debug, Write};

use tuning::{Decision, Hyperparameter, Problem, Step};

use super::{FORMAT, family, steps_per_page};
use crate::learner::Steps;

/// The page for `steps`, which should pass [`Steps::check`]: [`super::parse`] refuses the page otherwise.
///
/// Steps beyond [`steps_per_page`] are left out, and then the outcome is too.
pub fn page(steps: &Steps, problem: &Problem) -> String {
    let shown = steps.steps.len().min(steps_per_page(problem));
    let all_shown = shown == steps.steps.len();
    let mut page = Page { text: String::new(), steps: &steps.steps[..shown], problem };
    if let Some(outcome) = steps.outcome.filter(|_| all_shown) {
        page.head(family::OUTCOME, "How the trajectory ended; always 1.");
        page.sample(family::OUTCOME, &[("outcome", outcome.as_str())], 1);
    }
    page.metrics();
    page.hyperparameters(family::HYPERPARAMETER, "What the agent had asked for.", |step| &step.hyperparameters);
    page.hyperparameters(family::APPLIED, "What the trainer said was in force.", |step| &step.applied);
    page.hyperparameters(family::ACTION, "Index of the multiplier decided.", |step| decided(step, |d| &d.actions));
    let help = "Log-probability of the action under the policy that acted.";
    page.hyperparameters(family::LOG_PROBABILITY, help, |step| decided(step, |d| &d.log_probabilities));
    page.plain(family::ELAPSED, "Seconds from the attempt's start to the report.", |step| Some(step.elapsed_seconds));
    page.plain(family::VALUE, "The policy's estimate of the return.", |step| step.decision.as_ref()?.value);
    let help = "Version of the policy that decided; 0 where none had arrived.";
    page.plain(family::VERSION, help, |step| Some(step.decision.as_ref()?.policy_version));
    page.kept();
    // Last, because parsing insists on it: a page cut short after any line is noticed.
    page.trajectory(steps);
    page.text
}

fn decided<T>(step: &Step, list: impl Fn(&Decision) -> &Vec<T>) -> &[T] {
    step.decision.as_ref().map_or(&[], |decision| list(decision))
}

struct Page<'a> {
    text: String,
    steps: &'a [Step],
    problem: &'a Problem,
}

impl<'a> Page<'a> {
    fn trajectory(&mut self, Steps { key, seed, task, .. }: &Steps) {
        let numbers = [
            ("format", FORMAT),
            ("repetition", key.repetition),
            ("epoch", key.epoch),
            ("index", key.index),
            ("attempt", key.attempt),
            ("seed", *seed),
        ];
        let numbers = numbers.map(|(name, number)| (name, number.to_string()));
        let mut labels: Vec<(&str, &str)> = numbers.iter().map(|(name, number)| (*name, number.as_str())).collect();
        labels.push(("task", task));
        self.head(family::TRAJECTORY, "Steps on this page.");
        self.sample(family::TRAJECTORY, &labels, self.steps.len());
    }

    fn metrics(&mut self) {
        self.head(family::METRIC, "What the trainer measured.");
        for step in self.steps {
            let number = step.step.to_string();
            for (metric, value) in self.problem.metrics.iter().zip(&step.metrics) {
                self.sample(family::METRIC, &[("step", &number), ("metric", &metric.name)], value);
            }
        }
    }

    /// A family with a sample for each hyperparameter of each step that has `values`.
    fn hyperparameters<T: Debug + 'a>(&mut self, family: &str, help: &str, values: impl Fn(&'a Step) -> &'a [T]) {
        self.head(family, help);
        for step in self.steps {
            let number = step.step.to_string();
            for (Hyperparameter { name, .. }, value) in self.problem.hyperparameters.iter().zip(values(step)) {
                self.sample(family, &[("step", &number), ("hyperparameter", name)], value);
            }
        }
    }

    /// A family with one sample for each step that has a `value`.
    fn plain<T: Debug>(&mut self, family: &str, help: &str, value: impl Fn(&Step) -> Option<T>) {
        self.head(family, help);
        for step in self.steps {
            if let Some(value) = value(step) {
                self.sample(family, &[("step", &step.step.to_string())], value);
            }
        }
    }

    fn kept(&mut self) {
        self.head(family::KEPT, "Why nothing was changed; always 1.");
        for step in self.steps {
            if let Some(keep) = step.decision.as_ref().and_then(|decision| decision.keep) {
                self.sample(family::KEPT, &[("step", &step.step.to_string()), ("reason", keep.as_str())], 1);
            }
        }
    }

    fn head(&mut self, family: &str, help: &str) {
        self.text += &format!("# HELP {family} {help}\n# TYPE {family} gauge\n");
    }

    /// Numbers are written by `Debug`, which is the shortest text that parses to the same bits.
    fn sample(&mut self, family: &str, labels: &[(&str, &str)], value: impl Debug) {
        self.text += family;
        for (place, (name, value)) in labels.iter().enumerate() {
            self.text += if place == 0 { "{" } else { "," };
            self.text += name;
            self.text += "=\"";
            for c in value.chars() {
                match c {
                    '\\' => self.text += "\\\\",
                    '"' => self.text += "\\\"",
                    '\n' => self.text += "\\n",
                    c => self.text.push(c),
                }
            }
            self.text.push('"');
        }
        writeln!(self.text, "}} {value:?}").expect("writing to a String cannot fail");
    }
}
