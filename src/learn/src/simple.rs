//! SimPLe (Kaiser et al. 2019) for hyperparameters (the talk): PPO learns in trainings that a world model makes up, which
//! was trained on all real ones so far.
//!
//! The world model is trained elsewhere, and taken over version by version: see [`WorldModel::fit`].

use serde::{Deserialize, Serialize};
use tch::Device;
use tuning::{Draw, Draws, Problem, Random, Stage, Trajectory};
use wire::artifact::Symbols;
use wire::settings::{Output, PolicyKind, SimpleSettings, WorldModelSettings};

use crate::batch::Span;
use crate::ppo::mean;
use crate::{Branch, CheckpointError, Figures, LearnError, Ppo, Simulation, Trained, WorldModel, rollout_branch};

// Streams of the seed.
const POLICY: u64 = 0;
const WORLD_MODEL: u64 = 1;
const SIMULATED: u64 = 2;
const STARTS: u64 = 3;
const BRANCHES: u64 = 4;

/// A policy, and the world model that it learns in.
#[derive(Debug)]
pub struct Simple {
    problem: Problem,
    settings: SimpleSettings,
    seed: u64,
    device: Device,
    ppo: Ppo,
    model: WorldModel,
}

/// What came out of the simulated epochs after one epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Simulated {
    /// Of PPO in the last simulated epoch.
    pub figures: Figures,
    /// Mean objective at the end of its trajectories, or of the branches that they are.
    pub objective: f64,
    /// Share of the numbers that the world model drew in it which lay outside their metric's range.
    pub clipped_share: f64,
}

impl Simple {
    /// A learner that has learned nothing yet; all its draws depend on `seed` alone.
    ///
    /// # Errors
    /// [`LearnError::Settings`] for sizes of which no network can be built.
    pub fn new(problem: Problem, settings: &SimpleSettings, seed: u64, device: Device) -> Result<Self, LearnError> {
        let ppo = fresh_policy(&problem, settings, seed, 0, device)?;
        let model = Self::world_model(problem.clone(), settings, seed, device)?;
        Ok(Self { problem, settings: settings.clone(), seed, device, ppo, model })
    }

    /// The world model as it is before any training, for a learner of that `seed`.
    ///
    /// # Errors
    /// As [`Simple::new`].
    pub fn world_model(
        problem: Problem,
        settings: &SimpleSettings,
        seed: u64,
        device: Device,
    ) -> Result<WorldModel, LearnError> {
        WorldModel::new(problem, &settings.world_model, Random::stream(seed, &[WORLD_MODEL]).bits(), device)
    }

    /// Learns once from the real trajectories of an epoch.
    ///
    /// # Errors
    /// As [`Ppo::learn`].
    pub fn learn_from_real(&mut self, trajectories: &[Trajectory]) -> Result<Figures, LearnError> {
        self.ppo.learn(self.ppo.epochs_learned() + 1, trajectories)
    }

    /// Goes on with a published version of the world model.
    ///
    /// # Errors
    /// If it is damaged, or of another experiment; the world model stays as it was.
    pub fn take(&mut self, version: &[u8]) -> Result<Trained, CheckpointError> {
        self.model.take(version)
    }

    /// Goes through all simulated epochs after `epoch` (from 1), in trainings that begin as one of `starts` did; `tell` hears
    /// which simulated one comes next. None without a world model, or without a start.
    ///
    /// # Errors
    /// If a number of the policy stops being finite; the learner is then to be restored from its last checkpoint.
    pub fn simulate(
        &mut self,
        epoch: u32,
        starts: &[Trajectory],
        tell: &dyn Fn(u32),
    ) -> Result<Option<Simulated>, LearnError> {
        let settings = &self.settings;
        let starts: Vec<&Trajectory> = starts.iter().filter(|trajectory| !trajectory.steps.is_empty()).collect();
        if self.model.fits() == 0 || starts.is_empty() {
            return Ok(None);
        }
        if settings.fresh_policy {
            self.ppo = fresh_policy(&self.problem, settings, self.seed, epoch, self.device)?;
        }
        if settings.policy == (PolicyKind::Symbols { from_world_model: true }) && (settings.fresh_policy || epoch == 1)
        {
            self.ppo.start_from(self.model.network());
        }
        let mut simulated = Simulated::default();
        for number in 1..=settings.simulated_epochs {
            tell(number);
            simulated = self.simulated_epoch(epoch, number, &starts)?;
        }
        Ok(Some(simulated))
    }

    fn simulated_epoch(&mut self, epoch: u32, number: u32, starts: &[&Trajectory]) -> Result<Simulated, LearnError> {
        let (settings, problem) = (&self.settings, &self.problem);
        let span = self.span(epoch, number, starts);
        let starts: Vec<&Trajectory> =
            starts.iter().copied().filter(|start| start.steps.len() > span.from as usize).collect();
        let draws = self.draws(epoch, number, span.from, &starts);
        let prefixes = draws.iter().map(|draw| starts[draw.task.unwrap_or_default()]).collect();
        let branch = Branch { prefixes, from: span.from, until: span.until };
        let mut simulation = Simulation::new(&self.model, &starts).from(span.from);
        if settings.pessimism > 0.0 {
            simulation = simulation.by_all();
        }
        let policy = self.ppo.policy();
        let trajectories = rollout_branch(policy, problem, &mut simulation, &draws, number, Some(&branch));
        let scaled = |steps: &Vec<f64>| steps.iter().map(|x| settings.pessimism * x).collect();
        let penalties: Vec<Vec<f64>> = simulation.disagreements().iter().map(scaled).collect();
        let figures = self.ppo.learn_part(self.ppo.epochs_learned() + 1, &trajectories, span, &penalties)?;
        let ends = trajectories.iter().filter_map(|trajectory| problem.final_objective(trajectory));
        let (objective, clipped_share) = (mean(ends.collect::<Vec<_>>().into_iter()), simulation.clipped_share());
        Ok(Simulated { figures, objective, clipped_share })
    }

    /// Which part of trainings a simulated epoch goes through: all of it, or a branch from an observation that a real one has.
    fn span(&self, epoch: u32, number: u32, starts: &[&Trajectory]) -> Span {
        let t = self.problem.env_steps;
        let Some(length) = self.settings.branch.filter(|length| *length < t) else { return Span { from: 0, until: t } };
        let mut random = Random::stream(self.seed, &[BRANCHES, epoch.into(), number.into()]);
        let start = starts[random.below(starts.len())];
        let from = random.below(start.steps.len().min(t as usize)) as u32;
        Span { from, until: (from + length).min(t) }
    }

    /// What the trajectories of a simulated epoch start from, which leave real ones at observation `from`. A group shares the
    /// real training whose first metrics it has.
    fn draws(&self, epoch: u32, simulated: u32, from: u32, starts: &[&Trajectory]) -> Vec<Draw> {
        let SimpleSettings { ppo, simulated_trajectories, .. } = &self.settings;
        let draws = Draws { seed: Random::stream(self.seed, &[SIMULATED]).bits(), tasks: Vec::new(), group: ppo.group };
        let stage = Stage::Learning { repetition: epoch, epoch: simulated };
        let draw = |index: u32| {
            let group = index / ppo.group.max(1);
            let labels = [STARTS, epoch.into(), simulated.into(), group.into()];
            let start = Random::stream(self.seed, &labels).below(starts.len());
            let mut draw = draws.draw(&self.problem, stage, index);
            draw.task = Some(start);
            if from > 0 || !starts[start].task.is_empty() {
                // What was recorded happened under its own values, and a task may have starting values of its own.
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

    /// The world model.
    pub fn model(&self) -> &WorldModel {
        &self.model
    }

    /// Simulated epochs after each epoch.
    pub fn simulated_epochs(&self) -> u32 {
        self.settings.simulated_epochs
    }

    /// Whether simulated trainings begin anywhere within real ones.
    pub fn branches(&self) -> bool {
        self.settings.branch.is_some()
    }

    /// Whether the policy learns from real trajectories too.
    pub fn learns_from_real(&self) -> bool {
        self.settings.real_epoch
    }

    /// A checkpoint of the policy; of the world model, published versions are what is kept.
    pub fn save(&self) -> Vec<u8> {
        self.ppo.save()
    }

    /// Goes back to what [`Simple::save`] gave.
    ///
    /// # Errors
    /// As [`Ppo::restore`].
    pub fn restore(&mut self, checkpoint: &[u8]) -> Result<(), CheckpointError> {
        self.ppo.restore(checkpoint)
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
    let seed = Random::stream(seed, &[POLICY, epoch.into()]).bits();
    match settings.policy {
        PolicyKind::Continuous => Ppo::new(problem.clone(), &ppo, seed, device),
        PolicyKind::Symbols { .. } => {
            Ppo::with_symbols(problem.clone(), &ppo, symbols(&settings.world_model)?, seed, device)
        }
    }
}

/// Shape of a policy of the world model's architecture.
fn symbols(world_model: &WorldModelSettings) -> Result<Symbols, LearnError> {
    let &WorldModelSettings { d_model, d_ff, layers, heads, .. } = world_model;
    match world_model.output {
        Output::Symbols { code, window, .. } => Ok(Symbols { code, d_model, d_ff, layers, heads, window }),
        _ => Err(LearnError::NoSymbols),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::world::fixtures;

    #[test]
    fn a_branch_starts_from_recorded_values_where_a_whole_training_draws_its_own() {
        let mut problem = fixtures::problem();
        let rate = &mut problem.hyperparameters[0];
        (rate.initial, rate.initial_range) = (None, Some([0.2, 0.8]));
        let simple =
            Simple::new(problem, &SimpleSettings::of(wire::settings::Preset::Default, true), 1, Device::Cpu).unwrap();
        let recorded = fixtures::trajectories(4);
        let starts: Vec<&Trajectory> = recorded.iter().collect();
        let drawn = simple.draws(1, 1, 0, &starts);
        assert!(drawn.iter().all(|draw| (0.2..=0.8).contains(&draw.initial[0])), "{drawn:?}");
        let branched = simple.draws(1, 1, 2, &starts);
        assert!(branched.iter().all(|draw| draw.initial == [0.1]), "{branched:?}");
    }
}
