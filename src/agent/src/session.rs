//! One trajectory as a state machine: which report is due, what is in force, what has been recorded.
//!
//! Pure: time comes in as numbers, decisions come in from outside, so that every order of events can be tried.

use std::collections::BTreeMap;

use tuning::{Draw, Outcome, Recipe, Stage, Steering, Step, StepsError, TrajectoryKey};
use wire::agent::AgentConfig;
use wire::learner::Steps;
use wire::trainer::{StepAnswer, StepReport, TrajectoryInfo};

use crate::pilot::Choice;
use crate::report::{Metrics, Refusal};

/// A value counts as applied if it differs by no more than this share, which leaves room for single precision.
const READ_BACK_TOLERANCE: f64 = 1e-6;

/// One trajectory.
#[derive(Debug)]
pub struct Session<'a> {
    config: &'a AgentConfig,
    key: TrajectoryKey,
    draw: Draw,
    steering: Steering<'a>,
    /// Observations, the one that is being decided on included.
    steps: Vec<Step>,
    /// The report that is being decided on.
    deciding: Option<StepReport>,
    /// The report answered last, which may be repeated.
    answered: Option<(StepReport, StepAnswer)>,
    outcome: Option<Outcome>,
    policy_version: u64,
    mismatches: Vec<u64>,
    /// What earlier attempts took.
    earlier_seconds: f64,
}

/// Why an attempt can't carry on what earlier ones reported.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Broken {
    /// It is no beginning of a trajectory of this experiment.
    #[error("what earlier attempts reported is no beginning of this trajectory")]
    Steps(#[from] StepsError),
    /// It does not begin at step 0.
    #[error("what earlier attempts reported begins with step {0}")]
    Begin(u32),
    /// The values at a step do not follow from the decisions before.
    #[error("the values at step {0} do not follow from what was decided before")]
    Values(u32),
}

/// What follows a report.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// The trainer can be answered.
    Answer(StepAnswer),
    /// A decision is due: [`Session::decide`].
    Decide,
}

impl<'a> Session<'a> {
    /// Draws the trajectory `index`, which is tried for the `attempt`th time (from 0).
    pub fn new(config: &'a AgentConfig, index: u32, attempt: u32) -> Self {
        let AgentConfig { repetition, epoch, .. } = *config;
        let stage = if config.final_evaluation { Stage::Final } else { Stage::Learning { repetition, epoch } };
        let draw = config.draws.draw(&config.problem, stage, index);
        Self {
            config,
            key: TrajectoryKey { repetition, epoch, index, attempt },
            steering: Steering::start(&config.problem, &draw.initial),
            draw,
            steps: Vec::new(),
            deciding: None,
            answered: None,
            outcome: None,
            policy_version: 0,
            mismatches: vec![0; config.problem.hyperparameters.len()],
            earlier_seconds: 0.0,
        }
    }

    /// What the trainer is told at its start.
    pub fn info(&self) -> TrajectoryInfo {
        TrajectoryInfo {
            id: format!("{}-{}-{}-{}", self.config.uid, self.key.repetition, self.key.epoch, self.key.index),
            env_steps: self.config.problem.env_steps,
            seed: self.draw.seed,
            repetition: self.key.repetition,
            epoch: self.key.epoch,
            index: self.key.index,
            task: self.task().to_owned(),
            hyperparameters: self.in_force(),
            next_step: self.steps().len() as u32,
        }
    }

    /// Carries on after the last of `steps`, which earlier attempts reported in `seconds`; `recipe` is the one that a policy of
    /// recipes has for this trajectory. An error changes nothing.
    pub fn carry_on(&mut self, steps: Vec<Step>, seconds: f64, recipe: Option<&Recipe>) -> Result<(), Broken> {
        let whole = Steps { key: self.key, seed: self.draw.seed, task: self.task().to_owned(), steps, outcome: None };
        whole.check(&self.config.problem)?;
        if let Some(first) = whole.steps.first().filter(|first| first.step != 0) {
            return Err(Broken::Begin(first.step));
        }
        let mut steering = Steering::start(&self.config.problem, &self.draw.initial);
        let mut recipe = recipe;
        for step in &whole.steps {
            if steering.values().iter().zip(&step.hyperparameters).any(|(here, there)| differ(*here, *there)) {
                return Err(Broken::Values(step.step));
            }
            let Some(decision) = &step.decision else { continue };
            match recipe.take_if(|_| decision.policy_version > 0) {
                Some(recipe) => steering.follow(step.step, recipe),
                None => steering.act(step.step, &decision.actions),
            }
            self.policy_version = decision.policy_version;
        }
        (self.steering, self.steps, self.earlier_seconds) = (steering, whole.steps, seconds);
        Ok(())
    }

    /// Whether a report is the one due, and has metrics to be recorded.
    pub fn awaits(&self, report: &StepReport) -> bool {
        let is_new = matches!(self.repeated(report), Ok(None)) && self.expect(report.step).is_ok();
        is_new && report.diverged.is_none()
    }

    /// Takes a report that came `elapsed_seconds` after the start of the attempt; `shown` are metrics that it leaves out. A refused
    /// one changes nothing.
    pub fn report(&mut self, report: StepReport, shown: &Metrics, elapsed_seconds: f64) -> Result<Next, Refusal> {
        if let Some(next) = self.repeated(&report)? {
            return Ok(next);
        }
        self.expect(report.step)?;
        if report.diverged.is_some() {
            return Ok(self.end(report, Outcome::Diverged));
        }
        let (metrics, applied) = (self.metrics(&report, shown)?, self.applied(&report)?);
        let Some(metrics) = metrics else {
            return Ok(self.end(report, Outcome::Diverged));
        };
        let (step, hyperparameters) = (report.step, self.steering.values());
        self.read_back(&hyperparameters, &applied);
        let elapsed_seconds = self.earlier_seconds + elapsed_seconds;
        self.steps.push(Step { step, metrics, hyperparameters, applied, decision: None, elapsed_seconds });
        if step == self.config.problem.env_steps {
            return Ok(self.end(report, Outcome::Completed));
        }
        self.deciding = Some(report);
        Ok(Next::Decide)
    }

    /// Puts into force what was chosen after [`Next::Decide`].
    ///
    /// # Panics
    /// If no report waits for a decision.
    pub fn decide(&mut self, choice: Choice) -> StepAnswer {
        let report = self.deciding.take().expect("a decision follows a report");
        let Choice { decision, follow } = choice;
        match follow {
            Some(recipe) => self.steering.follow(report.step, &recipe),
            None => self.steering.act(report.step, &decision.actions),
        }
        self.policy_version = decision.policy_version;
        let kept_because = decision.keep.map(|keep| keep.as_str().to_owned());
        if let Some(step) = self.steps.last_mut() {
            step.decision = Some(decision);
        }
        self.answer(report, kept_because)
    }

    /// Observations so far, that which is being decided on included: what a policy may see.
    pub fn observed(&self) -> &[Step] {
        &self.steps
    }

    /// Steps that are over: what may leave the agent.
    pub fn steps(&self) -> &[Step] {
        &self.steps[..self.steps.len() - usize::from(self.deciding.is_some())]
    }

    /// Everything from step `from` on, for the learner.
    pub fn export(&self, from: u32) -> Steps {
        let steps = self.steps();
        let steps = steps[steps.len().min(from as usize)..].to_vec();
        let (key, seed, task) = (self.key, self.draw.seed, self.task().to_owned());
        Steps { key, seed, task, steps, outcome: self.outcome }
    }

    /// How the trajectory ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// Version of the policy that decided last; 0 if none did.
    pub fn policy_version(&self) -> u64 {
        self.policy_version
    }

    /// Which attempt it is.
    pub fn key(&self) -> TrajectoryKey {
        self.key
    }

    /// Seed of the training.
    pub fn seed(&self) -> u32 {
        self.draw.seed
    }

    /// How often each hyperparameter was really at another value than told, in the problem's order.
    pub fn mismatches(&self) -> &[u64] {
        &self.mismatches
    }

    /// The values in force, by name.
    pub fn in_force(&self) -> BTreeMap<String, f64> {
        let names = self.config.problem.hyperparameters.iter().map(|h| h.name.clone());
        names.zip(self.steering.values()).collect()
    }

    fn task(&self) -> &str {
        self.draw.task.map_or("", |task| &self.config.draws.tasks[task].name)
    }

    /// What the same report led to before, if it is a repeated one.
    fn repeated(&self, report: &StepReport) -> Result<Option<Next>, Refusal> {
        let (before, next) = match (&self.deciding, &self.answered) {
            (Some(before), _) => (before, Next::Decide),
            (None, Some((before, answer))) => (before, Next::Answer(answer.clone())),
            (None, None) => return Ok(None),
        };
        match before {
            before if before == report => Ok(Some(next)),
            before if before.step == report.step => Err(Refusal::Changed(report.step)),
            _ => Ok(None),
        }
    }

    fn expect(&self, got: u32) -> Result<(), Refusal> {
        if let (Some(_), Some((last, _))) = (self.outcome, &self.answered) {
            return Err(Refusal::Ended(last.step));
        }
        // While step t is being decided on, t + 1 can't have been trained yet.
        let expected = self.steps().len() as u32;
        if got == expected { Ok(()) } else { Err(Refusal::OutOfOrder { got, expected }) }
    }

    /// Metrics in the problem's order, reported or else shown; none if one is not finite.
    fn metrics(&self, report: &StepReport, shown: &Metrics) -> Result<Option<Vec<f64>>, Refusal> {
        let names = || self.config.problem.metrics.iter().map(|metric| metric.name.as_str());
        known("metric", report.metrics.keys(), names().collect())?;
        let mut metrics = Vec::new();
        for name in names() {
            let missing =
                || Refusal::Missing { name: name.to_owned(), expected: names().collect::<Vec<_>>().join(", ") };
            metrics.push(*report.metrics.get(name).or_else(|| shown.get(name)).ok_or_else(missing)?);
        }
        Ok(metrics.into_iter().map(|metric| metric.filter(|x| x.is_finite())).collect())
    }

    /// Applied values in the problem's order; where the trainer says nothing, what it was told.
    fn applied(&self, report: &StepReport) -> Result<Vec<f64>, Refusal> {
        let told = self.in_force();
        known("hyperparameter", report.hyperparameters.keys(), told.keys().map(String::as_str).collect())?;
        let names = self.config.problem.hyperparameters.iter().map(|h| &h.name);
        Ok(names.map(|name| *report.hyperparameters.get(name).unwrap_or(&told[name])).collect())
    }

    fn read_back(&mut self, told: &[f64], applied: &[f64]) {
        for ((count, told), applied) in self.mismatches.iter_mut().zip(told).zip(applied) {
            *count += u64::from(differ(*told, *applied));
        }
    }

    fn end(&mut self, report: StepReport, outcome: Outcome) -> Next {
        self.outcome = Some(outcome);
        Next::Answer(self.answer(report, None))
    }

    fn answer(&mut self, report: StepReport, kept_because: Option<String>) -> StepAnswer {
        let answer = StepAnswer {
            step: report.step,
            hyperparameters: self.in_force(),
            done: self.outcome.is_some(),
            policy_version: self.policy_version,
            kept_because,
        };
        self.answered = Some((report, answer.clone()));
        answer
    }
}

fn differ(told: f64, applied: f64) -> bool {
    (told - applied).abs() > READ_BACK_TOLERANCE * told.abs().max(applied.abs())
}

fn known<'n>(kind: &'static str, got: impl Iterator<Item = &'n String>, expected: Vec<&str>) -> Result<(), Refusal> {
    let mut strange = got.filter(|name| !expected.contains(&name.as_str()));
    let refuse = |name: &String| Refusal::Unknown { kind, name: name.clone(), expected: expected.join(", ") };
    strange.next().map_or(Ok(()), |name| Err(refuse(name)))
}

#[cfg(test)]
mod tests;
