//! The local applier: learners and batches as processes, observed for the planner and changed as it says.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api::{Timestamp, TuningExperiment, TuningExperimentStatus, TuningPolicySpec, meaning};
use gather::{GatherConfig, Gatherer};
use plan::{BatchObserved, Directive, LearnerObserved, Observed, Plan, RepetitionObserved};
use plan::{Workload, WorkloadName, WorldModelObserved};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tuning::{Outcome, Stage, TrajectoryKey};
use wire::agent::AgentConfig;
use wire::http::{Timeouts, client};
use wire::learner::LearnerState;
use wire::tls::{Identity, Role};

use super::attempt::{Attempt, Failure};
use super::batch::Batch;
use super::folder::RunFolder;
use super::policy_learner::PolicyLearner;
use super::trainer::TrainerCommand;
use super::world_model_learner::WorldModelLearner;

/// Where our own programs lie.
pub(super) struct Programs {
    pub(super) agent: PathBuf,
    pub(super) learner: PathBuf,
}

/// Everything that runs for one experiment.
pub(super) struct World {
    folder: RunFolder,
    programs: Programs,
    experiment: TuningExperiment,
    /// TuningPolicies that it may refer to.
    policies: BTreeMap<String, TuningPolicySpec>,
    /// Of learning, and of the final evaluation: one for each task, or one alone.
    trainers: [Vec<TrainerCommand>; 2],
    gatherer: Arc<Gatherer>,
    to_learners: reqwest::Client,
    learners: BTreeMap<u32, PolicyLearner>,
    world_models: BTreeMap<u32, WorldModelLearner>,
    batches: BTreeMap<WorkloadName, Running>,
    attempts: JoinSet<(WorkloadName, u32, Result<Outcome, Failure>)>,
    /// Folder of the attempt that failed last.
    last_failed: Option<PathBuf>,
}

/// A batch that is wanted.
struct Running {
    books: Batch,
    agent: AgentConfig,
    config: PathBuf,
    parallelism: u32,
    failure: Option<String>,
    stop: watch::Sender<bool>,
}

impl World {
    /// A world in which nothing runs yet.
    ///
    /// # Errors
    /// If a trainer's program can't be found, or the run's certificates can't be read.
    pub(super) fn new(
        folder: RunFolder,
        programs: Programs,
        experiment: TuningExperiment,
        policies: BTreeMap<String, TuningPolicySpec>,
    ) -> anyhow::Result<Self> {
        let identity = Identity::load(&folder.tls(Role::Operator))?;
        let to_learners = client(&identity, Role::Learner, Timeouts::REQUEST)?;
        let gatherer = Gatherer::new(GatherConfig::new(identity, meaning::problem(&experiment.spec)))?;
        let trainers = [trainers(&experiment, false)?, trainers(&experiment, true)?];
        Ok(Self {
            folder,
            programs,
            experiment,
            policies,
            trainers,
            gatherer: Arc::new(gatherer),
            to_learners,
            learners: BTreeMap::new(),
            world_models: BTreeMap::new(),
            batches: BTreeMap::new(),
            attempts: JoinSet::new(),
            last_failed: None,
        })
    }

    /// Looks at everything; starts learners again that have ended.
    pub(super) async fn observe(&mut self) -> Observed {
        let mut repetitions = Vec::new();
        for repetition in 0..self.experiment.spec.repetitions {
            let mut observed = RepetitionObserved::default();
            if let Some(learner) = self.learners.get_mut(&repetition) {
                let failure = learner.ensure().await.err();
                observed.address = learner.address().unwrap_or_default().to_owned();
                self.gatherer.set_learner(repetition, observed.address.clone());
                observed.learner =
                    Some(LearnerObserved { epochs: learner.epochs(), state: learner.state().await, failure });
            }
            if let Some(learner) = self.world_models.get_mut(&repetition) {
                let failure = learner.ensure().await.err();
                observed.world_model = Some(WorldModelObserved { state: learner.state().await, failure });
            }
            let batches = self.batches.values().filter(|batch| batch.agent.repetition == repetition);
            observed.batches = batches.map(Running::observed).collect();
            repetitions.push(observed);
        }
        let (experiment, policies) = (self.experiment.clone(), self.policies.clone());
        Observed { now: Timestamp::now(), experiment, repetitions, policies }
    }

    /// Brings the plan about: what is unwanted ends, what is wanted runs, learners are told, the status is kept.
    pub(super) async fn apply(&mut self, plan: &Plan) -> anyhow::Result<()> {
        for name in &plan.unwanted {
            self.end(*name).await;
        }
        for workload in &plan.wanted {
            match workload {
                Workload::PolicyLearner { config, .. } => self.want_learner(config).await?,
                Workload::WorldModelLearner { policy_learner, config } => {
                    self.want_world_model(config.repetition, policy_learner).await?;
                }
                Workload::Batch { trajectories, parallelism, agent } => {
                    self.want_batch(workload.name(), *trajectories, *parallelism, agent)?;
                }
            }
        }
        for Directive { repetition, order } in &plan.directives {
            if let Some(learner) = self.learners.get_mut(repetition)
                && let Err(error) = learner.order(order).await
            {
                tracing::warn!(repetition, error, "the learner did not take its order");
            }
        }
        self.fill()?;
        if let Some(policy) = &plan.policy {
            self.folder.save_policy(policy).context("can't write the run's tuning-policy.yaml")?;
        }
        self.keep_status(&plan.status)
    }

    fn keep_status(&mut self, status: &TuningExperimentStatus) -> anyhow::Result<()> {
        if self.experiment.status.as_ref() != Some(status) {
            self.folder.save_status(status).context("can't write the run's status.json")?;
            self.experiment.status = Some(status.clone());
        }
        Ok(())
    }

    async fn want_learner(&mut self, config: &wire::settings::LearnerConfig) -> anyhow::Result<()> {
        let known = self.learners.get(&config.repetition);
        if known.is_some_and(|learner| learner.epochs() == config.epochs) {
            return Ok(());
        }
        self.end(WorkloadName::PolicyLearner { repetition: config.repetition }).await;
        let storage = self.folder.learner(config.repetition);
        let (program, tls) = (self.programs.learner.clone(), self.folder.tls(Role::Learner));
        let learner = PolicyLearner::new(program, storage, tls, self.to_learners.clone(), config)?;
        self.learners.insert(config.repetition, learner);
        Ok(())
    }

    async fn want_world_model(&mut self, repetition: u32, policy_learner: &str) -> anyhow::Result<()> {
        let known = self.world_models.get(&repetition);
        // A policy learner that was replaced listens elsewhere.
        if known.is_some_and(|learner| learner.policy_learner() == policy_learner) {
            return Ok(());
        }
        self.end(WorkloadName::WorldModelLearner { repetition }).await;
        let storage = self.folder.learner(repetition);
        let (program, tls) = (self.programs.learner.clone(), self.folder.tls(Role::Learner));
        let learner = WorldModelLearner::new(program, &storage, tls, self.to_learners.clone(), policy_learner)?;
        self.world_models.insert(repetition, learner);
        Ok(())
    }

    fn want_batch(
        &mut self,
        name: WorkloadName,
        trajectories: u32,
        parallelism: u32,
        agent: &AgentConfig,
    ) -> anyhow::Result<()> {
        if let Some(batch) = self.batches.get_mut(&name) {
            batch.parallelism = parallelism;
            return Ok(());
        }
        let folder = self.folder.batch(&name.of(&agent.experiment));
        let ended = self.ended(agent);
        let books = Batch::open(&folder, trajectories, self.experiment.spec.trajectory.retries, &ended)
            .with_context(|| format!("can't write {}", folder.display()))?;
        let config = folder.join("agent.json");
        std::fs::write(&config, serde_json::to_vec_pretty(agent)?)?;
        let (stop, failure) = (watch::Sender::new(false), None);
        self.batches.insert(name, Running { books, agent: agent.clone(), config, parallelism, failure, stop });
        Ok(())
    }

    /// Indices that the learner has an outcome of already.
    fn ended(&self, agent: &AgentConfig) -> Vec<u32> {
        let state = self.learners.get(&agent.repetition).and_then(PolicyLearner::last_state);
        let gathering = state.and_then(|state| state.gathering.as_ref());
        gathering.filter(|epoch| epoch.epoch == agent.epoch).map(|epoch| epoch.ended.clone()).unwrap_or_default()
    }

    async fn end(&mut self, name: WorkloadName) {
        match name {
            WorkloadName::PolicyLearner { repetition } => {
                if let Some(mut learner) = self.learners.remove(&repetition) {
                    learner.stop().await;
                }
            }
            WorkloadName::WorldModelLearner { repetition } => {
                if let Some(mut learner) = self.world_models.remove(&repetition) {
                    learner.stop().await;
                }
            }
            WorkloadName::Batch { repetition, epoch } => {
                if let Some(batch) = self.batches.remove(&name) {
                    batch.stop.send_replace(true);
                }
                self.gatherer.retain(|key| (key.repetition, key.epoch) != (repetition, epoch));
            }
        }
    }

    /// Starts attempts wherever a batch has room.
    fn fill(&mut self) -> anyhow::Result<()> {
        for (name, batch) in &mut self.batches {
            while batch.books.running() < batch.parallelism {
                let Some((index, attempt, folder)) = batch.books.start()? else { break };
                let agent = &batch.agent;
                let (repetition, epoch) = (agent.repetition, agent.epoch);
                let stage = if agent.final_evaluation { Stage::Final } else { Stage::Learning { repetition, epoch } };
                let draw = agent.draws.draw(&agent.problem, stage, index);
                let attempt = Attempt {
                    key: TrajectoryKey { repetition, epoch, index, attempt },
                    folder,
                    agent: self.programs.agent.clone(),
                    config: batch.config.clone(),
                    tls: self.folder.tls(Role::Agent),
                    trainer: self.trainers[usize::from(agent.final_evaluation)][draw.task.unwrap_or(0)].clone(),
                    page: agent.page.is_some(),
                    deadline: Duration::from_secs(self.experiment.spec.trajectory.deadline_seconds.into()),
                    gatherer: Arc::clone(&self.gatherer),
                    stop: batch.stop.subscribe(),
                };
                let name = *name;
                self.attempts.spawn(async move { (name, index, attempt.run().await) });
            }
        }
        Ok(())
    }

    /// Waits until an attempt ends, and books it; gives why it failed, if it did. Pends while none runs.
    pub(super) async fn next_end(&mut self) -> io::Result<Option<String>> {
        let Some(ended) = self.attempts.join_next().await else { return std::future::pending().await };
        let (name, index, result) = ended.map_err(io::Error::other)?;
        let Some(batch) = self.batches.get_mut(&name) else { return Ok(None) };
        let folder = batch.books.end(index, &result)?;
        let Err(Failure::Failed(reason)) = result else { return Ok(None) };
        self.last_failed = Some(folder);
        let sentence = format!("{}, index {index}: {reason}", name.of(&batch.agent.experiment));
        batch.failure = Some(sentence.clone());
        Ok(Some(sentence))
    }

    /// Attempts that have not ended.
    pub(super) fn running(&self) -> usize {
        self.attempts.len()
    }

    /// What the world-model learner of a repetition is about, as it said last.
    pub(super) fn world_model_doing(&self, repetition: u32) -> Option<&str> {
        self.world_models.get(&repetition)?.last_state()?.doing.as_deref()
    }

    /// What each policy learner said last.
    pub(super) fn states(&self) -> impl Iterator<Item = (u32, &LearnerState)> {
        self.learners.iter().filter_map(|(repetition, learner)| Some((*repetition, learner.last_state()?)))
    }

    /// The experiment, with the status last kept.
    pub(super) fn experiment(&self) -> &TuningExperiment {
        &self.experiment
    }

    /// The last lines that a failed attempt left, to be shown below the reason of a failed run.
    pub(super) fn last_words(&self) -> String {
        self.last_failed.as_deref().map_or(String::new(), |folder| {
            let lines = last_lines(&folder.join("trainer.log"));
            if lines.is_empty() { String::new() } else { format!("\nits trainer said:\n{lines}") }
        })
    }

    /// Ends everything in order: trainings, then learners.
    pub(super) async fn stop(&mut self) {
        for batch in self.batches.values() {
            batch.stop.send_replace(true);
        }
        while self.attempts.join_next().await.is_some() {}
        for learner in self.world_models.values_mut() {
            learner.stop().await;
        }
        for learner in self.learners.values_mut() {
            learner.stop().await;
        }
    }
}

impl Running {
    fn observed(&self) -> BatchObserved {
        BatchObserved {
            epoch: self.agent.epoch,
            final_evaluation: self.agent.final_evaluation,
            parallelism: self.parallelism,
            waits_in: None,
            running: self.books.running(),
            ended: self.books.ended().collect(),
            failed: self.books.failed().collect(),
            failure: self.failure.clone(),
        }
    }
}

/// How the trainer of each task is started.
fn trainers(experiment: &TuningExperiment, is_final: bool) -> anyhow::Result<Vec<TrainerCommand>> {
    let spec = &experiment.spec;
    let tasks = meaning::tasks(spec, is_final);
    let folder = spec.trajectory.template.trainer().rest.get("workingDir");
    let folder = folder.and_then(|value| value.as_str()).map(PathBuf::from);
    let one = |task| {
        let launch = meaning::launch(spec, task);
        TrainerCommand::new(&launch.command, launch.env, folder.clone())
            .map_err(|sentence| crate::failure::BadInput(sentence).into())
    };
    if tasks.is_empty() { Ok(vec![one(None)?]) } else { tasks.iter().map(|task| one(Some(task))).collect() }
}

/// The last lines of a log, indented.
pub(super) fn last_lines(path: &std::path::Path) -> String {
    let text = std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].iter().map(|line| format!("  {line}\n")).collect()
}
