use learn::{Env, Order, Ppo, rollout};
use tasks::curves::{Curve, Quadratic};
use tch::Device;
use tuning::{Direction, Draw, Draws, Hyperparameter, Metric, Objective, Problem, Scale, Schedule, Stage, Trajectory};
use wire::settings::{PpoSettings, Preset};

pub fn metric(name: &str, range: [f64; 2], scale: Scale) -> Metric {
    Metric { name: name.to_owned(), range, scale, observed: true }
}

pub fn hyperparameter(name: &str, initial: f64, [min, max]: [f64; 2]) -> Hyperparameter {
    Hyperparameter {
        name: name.to_owned(),
        initial: Some(initial),
        initial_range: None,
        min,
        max,
        complement: false,
        schedule: Schedule::default(),
    }
}

pub fn maximize(name: &str) -> Objective {
    Objective { metric: name.to_owned(), direction: Direction::Maximize }
}

/// A few decisions on two hyperparameters.
pub fn small_problem() -> Problem {
    Problem {
        objective: maximize("score"),
        metrics: vec![metric("score", [0.0, 1.0], Scale::Linear), metric("loss", [0.0, 10.0], Scale::Log)],
        hyperparameters: vec![hyperparameter("x", 0.1, [1e-3, 10.0]), hyperparameter("y", 0.1, [1e-3, 10.0])],
        multipliers: vec![0.5, 1.0, 2.0],
        env_steps: 4,
    }
}

/// Pays for each env step at which x was doubled and y halved, half for either.
pub struct Bandit {
    trainings: Vec<(f64, Vec<f64>)>,
}

impl Bandit {
    pub fn new() -> Self {
        Self { trainings: Vec::new() }
    }
}

impl Env for Bandit {
    fn reset(&mut self, draws: &[Draw]) -> Vec<Vec<f64>> {
        self.trainings = draws.iter().map(|draw| (0.0, draw.initial.clone())).collect();
        vec![vec![0.0, 1.0]; draws.len()]
    }

    fn step(&mut self, running: &[usize], orders: &[Order]) -> Vec<Option<Vec<f64>>> {
        let mut step = |place: usize, values: &Vec<f64>| {
            let (score, last) = &mut self.trainings[place];
            *score += if values[0] > last[0] { 0.125 } else { 0.0 } + if values[1] < last[1] { 0.125 } else { 0.0 };
            last.clone_from(values);
            vec![*score, 1.0]
        };
        running.iter().zip(orders).map(|(place, order)| Some(step(*place, &order.hyperparameters))).collect()
    }
}

/// The analytic training of `tasks`, whose learning rate is steered; from 2 on it diverges.
pub fn quadratic_problem(env_steps: u32) -> Problem {
    Problem {
        objective: maximize("score"),
        metrics: vec![metric("score", [0.0, 1.0], Scale::Linear), metric("loss", [0.0, 100.0], Scale::Log)],
        hyperparameters: vec![hyperparameter("learning_rate", 1.0, [1e-3, 10.0])],
        multipliers: vec![0.5, 0.8, 0.95, 1.0, 1.05, 1.25, 2.0],
        env_steps,
    }
}

pub struct Curves {
    quadratic: Quadratic,
    trainings: Vec<Curve>,
}

impl Curves {
    pub fn new() -> Self {
        Self { quadratic: Quadratic::default(), trainings: Vec::new() }
    }

    fn metrics(curve: &Curve) -> Vec<f64> {
        let metrics = curve.evaluate();
        vec![metrics.score, metrics.loss]
    }
}

impl Env for Curves {
    fn reset(&mut self, draws: &[Draw]) -> Vec<Vec<f64>> {
        let begin = |draw: &Draw| Curve::new(self.quadratic.clone(), draw.seed.into(), draw.initial[0]);
        self.trainings = draws.iter().map(begin).collect();
        self.trainings.iter().map(Self::metrics).collect()
    }

    fn step(&mut self, running: &[usize], orders: &[Order]) -> Vec<Option<Vec<f64>>> {
        let mut step = |place: usize, values: &[f64]| {
            let curve = &mut self.trainings[place];
            curve.train(values[0]);
            (!curve.diverged()).then(|| Self::metrics(curve))
        };
        running.iter().zip(orders).map(|(place, order)| step(*place, &order.hyperparameters)).collect()
    }
}

pub fn default_settings() -> PpoSettings {
    PpoSettings::of(Preset::Default, false)
}

pub fn learner(problem: &Problem, settings: &PpoSettings, seed: u64) -> Ppo {
    Ppo::new(problem.clone(), settings, seed, Device::Cpu).unwrap()
}

/// Trajectories of `stage`, steered by the learner's policy as it stands.
pub fn gather(ppo: &Ppo, problem: &Problem, env: &mut impl Env, stage: Stage, trajectories: u32) -> Vec<Trajectory> {
    let draws = Draws { seed: 1, tasks: Vec::new(), group: 1 };
    let draws: Vec<Draw> = (0..trajectories).map(|index| draws.draw(problem, stage, index)).collect();
    let epoch = match stage {
        Stage::Learning { epoch, .. } => epoch,
        Stage::Final => u32::MAX,
    };
    rollout(ppo.policy(), problem, env, &draws, epoch)
}

/// Gathers and learns from one epoch after the other, up to `last`.
pub fn learn_until(
    ppo: &mut Ppo,
    problem: &Problem,
    settings: &PpoSettings,
    env: &mut impl Env,
    last: u32,
) -> Vec<learn::Figures> {
    let epochs = ppo.epochs_learned() + 1..=last;
    let learn = |epoch| {
        let stage = Stage::Learning { repetition: 0, epoch };
        let trajectories = gather(ppo, problem, env, stage, settings.trajectories_per_epoch);
        ppo.learn(epoch, &trajectories).unwrap()
    };
    epochs.map(learn).collect()
}
