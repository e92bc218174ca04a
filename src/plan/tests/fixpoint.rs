//! Whatever is seen late or not at all, and wherever carrying out a plan stops: every epoch is gathered exactly once,
//! slots are never passed, nothing goes backwards, and at rest nothing is done.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use api::{Phase, Timestamp, TuningExperiment};
use plan::{
    BatchObserved, LearnerObserved, Observed, Plan, RepetitionObserved, Workload, WorkloadName, WorldModelObserved,
    plan, validate,
};
use proptest::prelude::*;
use wire::learner::{EpochOrder, EpochState, EpochSummary, LearnerState};

const EXPERIMENT: &str = "
apiVersion: trainpilot.dev/v1alpha1
kind: TuningExperiment
metadata: {name: small, uid: u-1}
spec:
  repetitions: REPETITIONS
  parallelism: 3
  objective: {metric: accuracy}
  metrics: [{name: accuracy, range: [0, 1]}]
  hyperparameters: [{name: learning_rate, initial: 0.01, min: 1e-5, max: 1}]
  trajectory:
    envSteps: 10
    template: {spec: {containers: [{name: trainer, command: [train]}]}}
  algorithm: {ALGORITHM}
  budget: {BUDGET}
  finalEvaluation: {trajectories: 3}
";

/// What every attempt at an index may come to.
const RETRIES: u32 = 1;

/// A learner's disk: survives everything.
#[derive(Clone, Default)]
struct Store {
    /// Size and finality of each epoch that is over.
    over: Vec<(u32, bool)>,
    /// Epoch, size, and outcomes so far: whether each is lost.
    gathering: Option<(u32, u32, BTreeMap<u32, bool>)>,
}

#[derive(Clone)]
struct Learner {
    epochs: u32,
    answers: bool,
}

#[derive(Clone, Default)]
struct Batch {
    trajectories: u32,
    final_evaluation: bool,
    parallelism: u32,
    /// Attempts so far of the indices that run.
    running: BTreeMap<u32, u32>,
    attempts: BTreeMap<u32, u32>,
    ended: Vec<u32>,
    failed: Vec<u32>,
}

#[derive(Clone, Default)]
struct Repetition {
    store: Store,
    learner: Option<Learner>,
    world_model: bool,
    batches: BTreeMap<u32, Batch>,
    /// Attempts that outlive their batch for a while.
    leaving: usize,
}

/// Everything there is.
struct World {
    experiment: TuningExperiment,
    repetitions: Vec<Repetition>,
    /// Whether nothing is learned without a world-model learner.
    needs_world_model: bool,
    /// How often each batch was created.
    created: BTreeMap<WorkloadName, u32>,
    seconds: i64,
}

impl World {
    fn new(repetitions: u32, algorithm: &str, budget: &str) -> Self {
        let yaml = EXPERIMENT.replace("REPETITIONS", &repetitions.to_string());
        let yaml = yaml.replace("ALGORITHM", algorithm).replace("BUDGET", budget);
        Self {
            experiment: api::validate(&yaml).unwrap(),
            repetitions: vec![Repetition::default(); repetitions as usize],
            needs_world_model: algorithm.starts_with("simple"),
            created: BTreeMap::new(),
            seconds: 0,
        }
    }

    /// What is seen: own writes always, learners only if they answer, progress of batches perhaps not.
    fn observe(&self, progress_is_seen: bool) -> Observed {
        let batch = |(epoch, batch): (&u32, &Batch)| BatchObserved {
            epoch: *epoch,
            final_evaluation: batch.final_evaluation,
            parallelism: batch.parallelism,
            waits_in: None,
            running: if progress_is_seen { batch.running.len() as u32 } else { 0 },
            ended: if progress_is_seen { batch.ended.clone() } else { Vec::new() },
            failed: if progress_is_seen { batch.failed.clone() } else { Vec::new() },
            failure: None,
        };
        let repetition = |(number, repetition): (usize, &Repetition)| RepetitionObserved {
            address: format!("learner-{number}:7000"),
            learner: repetition.learner.as_ref().map(|learner| LearnerObserved {
                epochs: learner.epochs,
                state: learner.answers.then(|| state(number as u32, &repetition.store)),
                failure: None,
            }),
            world_model: repetition.world_model.then(WorldModelObserved::default),
            batches: repetition.batches.iter().map(batch).collect(),
            leaving: repetition.leaving as u32,
            waits_for: None,
        };
        Observed {
            now: Timestamp::from_second(self.seconds).unwrap(),
            experiment: self.experiment.clone(),
            repetitions: self.repetitions.iter().enumerate().map(repetition).collect(),
            policies: BTreeMap::new(),
        }
    }

    /// Carries out a plan, and stops after `writes` changes.
    fn apply(&mut self, plan: &Plan, mut writes: usize) {
        let mut may_write = || {
            let may = writes > 0;
            writes = writes.saturating_sub(1);
            may
        };
        for name in &plan.unwanted {
            if !may_write() {
                return;
            }
            match *name {
                WorkloadName::PolicyLearner { repetition } => self.repetitions[repetition as usize].learner = None,
                WorkloadName::WorldModelLearner { repetition } => {
                    self.repetitions[repetition as usize].world_model = false;
                }
                WorkloadName::Batch { repetition, epoch } => {
                    let repetition = &mut self.repetitions[repetition as usize];
                    let batch = repetition.batches.remove(&epoch).unwrap_or_default();
                    repetition.leaving += batch.running.len();
                }
            }
        }
        for workload in &plan.wanted {
            if self.differs(workload) {
                if !may_write() {
                    return;
                }
                self.put(workload);
            }
        }
        for directive in &plan.directives {
            if !may_write() {
                return;
            }
            let repetition = &mut self.repetitions[directive.repetition as usize];
            if repetition.learner.as_ref().is_some_and(|learner| learner.answers) {
                repetition.store.take(&directive.order);
            }
        }
        if may_write() {
            self.experiment.status = Some(plan.status.clone());
        }
    }

    fn differs(&self, workload: &Workload) -> bool {
        match workload {
            Workload::PolicyLearner { config, .. } => {
                let learner = &self.repetitions[config.repetition as usize].learner;
                learner.as_ref().is_none_or(|learner| learner.epochs != config.epochs)
            }
            Workload::WorldModelLearner { config, .. } => !self.repetitions[config.repetition as usize].world_model,
            Workload::Batch { trajectories, parallelism, agent } => {
                let existing = self.repetitions[agent.repetition as usize].batches.get(&agent.epoch);
                if let Some(existing) = existing {
                    assert_eq!(
                        (existing.trajectories, existing.final_evaluation),
                        (*trajectories, agent.final_evaluation)
                    );
                }
                existing.is_none_or(|batch| batch.parallelism != *parallelism)
            }
        }
    }

    fn put(&mut self, workload: &Workload) {
        match workload {
            Workload::PolicyLearner { config, .. } => {
                let learner = Learner { epochs: config.epochs, answers: false };
                self.repetitions[config.repetition as usize].learner = Some(learner);
            }
            Workload::WorldModelLearner { config, .. } => {
                self.repetitions[config.repetition as usize].world_model = true;
            }
            Workload::Batch { trajectories, parallelism, agent } => {
                let batches = &mut self.repetitions[agent.repetition as usize].batches;
                if !batches.contains_key(&agent.epoch) {
                    *self.created.entry(workload.name()).or_default() += 1;
                }
                let batch = batches.entry(agent.epoch).or_default();
                batch.trajectories = *trajectories;
                batch.final_evaluation = agent.final_evaluation;
                batch.parallelism = *parallelism;
                while batch.running.len() > *parallelism as usize {
                    batch.running.pop_last();
                }
            }
        }
    }

    /// Lets the world go on by itself; `luck` decides what happens.
    fn live(&mut self, luck: u64) {
        self.seconds += 1;
        for (number, repetition) in self.repetitions.iter_mut().enumerate() {
            let luck = luck.rotate_right(number as u32 * 7);
            repetition.leaving -= usize::from(luck & 16 != 0 && repetition.leaving > 0);
            if let Some(learner) = &mut repetition.learner {
                learner.answers = luck & 7 != 0;
                if learner.answers && luck & 8 != 0 {
                    let trained = repetition.world_model || !self.needs_world_model;
                    repetition.store.learn(learner.epochs, trained);
                }
            }
            let answers = repetition.learner.as_ref().is_some_and(|learner| learner.answers);
            for (epoch, batch) in &mut repetition.batches {
                batch.start();
                if luck & 16 != 0 {
                    batch.finish(*epoch, luck >> 5, answers, &mut repetition.store);
                }
            }
        }
    }

    /// Attempts that may run by themselves, with those that are on their way out.
    fn granted(&self) -> usize {
        let batches = self.repetitions.iter().flat_map(|repetition| repetition.batches.values());
        let remaining = |batch: &Batch| batch.trajectories as usize - batch.ended.len() - batch.failed.len();
        self.leaving() + batches.map(|batch| remaining(batch).min(batch.parallelism as usize)).sum::<usize>()
    }

    fn running(&self) -> usize {
        let batches = self.repetitions.iter().flat_map(|repetition| repetition.batches.values());
        self.leaving() + batches.map(|batch| batch.running.len()).sum::<usize>()
    }

    fn leaving(&self) -> usize {
        self.repetitions.iter().map(|repetition| repetition.leaving).sum()
    }
}

impl Store {
    fn take(&mut self, order: &EpochOrder) {
        let next = self.over.len() as u32 + 1;
        assert!(order.epoch <= next, "epoch {} was ordered before epoch {next}", order.epoch);
        if order.epoch == next {
            let (epoch, size, outcomes) =
                self.gathering.get_or_insert_with(|| (order.epoch, order.trajectories, BTreeMap::new()));
            assert_eq!((*epoch, *size), (order.epoch, order.trajectories));
            for index in &order.lost {
                outcomes.entry(*index).or_insert(true);
            }
        }
    }

    /// Ends an epoch that is complete; one to learn from, once the world model is `trained` on it.
    fn learn(&mut self, epochs: u32, trained: bool) {
        if self.gathering.as_ref().is_some_and(|(epoch, ..)| *epoch <= epochs && !trained) {
            return;
        }
        if let Some((epoch, size, _)) = self.gathering.take_if(|(_, size, outcomes)| outcomes.len() == *size as usize) {
            self.over.push((size, epoch > epochs));
        }
    }
}

impl Batch {
    fn start(&mut self) {
        let idle = |index: &u32| {
            !self.running.contains_key(index) && !self.ended.contains(index) && !self.failed.contains(index)
        };
        let free = (self.parallelism as usize).saturating_sub(self.running.len());
        let starting: Vec<u32> = (0..self.trajectories).filter(idle).take(free).collect();
        self.running.extend(starting.into_iter().map(|index| (index, 0)));
    }

    /// The first attempt that runs comes to an end: well, if the learner takes it; or it fails, but never at index 0.
    fn finish(&mut self, epoch: u32, luck: u64, answers: bool, store: &mut Store) {
        let Some(index) = self.running.keys().next().copied() else { return };
        if luck & 1 == 0 && index > 0 {
            self.running.remove(&index);
            let attempts = self.attempts.entry(index).or_default();
            *attempts += 1;
            if *attempts > RETRIES {
                self.failed.push(index);
            }
        } else if let Some((gathering, _, outcomes)) = store.gathering.as_mut().filter(|_| answers)
            && *gathering == epoch
        {
            // What it delivered is known before it is gone; the epoch may be over by then, and its batch removed.
            let delivered = outcomes.contains_key(&index);
            outcomes.entry(index).or_insert(false);
            if delivered {
                self.running.remove(&index);
                self.ended.push(index);
            }
        }
    }
}

fn state(repetition: u32, store: &Store) -> LearnerState {
    let gathering = store.gathering.as_ref().map(|(epoch, trajectories, outcomes)| {
        let lost = outcomes.values().filter(|lost| **lost).count() as u32;
        let completed = outcomes.len() as u32 - lost;
        let ended = outcomes.keys().copied().collect();
        EpochState { epoch: *epoch, trajectories: *trajectories, completed, diverged: 0, lost, ended }
    });
    let summary = |(place, (size, _)): (usize, &(u32, bool))| EpochSummary {
        epoch: place as u32 + 1,
        completed: *size,
        diverged: 0,
        lost: 0,
        mean: Some(0.5),
        best: Some(0.75),
        policy_version: place as u64 + 1,
    };
    LearnerState {
        repetition,
        epochs_learned: store.over.len() as u32,
        policy_version: store.over.len() as u64 + 1,
        gathering,
        epochs: store.over.iter().enumerate().map(summary).collect(),
        ..LearnerState::default()
    }
}

/// What must hold of every plan.
fn lint(plan: &Plan, observed: &Observed) {
    let names: Vec<WorkloadName> = plan.wanted.iter().map(Workload::name).collect();
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len(), "a name is wanted twice:\n{plan}");
    assert!(plan.unwanted.iter().all(|name| !names.contains(name)), "wanted and unwanted:\n{plan}");
    for directive in &plan.directives {
        let learner = WorkloadName::PolicyLearner { repetition: directive.repetition };
        assert!(names.contains(&learner), "an order for a learner that is not wanted:\n{plan}");
    }
    assert!(!observed.experiment.spec.suspend || plan.directives.is_empty(), "an order while suspended:\n{plan}");
}

/// What can be told from a status that must never go backwards.
fn progress(experiment: &TuningExperiment) -> Vec<(u32, u64)> {
    let status = experiment.status.clone().unwrap_or_default();
    status.repetitions.iter().map(|repetition| (repetition.epochs_over, repetition.policy_version)).collect()
}

/// What happens in one moment of a troubled life.
#[derive(Clone, Debug)]
struct Moment {
    luck: u64,
    progress_is_seen: bool,
    writes: usize,
    parallelism: u32,
    suspend: bool,
}

fn moment() -> impl Strategy<Value = Moment> {
    let writes = prop_oneof![Just(usize::MAX), 0_usize..6];
    let suspend = prop::bool::weighted(0.1);
    (any::<u64>(), any::<bool>(), writes, 0_u32..5, suspend).prop_map(
        |(luck, progress_is_seen, writes, parallelism, suspend)| Moment {
            luck,
            progress_is_seen,
            writes,
            parallelism,
            suspend,
        },
    )
}

fn step(world: &mut World, moment: &Moment) {
    world.live(moment.luck);
    world.experiment.spec.parallelism = moment.parallelism;
    world.experiment.spec.suspend = moment.suspend;
    // What was granted stays so until a plan that takes it back is carried out.
    let most = world.granted().max(world.running()).max(moment.parallelism as usize);
    let observed = world.observe(moment.progress_is_seen);
    let plan = plan(&validate(&observed).unwrap());
    lint(&plan, &observed);
    let before = progress(&world.experiment);
    world.apply(&plan, moment.writes);
    let after = progress(&world.experiment);
    assert!(before.iter().zip(&after).all(|(before, after)| before <= after), "{before:?} became {after:?}");
    world.repetitions.iter_mut().flat_map(|repetition| repetition.batches.values_mut()).for_each(Batch::start);
    assert!(world.running() <= most, "{} run, {most} may:\n{plan}", world.running());
}

fn settle(world: &mut World) {
    let calm = Moment { luck: 0, progress_is_seen: true, writes: usize::MAX, parallelism: 3, suspend: false };
    for round in 0..2000_u64 {
        // Everything happens sooner or later: a learner answers, learns, trainings end.
        let luck = 0x0123_4567_89ab_cdef_u64.wrapping_mul(round + 1) | 0x21 | 24;
        step(world, &Moment { luck, ..calm.clone() });
        if world.experiment.status.as_ref().is_some_and(|status| status.phase == Phase::Complete) {
            return;
        }
    }
    panic!("no end in sight:\n{}", plan(&validate(&world.observe(true)).unwrap()));
}

fn assert_at_rest(world: &mut World) {
    // Removing what is left over may take one more round.
    let observed = world.observe(true);
    world.apply(&plan(&validate(&observed).unwrap()), usize::MAX);
    world.seconds += 1000;
    let observed = world.observe(true);
    let plan = plan(&validate(&observed).unwrap());
    assert!(plan.unwanted.is_empty() && plan.directives.is_empty() && plan.events.is_empty(), "{plan}");
    assert!(plan.wanted.is_empty() && plan.requeue.is_none(), "{plan}");
    assert_eq!(Some(&plan.status), observed.experiment.status.as_ref());
}

fn assert_gathered_once(world: &World, sizes: &[u32]) {
    let mut expected: Vec<(u32, bool)> = sizes.iter().map(|size| (*size, false)).collect();
    expected.push((3, true));
    for (number, repetition) in world.repetitions.iter().enumerate() {
        assert_eq!(repetition.store.over, expected, "repetition {number}");
        for epoch in 1..=expected.len() as u32 {
            let name = WorkloadName::Batch { repetition: number as u32, epoch };
            assert_eq!(world.created.get(&name), Some(&1), "{name:?}");
        }
    }
}

/// Algorithm, budget, and the epochs that follow.
fn life() -> impl Strategy<Value = (&'static str, &'static str, &'static [u32])> {
    const LIVES: [(&str, &str, &[u32]); 7] = [
        ("ppo: {epochs: 3, trajectoriesPerEpoch: 4}", "", &[4, 4, 4]),
        ("search: {candidates: 5, finalists: 2, trials: 2}", "", &[5, 4]),
        ("fixed: {}", "", &[]),
        ("ppo: {epochs: 3, trajectoriesPerEpoch: 4}", "trajectories: 8", &[4, 4]),
        ("random: {}", "hours: 1", &[]),
        ("simple: {epochs: 2, trajectoriesPerEpoch: 4}", "", &[4, 4]),
        ("simple: {epochs: 3, trajectoriesPerEpoch: 4}", "trajectories: 8", &[4, 4]),
    ];
    prop::sample::select(LIVES.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_life_ends_complete_and_at_rest(
        (algorithm, budget, sizes) in life(), repetitions in 1_u32..4, moments in prop::collection::vec(moment(), 0..40),
    ) {
        // The budget is shared by the repetitions, so that it means the same epochs for any number of them.
        let budget = match budget {
            "trajectories: 8" => format!("trajectories: {}", 8 * repetitions + 3),
            other => other.to_owned(),
        };
        let mut world = World::new(repetitions, algorithm, &budget);
        for moment in &moments {
            step(&mut world, moment);
        }
        settle(&mut world);
        assert_at_rest(&mut world);
        assert_gathered_once(&world, sizes);
        prop_assert!(world.repetitions.iter().all(|repetition| !repetition.world_model));
        let word = world.experiment.status.as_ref().unwrap().repetitions[0].reason.clone();
        prop_assert_eq!(word, if budget.starts_with("trajectories") { "BudgetExhausted" } else { "Complete" });
    }

    #[test]
    fn the_same_observation_gives_the_same_plan(moments in prop::collection::vec(moment(), 1..20)) {
        let mut world = World::new(2, "ppo: {epochs: 3, trajectoriesPerEpoch: 4}", "");
        for moment in &moments {
            step(&mut world, moment);
        }
        let observed = world.observe(true);
        prop_assert_eq!(plan(&validate(&observed).unwrap()), plan(&validate(&observed).unwrap()));
    }
}
