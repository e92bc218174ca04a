//! Trainings that run in this process: what tests and simulations learn from.

use tch::{Tensor, no_grad};
use tuning::{
    Decision, Draw, Outcome, Problem, Random, Reader, Reading, Steering, Step, Trajectory, TrajectoryKey, sample,
};

use crate::nets::{Past, PolicyNetwork, to_vec};

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
    let mut runs: Vec<Run> = draws.iter().map(|draw| Run::new(problem, policy.reading(), draw)).collect();
    let all: Vec<usize> = (0..runs.len()).collect();
    let first = env.reset(draws).into_iter().map(Some).collect();
    observe(&mut runs, &all, first, 0);
    let mut past = policy.past();
    for step in 0..problem.env_steps {
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
        let before = run.steps.last().and_then(|step| step.decision.as_ref()).map(|decision| &decision.actions[..]);
        run.read = run.reader.read(before.unwrap_or_default(), &metrics, &values);
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
    let read: Vec<f32> = runs.iter().flat_map(|run| run.read.iter().copied()).collect();
    let read = Tensor::from_slice(&read).view([runs.len() as i64, 1, -1]).to_device(policy.device()); // (B, 1, R)
    let outputs = no_grad(|| policy.step(&read, past));
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
