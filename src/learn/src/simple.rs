//! SimPLe (Kaiser et al. 2019) for hyperparameters (the talk): a world model is trained on all real trainings so far, and
//! PPO learns in trainings that it makes up.

use serde::{Deserialize, Serialize};
use tch::Device;
use tuning::{Draw, Draws, Problem, Random, Stage, Trajectory};
use wire::learner::ForecastScores;
use wire::settings::SimpleSettings;

use crate::checkpoint::{Reader, Writer};
use crate::ppo::mean;
use crate::{CheckpointError, Figures, Fit, LearnError, Ppo, Simulation, WorldModel, rollout};

// Streams of the seed.
const POLICY: u64 = 0;
const WORLD_MODEL: u64 = 1;
const SIMULATED: u64 = 2;
const STARTS: u64 = 3;

// Parts of a checkpoint.
const POLICY_PART: &str = "policy.";
const WORLD_MODEL_PART: &str = "worldModel.";

/// A policy, a world model, and what it takes to go on with both.
#[derive(Debug)]
pub struct Simple {
    problem: Problem,
    settings: SimpleSettings,
    seed: u64,
    device: Device,
    ppo: Ppo,
    model: WorldModel,
}

/// How far the learning of an epoch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// The policy learns from the real trajectories.
    RealEpoch,
    /// The world model is trained.
    WorldModel,
    /// The policy learns from simulated ones.
    Simulated {
        /// Simulated epoch, from 1.
        epoch: u32,
        /// Of so many.
        epochs: u32,
    },
}

/// What came out of learning from one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SimpleFigures {
    /// Of the world model's training; none where it failed and the one before goes on.
    pub fit: Option<Fit>,
    /// Why it failed, if it did.
    pub refusal: Option<String>,
    /// How well it forecasts what it was not trained on; none where nothing is held out.
    pub scores: Option<ForecastScores>,
    /// Of the last simulated epoch; none where there is no world model to simulate with.
    pub simulated: Option<Figures>,
    /// Mean objective at the end of the trajectories of the last simulated epoch.
    pub simulated_objective: Option<f64>,
    /// Share of the numbers that the world model drew in it which lay outside their metric's range.
    pub clipped_share: f64,
    /// Seconds of the world model's training.
    pub world_model_seconds: f64,
    /// Seconds of all simulated epochs.
    pub simulated_seconds: f64,
}

impl Simple {
    /// A learner that has learned nothing yet; all its draws depend on `seed` alone.
    ///
    /// # Errors
    /// [`LearnError::Settings`] for sizes of which no network can be built.
    pub fn new(problem: Problem, settings: &SimpleSettings, seed: u64, device: Device) -> Result<Self, LearnError> {
        let ppo = fresh_policy(&problem, settings, seed, 0, device)?;
        let model_seed = Random::stream(seed, &[WORLD_MODEL]).bits();
        let model = WorldModel::new(problem.clone(), &settings.world_model, model_seed, device)?;
        Ok(Self { problem, settings: settings.clone(), seed, device, ppo, model })
    }

    /// Learns from `epoch` (from 1), whose trajectories stand at the end of `known`, `gathered` of them, behind those of all
    /// earlier epochs. `tell` hears how far it is.
    ///
    /// A world model whose training fails stays as it was, and the policy goes on with it.
    ///
    /// # Errors
    /// If a number of the policy stops being finite; the learner is then to be restored from its last checkpoint.
    pub fn learn(
        &mut self,
        epoch: u32,
        known: &[Trajectory],
        gathered: usize,
        tell: &dyn Fn(Stand),
    ) -> Result<SimpleFigures, LearnError> {
        if self.settings.real_epoch {
            tell(Stand::RealEpoch);
            self.ppo.learn(self.ppo.epochs_learned() + 1, &known[known.len() - gathered..])?;
        }
        tell(Stand::WorldModel);
        let begin = std::time::Instant::now();
        let (fit, refusal) = match self.model.fit(known) {
            Ok(fit) => (Some(fit), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let world_model_seconds = begin.elapsed().as_secs_f64();
        let mut figures = SimpleFigures {
            fit,
            refusal,
            scores: None,
            simulated: None,
            simulated_objective: None,
            clipped_share: 0.0,
            world_model_seconds,
            simulated_seconds: 0.0,
        };
        if self.model.fits() > 0 {
            figures.scores = self.model.evaluate(known);
            let begin = std::time::Instant::now();
            self.simulate(epoch, known, &mut figures, tell)?;
            figures.simulated_seconds = begin.elapsed().as_secs_f64();
        }
        Ok(figures)
    }

    fn simulate(
        &mut self,
        epoch: u32,
        known: &[Trajectory],
        figures: &mut SimpleFigures,
        tell: &dyn Fn(Stand),
    ) -> Result<(), LearnError> {
        let settings = &self.settings;
        let starts: Vec<&Trajectory> = known.iter().filter(|trajectory| !trajectory.steps.is_empty()).collect();
        if settings.fresh_policy {
            self.ppo = fresh_policy(&self.problem, settings, self.seed, epoch, self.device)?;
        }
        let mut simulation = Simulation::new(&self.model, &starts);
        for simulated in 1..=settings.simulated_epochs {
            tell(Stand::Simulated { epoch: simulated, epochs: settings.simulated_epochs });
            let draws = self.draws(epoch, simulated, &starts);
            let inputs = settings.ppo.inputs;
            let trajectories = rollout(self.ppo.policy(), inputs, &self.problem, &mut simulation, &draws, simulated);
            figures.simulated = Some(self.ppo.learn(self.ppo.epochs_learned() + 1, &trajectories)?);
            figures.clipped_share = simulation.clipped_share();
            let ends = trajectories.iter().filter_map(|trajectory| self.problem.final_objective(trajectory));
            let ends: Vec<f64> = ends.collect();
            figures.simulated_objective = Some(mean(ends.into_iter()));
        }
        Ok(())
    }

    /// What the trajectories of a simulated epoch start from. A group shares the real training whose first metrics it has.
    fn draws(&self, epoch: u32, simulated: u32, starts: &[&Trajectory]) -> Vec<Draw> {
        let SimpleSettings { ppo, simulated_trajectories, .. } = &self.settings;
        let draws = Draws { seed: Random::stream(self.seed, &[SIMULATED]).bits(), tasks: Vec::new(), group: ppo.group };
        let stage = Stage::Learning { repetition: epoch, epoch: simulated };
        let draw = |index: u32| {
            let group = index / ppo.group.max(1);
            let labels = [STARTS, epoch.into(), simulated.into(), group.into()];
            let start = Random::stream(self.seed, &labels).below(starts.len());
            let mut draw = draws.draw(&self.problem, stage, index);
            draw.task = Some(start);
            if !starts[start].task.is_empty() {
                // A task may have starting values of its own.
                draw.initial.clone_from(&starts[start].steps[0].hyperparameters);
            }
            draw
        };
        (0..*simulated_trajectories).map(draw).collect()
    }

    /// The policy and its learner.
    pub fn ppo(&self) -> &Ppo {
        &self.ppo
    }

    /// A checkpoint of all that learning changes.
    pub fn save(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.ppo.write(&mut writer, POLICY_PART);
        self.model.write(&mut writer, WORLD_MODEL_PART);
        writer.finish()
    }

    /// Goes back to what [`Simple::save`] gave.
    ///
    /// # Errors
    /// If `checkpoint` is damaged, foreign, or for other problems or networks.
    pub fn restore(&mut self, checkpoint: &[u8]) -> Result<(), CheckpointError> {
        let reader = Reader::open(checkpoint)?;
        self.ppo.read(&reader, POLICY_PART)?;
        self.model.read(&reader, WORLD_MODEL_PART)
    }
}

/// A policy that knows nothing, for `epoch`.
fn fresh_policy(
    problem: &Problem,
    settings: &SimpleSettings,
    seed: u64,
    epoch: u32,
    device: Device,
) -> Result<Ppo, LearnError> {
    // Everything that is annealed is so over the simulated epochs that one policy goes through.
    let policies = if settings.fresh_policy { 1 } else { settings.epochs };
    let ppo = wire::settings::PpoSettings { epochs: settings.simulated_epochs * policies, ..settings.ppo.clone() };
    Ppo::new(problem.clone(), &ppo, Random::stream(seed, &[POLICY, epoch.into()]).bits(), device)
}
