//! What the world model in symbols simulates and learns per second, beside the same model in eager PyTorch
//! (`peer_world.py`) on one thread.
//!
//! Peers simulate in two ways: every symbol of an observation on its own, as the original code of the talk does, and only
//! the unknown ones, as ours does. Ours includes turning numbers into symbols and back, theirs does not. Both
//! train on the same sequences and then compute their loss once more; they have to come to the same. `PEER_PYTHON` names a
//! Python that has torch; without one only our own figures are printed. What is measured is time on the processor, in
//! interleaved rounds. Linux only.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use learn::{Env, Order, Simulation, WorldModel};
use serde_json::{Value, json};
use tch::Device;
use tuning::{Decision, Draw, Outcome, Problem, Random, Steering, Step, SymbolCode, Trajectory, TrajectoryKey};
use wire::settings::{Draws, LearningRateDecay, Output, Precision, WorldModelSettings};

use common::{METRICS, Peer, ROUNDS, median, peer, problem, processor_seconds, python_with_torch};

const CODE: SymbolCode = SymbolCode::OURS;
const SIGNIFICANCE_DECAY: f64 = 0.8;
/// Positions of a bin of the attention window in the talk.
const BIN: Option<u32> = Some(256);
/// Width, inner width, blocks and heads.
const SMALL: [usize; 4] = [64, 128, 2, 2];
const TALK: [usize; 4] = [256, 512, 3, 4];
/// Symbols trained on in a round, at least: that takes some seconds.
const WORK: usize = 100_000;
/// Trainings simulated side by side.
const SIMULATED: usize = 128;
/// Trajectories of a batch, and all that there are to learn from.
const BATCH: usize = 32;

fn main() {
    tch::set_num_threads(1);
    let python = python_with_torch();
    let python = python.as_deref();
    head(&["ours", "every symbol", "two phases", "ratio", "ratio"]);
    for (hyperparameters, env_steps, window, size) in
        [(3, 100, BIN, SMALL), (12, 100, BIN, SMALL), (3, 100, None, SMALL), (3, 20, BIN, TALK), (12, 10, BIN, TALK)]
    {
        let work = Workload::new(hyperparameters, env_steps, window, size);
        work.row(|| work.simulate(python));
    }
    println!("env steps simulated per processor second, {SIMULATED} trainings at once; PyTorch in its two ways\n");
    head(&["float32", "bfloat16", "PyTorch", "ratio", "ratio"]);
    for (hyperparameters, env_steps, window, size) in
        [(3, 100, BIN, SMALL), (12, 20, BIN, SMALL), (3, 20, None, SMALL), (3, 10, BIN, TALK)]
    {
        let work = Workload::new(hyperparameters, env_steps, window, size);
        work.row(|| work.train(python));
    }
    println!("symbols trained on per processor second, batches of {BATCH} trajectories; PyTorch in float32\n");
    println!("medians of {ROUNDS} interleaved rounds; bin: of the attention window; C = 12 as for language models");
}

fn head(columns: &[&str]) {
    print!("{:>3} {:>4} {:>5} {:<13}", "C", "T", "bin", "D/F/layers/H");
    columns.iter().for_each(|column| print!(" {column:>12}"));
    println!();
}

/// Work done per second, in one or two ways each.
struct Round {
    ours: Vec<f64>,
    peers: Vec<f64>,
}

impl Round {
    fn ratios(&self) -> Vec<f64> {
        self.ours.iter().flat_map(|ours| self.peers.iter().map(move |peer| ours / peer)).collect()
    }
}

/// Medians of each column.
fn medians(rounds: &[Vec<f64>]) -> Vec<f64> {
    (0..rounds[0].len()).map(|column| median(rounds.iter().map(|round| round[column]))).collect()
}

/// A problem, networks for it, and trajectories that follow nothing.
struct Workload {
    problem: Problem,
    settings: WorldModelSettings,
    window: Option<u32>,
    trajectories: Vec<Trajectory>,
}

impl Workload {
    fn new(hyperparameters: usize, env_steps: u32, window: Option<u32>, size: [usize; 4]) -> Self {
        let problem = problem(hyperparameters, env_steps);
        let [d_model, d_ff, layers, heads] = size;
        let output =
            Output::Symbols { code: CODE, significance_decay: SIGNIFICANCE_DECAY, window, draws: Draws::Metrics };
        let settings = WorldModelSettings {
            output,
            members: 1,
            d_model,
            d_ff,
            layers,
            heads,
            dropout: 0.0,
            warm_up: 1,
            decay: LearningRateDecay::Constant,
            batch: BATCH as u32,
            held_out: 0.0,
            patience: None,
            ..WorldModelSettings::ours()
        };
        let trajectories = (0..SIMULATED as u32).map(|index| trajectory(&problem, index)).collect();
        Self { problem, settings, window, trajectories }
    }

    /// Prints the medians of all rounds.
    fn row(&self, round: impl Fn() -> Round) {
        let rounds: Vec<Round> = (0..ROUNDS).map(|_| round()).collect();
        let WorldModelSettings { d_model, d_ff, layers, heads, .. } = self.settings;
        let net = format!("{d_model}/{d_ff}/{layers}/{heads}");
        let bin = self.window.map_or_else(|| "none".to_owned(), |bin| bin.to_string());
        print!("{:>3} {:>4} {bin:>5} {net:<13}", self.problem.hyperparameters.len(), self.problem.env_steps);
        let figures: Vec<Vec<f64>> = rounds.iter().map(|round| [&round.ours[..], &round.peers].concat()).collect();
        medians(&figures).iter().for_each(|figure| print!(" {figure:>12.0}"));
        let ratios: Vec<Vec<f64>> = rounds.iter().map(Round::ratios).collect();
        medians(&ratios).iter().for_each(|ratio| print!(" {ratio:>12.2}"));
        println!();
    }

    fn simulate(&self, python: Option<&str>) -> Round {
        let model = self.model(&self.settings);
        let starts: Vec<&Trajectory> = self.trajectories.iter().collect();
        let mut simulation = Simulation::new(&model, &starts);
        let begin = processor_seconds();
        let draw = |n: usize| Draw { seed: n as u32, task: Some(n), initial: self.initial() };
        simulation.reset(&(0..SIMULATED).map(draw).collect::<Vec<_>>());
        let all: Vec<usize> = (0..SIMULATED).collect();
        let orders = vec![Order { actions: self.problem.keep_all(), hyperparameters: self.initial() }; SIMULATED];
        for _ in 0..self.problem.env_steps {
            simulation.step(&all, &orders);
        }
        let ours = processor_seconds() - begin;
        let first = |t: &Trajectory| CODE.write(&self.problem, &t.steps[0].metrics, &t.steps[0].hyperparameters);
        let peer = self.peer(python, &model, || {
            json!({
                "first": self.trajectories.iter().map(first).collect::<Vec<_>>(),
                "actions": vec![self.problem.keep_all(); SIMULATED],
            })
        });
        let env_steps = SIMULATED as f64 * f64::from(self.problem.env_steps);
        let peers = peer.map_or_else(Vec::new, |peer| peer.seconds);
        Round { ours: vec![env_steps / ours], peers: peers.into_iter().map(|seconds| env_steps / seconds).collect() }
    }

    fn train(&self, python: Option<&str>) -> Round {
        let examples = &self.trajectories[..BATCH];
        let sequences: Vec<Vec<u16>> = examples.iter().map(|trajectory| self.symbols(trajectory)).collect();
        let symbols = sequences.iter().map(Vec::len).sum::<usize>();
        let steps = WORK.div_ceil(symbols).max(3);
        let settings = WorldModelSettings { first_optimizer_steps: steps as u32, ..self.settings.clone() };
        let fit = |settings: &WorldModelSettings| {
            let mut model = self.model(settings);
            let begin = processor_seconds();
            let loss = model.fit(examples).unwrap().loss;
            (processor_seconds() - begin, loss)
        };
        let untrained = fit(&WorldModelSettings { first_optimizer_steps: 0, ..settings.clone() }).1;
        let (seconds, trained) = fit(&settings);
        let in_half = fit(&WorldModelSettings { precision: Precision::BFloat16, ..settings.clone() }).0;
        let model = self.model(&settings);
        let peer = self.peer(python, &model, || json!({ "settings": settings, "symbols": sequences }));
        if let Some(Peer { losses, .. }) = &peer {
            let difference = |n: usize, ours: f64| (losses[n] - ours).abs();
            let is_same = difference(0, untrained) < 1e-3 && difference(1, trained) < 2e-2;
            assert!(is_same, "the peer learns something else: {losses:?}, ours {untrained} and {trained}");
        }
        let done = |seconds: f64| (steps * symbols) as f64 / seconds;
        let peers = peer.map_or_else(Vec::new, |peer| vec![done(peer.seconds[0])]);
        Round { ours: vec![done(seconds), done(in_half)], peers }
    }

    fn model(&self, settings: &WorldModelSettings) -> WorldModel {
        WorldModel::new(self.problem.clone(), settings, 1, Device::Cpu).unwrap()
    }

    fn initial(&self) -> Vec<f64> {
        vec![1e-2; self.problem.hyperparameters.len()]
    }

    /// A whole trajectory in symbols.
    fn symbols(&self, trajectory: &Trajectory) -> Vec<u16> {
        let write = |step: &Step| {
            let observation = CODE.write(&self.problem, &step.metrics, &step.hyperparameters);
            let actions = step.decision.iter().flat_map(|decision| &decision.actions);
            observation.into_iter().chain(actions.map(|action| *action as u16)).collect::<Vec<_>>()
        };
        trajectory.steps.iter().flat_map(write).collect()
    }

    /// Has the peer do `work` with the weights of `model`.
    fn peer(&self, python: Option<&str>, model: &WorldModel, work: impl Fn() -> Value) -> Option<Peer> {
        let significance = CODE.precision().unwrap().significance(SIGNIFICANCE_DECAY);
        let workload = || {
            json!({
                "dModel": self.settings.d_model, "dFf": self.settings.d_ff, "layers": self.settings.layers,
                "heads": self.settings.heads, "window": self.window, "weights": model.tensors(),
                "envSteps": self.problem.env_steps, "envStep": CODE.env_step(&self.problem),
                "observation": CODE.observation(&self.problem), "drawn": CODE.metrics(&self.problem),
                "vocabulary": CODE.vocabulary, "significance": significance.repeat(METRICS), "work": work(),
            })
        };
        python.map(|python| peer(python, "peer_world.py", &workload()))
    }
}

/// A training whose metrics and actions are chance.
fn trajectory(problem: &Problem, index: u32) -> Trajectory {
    let mut random = Random::stream(1, &[index.into()]);
    let mut steering = Steering::start(problem, &vec![1e-2; problem.hyperparameters.len()]);
    let mut step = |step: u32| {
        let actions: Vec<usize> = problem.keep_all().iter().map(|_| random.below(problem.multipliers.len())).collect();
        let hyperparameters = steering.values();
        steering.act(step, &actions);
        let decision = Decision { actions, log_probabilities: Vec::new(), value: None, policy_version: 0, keep: None };
        Step {
            step,
            metrics: (0..METRICS).map(|_| random.uniform()).collect(),
            applied: hyperparameters.clone(),
            hyperparameters,
            decision: (step < problem.env_steps).then_some(decision),
            elapsed_seconds: 0.0,
        }
    };
    Trajectory {
        key: TrajectoryKey { repetition: 0, epoch: 1, index, attempt: 0 },
        seed: index,
        task: String::new(),
        outcome: Some(Outcome::Completed),
        steps: (0..=problem.env_steps).map(&mut step).collect(),
    }
}
