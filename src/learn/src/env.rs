//! Trainings that run in this process: what tests and simulations learn from.

use tch::{Tensor, no_grad};
use tuning::{
    Decision, Draw, Outcome, Problem, Random, Reader, Reading, Steering, Step, Trajectory, TrajectoryKey, sample,
};

use crate::nets::{Outputs, Past, PolicyNetwork, to_vec};

/// Many trainings side by side, for one problem.
pub trait Env {
    /// Begins one training for each draw. Metrics of each before any training, raw, in the problem's order.
    fn reset(&mut self, draws: &[Draw]) -> Vec<Vec<f64>>;

    /// Trains one env step of those trainings whose place in the draws is in `running`, under these orders (in the same
    /// order). Metrics of each afterwards; none where a training diverged, which is not asked again.
    fn step(&mut self, running: &[usize], orders: &[Order]) -> Vec<Option<Vec<f64>>>;
}

/// What a training is told to do next.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Index into the multipliers for each hyperparameter.
    pub actions: Vec<usize>,
    /// The values that follow.
    pub hyperparameters: Vec<f64>,
}

/// Keeps draws of actions apart from whatever else the seed of a training is used for.
const ACTIONS: u64 = 0x0ac7;

/// A part of trainings that were recorded up to its beginning: branches (Janner et al. 2019, MBPO).
#[derive(Clone, Debug)]
pub struct Branch<'a> {
    /// What was recorded, for each draw: more than `from` observations.
    pub prefixes: Vec<&'a Trajectory>,
    /// Observation at which the policy takes over; the environment begins there.
    pub from: u32,
    /// The last observation.
    pub until: u32,
}

/// Gathers one trajectory for each draw, all of them steered by `policy`, whose actions are sampled.
///
/// Actions depend on the draw's seed and the observations, not on what else is in the batch. Keys are those of the first
/// repetition, in `epoch`, by place. The policy reads each observation once and remembers it, so recorded log-probabilities
/// are those that learning starts from but for rounding.
pub fn rollout(
    policy: &PolicyNetwork,
    problem: &Problem,
    env: &mut impl Env,
    draws: &[Draw],
    epoch: u32,
) -> Vec<Trajectory> {
    rollout_branch(policy, problem, env, draws, epoch, None)
}

/// The same for a branch: what was recorded stands at the beginning of each trajectory, with decisions that no policy had a
/// say in, and it ends at the branch's last observation.
pub fn rollout_branch(
    policy: &PolicyNetwork,
    problem: &Problem,
    env: &mut impl Env,
    draws: &[Draw],
    epoch: u32,
    branch: Option<&Branch<'_>>,
) -> Vec<Trajectory> {
    let mut runs: Vec<Run> = draws.iter().map(|draw| Run::new(problem, policy.reading(), draw)).collect();
    let all: Vec<usize> = (0..runs.len()).collect();
    let mut past = policy.past();
    let [from, until] = branch.map_or([0, problem.env_steps], |branch| [branch.from, branch.until]);
    for step in 0..from {
        for (run, prefix) in runs.iter_mut().zip(branch.into_iter().flat_map(|branch| &branch.prefixes)) {
            run.replay(problem, &prefix.steps[step as usize]);
        }
        let _ = ask(policy, &runs, &mut past);
    }
    let first = env.reset(draws).into_iter().map(Some).collect();
    observe(&mut runs, &all, first, from);
    for step in from..until {
        let running: Vec<usize> = all.iter().copied().filter(|place| !runs[*place].diverged).collect();
        let orders = decide(policy, problem, &mut runs, &running, step, &mut past);
        observe(&mut runs, &running, env.step(&running, &orders), step + 1);
    }
    let numbered = (0..).zip(runs).zip(draws);
    numbered.map(|((index, run), draw)| run.into_trajectory(draw, epoch, index)).collect()
}

/// One trajectory while it runs.
struct Run<'a> {
    steering: Steering<'a>,
    reader: Reader<'a>,
    /// What the policy reads at the last observation.
    read: Vec<f32>,
    steps: Vec<Step>,
    actions: Random,
    diverged: bool,
}

impl<'a> Run<'a> {
    fn new(problem: &'a Problem, reading: Reading, draw: &Draw) -> Self {
        Self {
            steering: Steering::start(problem, &draw.initial),
            reader: reading.start(problem),
            read: vec![0.0; reading.width(problem)],
            steps: Vec::new(),
            actions: Random::stream(draw.seed.into(), &[ACTIONS]),
            diverged: false,
        }
    }

    /// Goes through a recorded step.
    fn replay(&mut self, problem: &Problem, step: &Step) {
        self.read(&step.metrics, &step.hyperparameters);
        let actions = step.decision.as_ref().map_or_else(|| problem.keep_all(), |decision| decision.actions.clone());
        self.steering.act(step.step, &actions);
        let (log_probabilities, value, keep) = (Vec::new(), None, None);
        let decision = Decision { actions, log_probabilities, value, policy_version: 0, keep };
        self.steps.push(Step { decision: Some(decision), ..step.clone() });
    }

    /// What the policy reads of the next observation.
    fn read(&mut self, metrics: &[f64], hyperparameters: &[f64]) {
        let before = self.steps.last().and_then(|step| step.decision.as_ref()).map(|decision| &decision.actions[..]);
        self.read = self.reader.read(before.unwrap_or_default(), metrics, hyperparameters);
    }

    fn into_trajectory(self, draw: &Draw, epoch: u32, index: u32) -> Trajectory {
        Trajectory {
            key: TrajectoryKey { repetition: 0, epoch, index, attempt: 0 },
            seed: draw.seed,
            task: String::new(),
            outcome: Some(if self.diverged { Outcome::Diverged } else { Outcome::Completed }),
            steps: self.steps,
        }
    }
}

/// Records the metrics of observation `step`, and what a policy reads of them.
fn observe(runs: &mut [Run], running: &[usize], metrics: Vec<Option<Vec<f64>>>, step: u32) {
    assert_eq!(metrics.len(), running.len(), "an environment answers for each running training");
    for (place, metrics) in running.iter().zip(metrics) {
        let run = &mut runs[*place];
        let Some(metrics) = metrics.filter(|metrics| metrics.iter().all(|x| x.is_finite())) else {
            run.diverged = true;
            continue;
        };
        let values = run.steering.values();
        run.read(&metrics, &values);
        run.steps.push(Step {
            step,
            metrics,
            hyperparameters: values.clone(),
            applied: values,
            decision: None,
            elapsed_seconds: 0.0,
        });
    }
}

/// What the policy says at the last observation of all trainings, which it adds to its past.
fn ask(policy: &PolicyNetwork, runs: &[Run], past: &mut Past) -> Outputs {
    let read: Vec<f32> = runs.iter().flat_map(|run| run.read.iter().copied()).collect();
    let read = Tensor::from_slice(&read).view([runs.len() as i64, 1, -1]).to_device(policy.device()); // (B, 1, R)
    no_grad(|| policy.step(&read, past))
}

/// Draws the actions of observation `step` and puts them in force; gives what those `running` are told. Trainings that are
/// over still take part, so that what the policy remembers keeps its shape.
fn decide(
    policy: &PolicyNetwork,
    problem: &Problem,
    runs: &mut [Run],
    running: &[usize],
    step: u32,
    past: &mut Past,
) -> Vec<Order> {
    let outputs = ask(policy, runs, past);
    let (log_probabilities, values) = (to_vec(&outputs.log_probabilities), to_vec(&outputs.values)); // (B, C, A), (B)
    let (c, a) = (problem.hyperparameters.len(), problem.multipliers.len());
    let decide = |place: &usize| {
        let run = &mut runs[*place];
        let distributions = log_probabilities[place * c * a..][..c * a].chunks(a);
        let (actions, chosen): (Vec<_>, Vec<_>) = distributions
            .map(|distribution| {
                let action = sample(distribution, run.actions.uniform());
                (action, distribution[action])
            })
            .unzip();
        run.steering.act(step, &actions);
        let order = Order { actions: actions.clone(), hyperparameters: run.steering.values() };
        if let Some(last) = run.steps.last_mut() {
            last.decision = Some(Decision {
                actions,
                log_probabilities: chosen,
                value: Some(values[*place]),
                policy_version: 0,
                keep: None,
            });
        }
        order
    };
    running.iter().map(decide).collect()
}
