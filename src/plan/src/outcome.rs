//! The decision as a value: it can be printed, compared and tested; carrying it out leaves nothing to choose.

use std::time::Duration;

use api::{TuningExperimentStatus, TuningPolicy, Violation, meaning};
use wire::agent::{AgentConfig, Mode};
use wire::learner::EpochOrder;
use wire::settings::LearnerConfig;

use crate::repetition::{BatchWish, Wish};
use crate::share::{even, share};
use crate::{Observed, Reason, Valid, publication, status};

/// How soon to look again while something goes on that nobody tells of.
const SOON: Duration = Duration::from_secs(2);

/// Seconds that the first decision of a trajectory may wait for a policy.
const POLICY_WAIT_SECONDS: f64 = 60.0;

/// What should be, and why. To be carried out in the order of its fields, the status last and events after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Name of the experiment, from which all other names are made.
    pub experiment: String,
    /// What should not exist, of what was observed.
    pub unwanted: Vec<WorkloadName>,
    /// What should exist, learners first. What exists already with the same content is left alone; a learner whose
    /// `epochs` differ is started anew, a batch only changes its parallelism.
    pub wanted: Vec<Workload>,
    /// What learners should be told.
    pub directives: Vec<Directive>,
    /// What others are to find of it.
    pub policy: Option<Box<TuningPolicy>>,
    /// The status that should be written, if it differs from the one observed.
    pub status: TuningExperimentStatus,
    /// What people should be told once the status is written.
    pub events: Vec<Event>,
    /// Why it acts or waits.
    pub report: Report,
    /// When to look again even if nothing happens; none where only a change of the experiment can matter.
    pub requeue: Option<Duration>,
}

/// Why a plan acts or waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The experiment: that of the repetition that is furthest behind of those that go on, else how it ended.
    pub overall: Reason,
    /// What is wrong, whether or not other repetitions go on.
    pub trouble: Option<Reason>,
    /// Each repetition.
    pub repetitions: Vec<Reason>,
}

/// Something that should exist.
#[derive(Clone, Debug, PartialEq)]
pub enum Workload {
    /// The policy learner of one repetition.
    PolicyLearner {
        /// Where agents are told to reach it.
        address: String,
        /// What it is started with.
        config: Box<LearnerConfig>,
    },
    /// The world-model learner of one repetition, while there is something to learn from.
    WorldModelLearner {
        /// Where it reaches the policy learner.
        policy_learner: String,
        /// What it is started with: the same as the policy learner.
        config: Box<LearnerConfig>,
    },
    /// Trajectories of one repetition and epoch.
    Batch {
        /// How many; their indices start at 0.
        trajectories: u32,
        /// How many may run at once.
        parallelism: u32,
        /// What all their agents are started with; says which repetition and epoch.
        agent: Box<AgentConfig>,
    },
}

/// What names a workload within its experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadName {
    /// A policy learner.
    PolicyLearner {
        /// Its repetition.
        repetition: u32,
    },
    /// A world-model learner.
    WorldModelLearner {
        /// Its repetition.
        repetition: u32,
    },
    /// A batch.
    Batch {
        /// Its repetition.
        repetition: u32,
        /// Its epoch.
        epoch: u32,
    },
}

/// What a learner should be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Repetition that the learner serves.
    pub repetition: u32,
    /// What is being gathered, and which indices are lost.
    pub order: EpochOrder,
}

/// What people should be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whether something is wrong.
    pub warning: bool,
    /// In one word.
    pub reason: &'static str,
    /// In a sentence.
    pub message: String,
}

impl WorkloadName {
    /// The name in full, the same whenever it is made: `NAME-r0-learner`, `NAME-r0-world-model`,
    /// `NAME-r0-e1`.
    pub fn of(self, experiment: &str) -> String {
        match self {
            Self::PolicyLearner { repetition } => format!("{experiment}-r{repetition}-learner"),
            Self::WorldModelLearner { repetition } => format!("{experiment}-r{repetition}-world-model"),
            Self::Batch { repetition, epoch } => format!("{experiment}-r{repetition}-e{epoch}"),
        }
    }
}

impl Workload {
    /// What it is named by.
    pub fn name(&self) -> WorkloadName {
        match self {
            Self::PolicyLearner { config, .. } => WorkloadName::PolicyLearner { repetition: config.repetition },
            Self::WorldModelLearner { config, .. } => WorkloadName::WorldModelLearner { repetition: config.repetition },
            Self::Batch { agent, .. } => WorkloadName::Batch { repetition: agent.repetition, epoch: agent.epoch },
        }
    }
}

/// Decides. The same observation always gives the same plan.
pub fn plan(valid: &Valid<'_>) -> Plan {
    let mut wishes: Vec<Wish> = (0..valid.spec.repetitions).map(|repetition| Wish::of(valid, repetition)).collect();
    let slots = slots(valid, &wishes);
    for (wish, slots) in wishes.iter_mut().zip(&slots) {
        // A slot that is about to come free from its own last epoch is no news.
        let idle = wish.leaving(valid).running == 0
            && wish.batch.is_some_and(|batch| batch.claim.running == 0 && batch.claim.remaining > 0);
        if idle && *slots == 0 && matches!(wish.reason, Reason::Gathering { .. } | Reason::Evaluating { .. }) {
            wish.reason = Reason::WaitingForSlots;
        }
    }
    let learners = wishes.iter().filter(|wish| wish.learner).flat_map(|wish| learners(valid, wish));
    let batches = wishes.iter().zip(slots).filter_map(|(wish, slots)| Some(batch(valid, wish, wish.batch?, slots)));
    let wanted: Vec<Workload> = learners.chain(batches).collect();
    let directive = |wish: &Wish| Some(Directive { repetition: wish.repetition, order: wish.order.clone()? });
    let report = status::report(valid, &wishes);
    let status = status::status(valid, &wishes, &report);
    let waits = wishes.iter().any(|wish| wish.learner || matches!(wish.reason, Reason::WaitingForPolicy(_)));
    Plan {
        experiment: valid.name.to_owned(),
        unwanted: unwanted(&wishes, &wanted),
        directives: wishes.iter().filter_map(directive).collect(),
        events: status::events(valid, &status, &report),
        requeue: waits.then_some(SOON),
        policy: publication::policy(valid, &status).map(Box::new),
        wanted,
        status,
        report,
    }
}

/// What to do about an experiment that is not sound: say so, and touch nothing.
pub fn refuse(observed: &Observed, violations: &[Violation]) -> Plan {
    let sentences: Vec<String> = violations.iter().map(ToString::to_string).collect();
    let overall = Reason::InvalidSpec(sentences.join("; "));
    let (status, events) = status::refused(observed, &overall);
    Plan {
        experiment: observed.experiment.metadata.name.clone().unwrap_or_default(),
        unwanted: Vec::new(),
        wanted: Vec::new(),
        directives: Vec::new(),
        policy: None,
        status,
        events,
        report: Report { trouble: Some(overall.clone()), overall, repetitions: Vec::new() },
        requeue: None,
    }
}

/// Slots for the batch of each repetition; 0 where it has none.
fn slots(valid: &Valid<'_>, wishes: &[Wish]) -> Vec<u32> {
    let total = if valid.spec.suspend { 0 } else { valid.spec.parallelism };
    // A batch that a queue has admitted keeps its width, so it has its whole share from the beginning; quota does the rest.
    if valid.is_queued() && total >= valid.spec.repetitions {
        let even = even(total, valid.spec.repetitions);
        return wishes
            .iter()
            .zip(even)
            .map(|(wish, slots)| wish.batch.map_or(0, |batch| batch.claim.remaining.min(slots)))
            .collect();
    }
    let own = wishes.iter().filter_map(|wish| wish.batch.map(|batch| batch.claim));
    let claims: Vec<_> = own.chain(wishes.iter().map(|wish| wish.leaving(valid))).collect();
    let mut shares = share(total, &claims).into_iter();
    wishes.iter().map(|wish| wish.batch.and_then(|_| shares.next()).unwrap_or(0)).collect()
}

/// The policy learner, and the world-model learner beside it, if it needs one.
fn learners(valid: &Valid<'_>, wish: &Wish) -> Vec<Workload> {
    let config = Box::new(LearnerConfig {
        experiment: valid.name.to_owned(),
        uid: valid.uid.to_owned(),
        problem: valid.problem.clone(),
        repetition: wish.repetition,
        seed: valid.spec.seed,
        epochs: wish.epochs,
        algorithm: valid.algorithm.clone(),
        publish: publication::artifact(&valid.observed.experiment, wish.repetition),
    });
    let address = wish.observed.address.clone();
    let mut learners = vec![Workload::PolicyLearner { address: address.clone(), config: config.clone() }];
    // It is the one that dials: until the policy learner listens somewhere there is nothing for it to do.
    if wish.wants_world_model(valid) && !address.is_empty() {
        learners.push(Workload::WorldModelLearner { policy_learner: address, config });
    }
    learners
}

fn batch(valid: &Valid<'_>, wish: &Wish, batch: BatchWish, parallelism: u32) -> Workload {
    let final_evaluation = batch.epoch > wish.epochs;
    let agent = AgentConfig {
        experiment: valid.name.to_owned(),
        uid: valid.uid.to_owned(),
        problem: valid.problem.clone(),
        draws: meaning::draws(valid.spec, final_evaluation),
        repetition: wish.repetition,
        epoch: batch.epoch,
        final_evaluation,
        mode: if final_evaluation { meaning::mode(valid.spec) } else { Mode::Sampled },
        policy_updates: meaning::policy_updates(valid.spec),
        learner: wish.observed.address.clone(),
        policy_wait_seconds: POLICY_WAIT_SECONDS,
        page: meaning::trainer_page(valid.spec),
    };
    Workload::Batch { trajectories: batch.trajectories, parallelism, agent: Box::new(agent) }
}

/// What exists and is not wanted.
fn unwanted(wishes: &[Wish], wanted: &[Workload]) -> Vec<WorkloadName> {
    let existing = wishes.iter().flat_map(|wish| {
        let repetition = wish.repetition;
        let learner = wish.observed.learner.iter().map(move |_| WorkloadName::PolicyLearner { repetition });
        let world_model = wish.observed.world_model.iter().map(move |_| WorkloadName::WorldModelLearner { repetition });
        let batch = move |epoch| WorkloadName::Batch { repetition, epoch };
        learner.chain(world_model).chain(wish.observed.batches.iter().map(move |observed| batch(observed.epoch)))
    });
    let mut unwanted: Vec<_> = existing.filter(|name| wanted.iter().all(|workload| workload.name() != *name)).collect();
    unwanted.sort_unstable();
    unwanted.dedup();
    unwanted
}
