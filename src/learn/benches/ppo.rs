//! Env steps learned per second, beside the same epoch in eager PyTorch (`peer_ppo.py`) on one thread.
//!
//! `PEER_PYTHON` names a Python that has torch; without one only our own figures are printed. Repetitions of the two are
//! interleaved, and both have to come to the same losses. Ours includes turning trajectories into tensors. What is measured
//! is time on the processor, which on a machine with nothing else to do is the time that passes. Linux only.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use learn::{Env, Figures, Order, Ppo, rollout};
use serde_json::{Value, json};
use tch::Device;
use tuning::{Draw, Observer, Outcome, Problem, Random, Trajectory};
use wire::settings::{PpoSettings, Preset};

use common::{METRICS, ROUNDS, median, peer, problem, processor_seconds, python_with_torch};

/// Env steps learned in a round, so that each takes a second or so.
const WORK: usize = 20_000;

fn main() {
    tch::set_num_threads(1);
    let python = python_with_torch();
    println!("{:>4} {:>4} {:>12} {:>12} {:>7}", "B", "T", "ours", "PyTorch", "ratio");
    for (b, t) in [(16, 20), (64, 20), (128, 20), (16, 100), (128, 100)] {
        let work = Workload::new(b, t);
        let repetitions = (WORK / (b * t)).max(3);
        let rounds: Vec<(f64, Option<f64>)> = (0..ROUNDS).map(|_| work.round(python.as_deref(), repetitions)).collect();
        let ours = median(rounds.iter().map(|(ours, _)| *ours));
        print!("{b:>4} {t:>4} {ours:>12.0}");
        match rounds.iter().map(|(ours, peer)| peer.map(|peer| (peer, ours / peer))).collect::<Option<Vec<_>>>() {
            Some(pairs) => {
                let (peer, ratio) = (median(pairs.iter().map(|pair| pair.0)), median(pairs.iter().map(|pair| pair.1)));
                println!(" {peer:>12.0} {ratio:>7.2}");
            }
            None => println!(" {:>12}", "not here"),
        }
    }
    println!("env steps learned per processor second, median of {ROUNDS} interleaved rounds; PPO's default preset");
}

/// One epoch, and the learner as it is before.
struct Workload {
    problem: Problem,
    settings: PpoSettings,
    trajectories: Vec<Trajectory>,
    checkpoint: Vec<u8>,
}

impl Workload {
    fn new(b: usize, t: usize) -> Self {
        let problem = problem(3, t as u32);
        let settings = PpoSettings { target_kl: 1e9, ..PpoSettings::of(Preset::Default, false) };
        let ppo = Ppo::new(problem.clone(), &settings, 1, Device::Cpu).unwrap();
        let draw = |seed| Draw { seed, task: None, initial: vec![1e-2; problem.hyperparameters.len()] };
        let draws: Vec<Draw> = (0..b as u32).map(draw).collect();
        let mut env = Noise(Random::stream(1, &[]));
        let trajectories = rollout(ppo.policy(), &problem, &mut env, &draws, 1);
        Self { problem, settings, trajectories, checkpoint: ppo.save() }
    }

    /// Env steps per second: ours, and the peer's if it is here.
    fn round(&self, python: Option<&str>, repetitions: usize) -> (f64, Option<f64>) {
        let mut learners: Vec<Ppo> = (0..repetitions).map(|_| self.learner()).collect();
        let begin = processor_seconds();
        let figures: Vec<Figures> = learners.iter_mut().map(|ppo| ppo.learn(1, &self.trajectories).unwrap()).collect();
        let ours = processor_seconds() - begin;
        let peer = python.map(|python| peer(python, "peer_ppo.py", &self.for_peer(repetitions)));
        if let Some(peer) = &peer {
            let Figures { policy_loss, value_loss, entropy, kl, clip_share, .. } = figures[0];
            let both = [policy_loss, value_loss, entropy, kl, clip_share].into_iter().zip(&peer.losses);
            let difference = both.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(difference < 0.02, "the peer learns something else: {:?}, ours {:?}", peer.losses, figures[0]);
        }
        let env_steps = (repetitions * self.trajectories.len() * self.problem.env_steps as usize) as f64;
        (env_steps / ours, peer.map(|peer| env_steps / peer.seconds[0]))
    }

    fn learner(&self) -> Ppo {
        Ppo::load(self.problem.clone(), &self.settings, &self.checkpoint, Device::Cpu).unwrap()
    }

    fn for_peer(&self, repetitions: usize) -> Value {
        let ppo = self.learner();
        let decisions = |t: &Trajectory| t.steps.iter().filter_map(|step| step.decision.clone()).collect::<Vec<_>>();
        let each = |of: &dyn Fn(&Trajectory) -> Value| self.trajectories.iter().map(of).collect::<Vec<_>>();
        json!({
            "settings": self.settings, "repetitions": repetitions, "weights": ppo.tensors(),
            "dModel": self.settings.d_model, "dFf": self.settings.d_ff, "layers": self.settings.layers,
            "heads": self.settings.heads, "inputs": self.settings.inputs.width(&self.problem),
            "hyperparameters": self.problem.hyperparameters.len(), "multipliers": self.problem.multipliers.len(),
            "envSteps": self.problem.env_steps,
            "observations": each(&|t| json!(self.observations(t))),
            "actions": each(&|t| decisions(t).iter().map(|d| json!(d.actions)).collect()),
            "acted": each(&|t| decisions(t).iter().map(|d| json!(d.log_probabilities)).collect()),
            "rewards": each(&|t| json!(self.problem.rewards(&t.steps, Outcome::Completed))),
        })
    }

    fn observations(&self, trajectory: &Trajectory) -> Vec<Vec<f32>> {
        let mut observer = Observer::new(&self.problem, self.settings.inputs);
        let decided = trajectory.steps.iter().take(self.problem.env_steps as usize);
        decided.map(|step| observer.observe(&step.metrics, &step.hyperparameters)).collect()
    }
}

/// Metrics that follow nothing: only their number matters here.
struct Noise(Random);

impl Env for Noise {
    fn reset(&mut self, draws: &[Draw]) -> Vec<Vec<f64>> {
        draws.iter().map(|_| (0..METRICS).map(|_| self.0.uniform()).collect()).collect()
    }

    fn step(&mut self, running: &[usize], _: &[Order]) -> Vec<Option<Vec<f64>>> {
        running.iter().map(|_| Some((0..METRICS).map(|_| self.0.uniform()).collect())).collect()
    }
}
