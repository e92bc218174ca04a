//! What a valid spec means: presets and defaults resolved, in the words of [`tuning`] and [`wire`].

mod simple;

use std::collections::BTreeMap;

use tuning::{Decay, Direction, Draws, Hyperparameter, Inputs, Metric, Objective, Problem, Recipe, RecipeSpace};
use tuning::{Scale, Schedule, Task};
use wire::agent::{Mode, PolicyUpdates, TrainerPage};
use wire::settings::{Advantages, Algorithm, FrozenPolicy, PpoSettings, Preset, SearchSettings};

use crate::{
    AdvantagesSpec, AlgorithmSpec, DecayShape, DecaySpec, DirectionSpec, FixedSpec, HyperparameterSpec, InputsSpec,
    MetricSpec, ModeSpec, ObjectiveSpec, PolicyUpdatesSpec, PpoSpec, PresetSpec, ScaleSpec, ScheduleSpec, SearchSpec,
    TaskSpec, TuningExperimentSpec, TuningPolicySpec,
};

/// The problem that policies are learned for.
pub fn problem(spec: &TuningExperimentSpec) -> Problem {
    let TuningExperimentSpec { metrics, hyperparameters, multipliers, .. } = spec;
    problem_of(&spec.objective, metrics, hyperparameters, multipliers, spec.trajectory.env_steps)
}

/// The problem that the policies of a TuningPolicy were learned for.
pub fn problem_of_policy(spec: &TuningPolicySpec) -> Problem {
    problem_of(&spec.objective, &spec.metrics, &spec.hyperparameters, &spec.multipliers, spec.env_steps)
}

fn problem_of(
    goal: &ObjectiveSpec,
    metrics: &[MetricSpec],
    hyperparameters: &[HyperparameterSpec],
    multipliers: &[f64],
    env_steps: u32,
) -> Problem {
    Problem {
        objective: objective(goal),
        metrics: metrics.iter().map(metric).collect(),
        hyperparameters: hyperparameters.iter().map(hyperparameter).collect(),
        multipliers: multipliers.to_vec(),
        env_steps,
    }
}

/// What trajectories are drawn from: those of learning, or those of the final evaluation.
pub fn draws(spec: &TuningExperimentSpec, final_evaluation: bool) -> Draws {
    let task = |task: &TaskSpec| Task { name: task.name.clone(), weight: task.weight, initial: task.initial.clone() };
    let group = match algorithm(spec) {
        Algorithm::Ppo(settings) if !final_evaluation => settings.group,
        Algorithm::Simple(settings) if !final_evaluation => settings.ppo.group,
        _ => 1,
    };
    Draws { seed: spec.seed, tasks: tasks(spec, final_evaluation).iter().map(task).collect(), group }
}

/// The tasks that [`tuning::Draw::task`] points into; empty where there is only one training problem.
pub fn tasks(spec: &TuningExperimentSpec, final_evaluation: bool) -> &[TaskSpec] {
    match final_evaluation && !spec.final_evaluation.tasks.is_empty() {
        true => &spec.final_evaluation.tasks,
        false => &spec.trajectory.tasks,
    }
}

/// Where metrics are read that the trainer does not report, if there are any.
pub fn trainer_page(spec: &TuningExperimentSpec) -> Option<TrainerPage> {
    let page = spec.trajectory.metrics_page.as_ref()?;
    let read =
        spec.metrics.iter().filter_map(|metric| Some((metric.name.clone(), metric.from.as_ref()?.prometheus.clone())));
    Some(TrainerPage { path: page.path.clone(), metrics: read.collect() })
}

/// How a trainer is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Program and arguments; there is at least the program.
    pub command: Vec<String>,
    /// Environment variables; those without a value of their own (`valueFrom`) are left out.
    pub env: BTreeMap<String, String>,
}

/// How the trainer of a trajectory with this task is started.
pub fn launch(spec: &TuningExperimentSpec, task: Option<&TaskSpec>) -> Launch {
    let trainer = spec.trajectory.template.trainer();
    let added = task.into_iter().flat_map(|task| &task.args);
    let command = trainer.command.iter().chain(&trainer.args).chain(added).cloned().collect();
    let own = trainer.env.iter().filter_map(|variable| Some((variable.name.clone(), variable.value.clone()?)));
    let env = own.chain(task.into_iter().flat_map(|task| task.env.clone())).collect();
    Launch { command, env }
}

/// How policies come about, every preset and default resolved.
///
/// # Panics
/// If validation would have refused the algorithm.
pub fn algorithm(spec: &TuningExperimentSpec) -> Algorithm {
    let AlgorithmSpec { simple, ppo, fixed, search, random: _, policy } = &spec.algorithm;
    if let Some(simple) = simple {
        return Algorithm::Simple(Box::new(simple::settings(
            simple,
            spec.initial_data.as_ref(),
            is_distribution(spec),
        )));
    }
    match (ppo, fixed, search, policy) {
        (Some(ppo), ..) => Algorithm::Ppo(ppo_settings(ppo, preset(ppo.preset), is_distribution(spec))),
        (_, Some(fixed), ..) => Algorithm::Fixed(recipe(fixed, &spec.hyperparameters)),
        (_, _, Some(search), _) => Algorithm::Search(search_settings(search, &spec.hyperparameters)),
        (_, _, _, Some(policy)) => {
            // That of a reference is known once it is looked up.
            let place = policy.from.path.clone().unwrap_or_default();
            Algorithm::Frozen(FrozenPolicy { place, sha256: None })
        }
        _ => Algorithm::Random,
    }
}

/// The field of `spec.algorithm` that is set.
pub fn algorithm_name(spec: &TuningExperimentSpec) -> &'static str {
    let AlgorithmSpec { simple, ppo, fixed, search, random, policy } = &spec.algorithm;
    let set = [
        ("simple", simple.is_some()),
        ("ppo", ppo.is_some()),
        ("fixed", fixed.is_some()),
        ("search", search.is_some()),
        ("random", random.is_some()),
        ("policy", policy.is_some()),
    ];
    set.into_iter().find(|(_, is_set)| *is_set).map_or("", |(name, _)| name)
}

/// Trajectories of each epoch that is learned from; empty where nothing is learned.
pub fn epoch_sizes(algorithm: &Algorithm) -> Vec<u32> {
    match algorithm {
        Algorithm::Ppo(settings) => vec![settings.trajectories_per_epoch; settings.epochs as usize],
        Algorithm::Simple(settings) => vec![settings.trajectories_per_epoch; settings.epochs as usize],
        Algorithm::Search(SearchSettings { candidates, finalists: 0, .. }) => vec![*candidates],
        Algorithm::Search(settings) => vec![settings.candidates, settings.finalists * settings.trials],
        Algorithm::Fixed(_) | Algorithm::Random | Algorithm::Frozen(_) => Vec::new(),
    }
}

/// How actions are chosen in the final evaluation.
pub fn mode(spec: &TuningExperimentSpec) -> Mode {
    match spec.final_evaluation.mode {
        ModeSpec::Sampled => Mode::Sampled,
        ModeSpec::Greedy => Mode::Greedy,
    }
}

/// When a newly published policy takes over.
pub fn policy_updates(spec: &TuningExperimentSpec) -> PolicyUpdates {
    match spec.policy_updates {
        PolicyUpdatesSpec::AtTrajectoryStart => PolicyUpdates::AtTrajectoryStart,
        PolicyUpdatesSpec::Immediate => PolicyUpdates::Immediate,
    }
}

/// Whether trajectories differ in more than their seeds.
fn is_distribution(spec: &TuningExperimentSpec) -> bool {
    spec.trajectory.tasks.len() > 1 || spec.hyperparameters.iter().any(|h| h.initial_range.is_some())
}

fn objective(spec: &ObjectiveSpec) -> Objective {
    Objective {
        metric: spec.metric.clone(),
        direction: match spec.direction {
            DirectionSpec::Maximize => Direction::Maximize,
            DirectionSpec::Minimize => Direction::Minimize,
        },
    }
}

fn metric(spec: &MetricSpec) -> Metric {
    let scale = match spec.scale {
        ScaleSpec::Linear => Scale::Linear,
        ScaleSpec::Log => Scale::Log,
        ScaleSpec::Logit => Scale::Logit,
    };
    Metric { name: spec.name.clone(), range: spec.range, scale, observed: spec.observed }
}

fn hyperparameter(spec: &HyperparameterSpec) -> Hyperparameter {
    Hyperparameter {
        name: spec.name.clone(),
        initial: spec.initial,
        initial_range: spec.initial_range,
        min: spec.min,
        max: spec.max,
        complement: spec.complement,
        schedule: spec.schedule.as_ref().map(schedule).unwrap_or_default(),
    }
}

fn schedule(spec: &ScheduleSpec) -> Schedule {
    let falling = |decay, DecaySpec { to, warm_up }: DecaySpec| Schedule { decay, to, warm_up };
    match (&spec.linear, &spec.cosine, &spec.constant) {
        (Some(linear), ..) => falling(Decay::Linear, linear.clone()),
        (_, Some(cosine), _) => falling(Decay::Cosine, cosine.clone()),
        (.., constant) => {
            let warm_up = constant.as_ref().map_or(0, |constant| constant.warm_up);
            Schedule { decay: Decay::Constant, to: 0.0, warm_up }
        }
    }
}

fn recipe(spec: &FixedSpec, hyperparameters: &[HyperparameterSpec]) -> Recipe {
    let schedules = hyperparameters.iter().map(|h| {
        let shared = if h.complement { None } else { spec.schedule.as_ref() };
        let chosen = spec.overrides.get(&h.name).or(shared).or(h.schedule.as_ref());
        chosen.map(schedule).unwrap_or_default()
    });
    Recipe { starts: None, schedules: schedules.collect() }
}

fn search_settings(spec: &SearchSpec, hyperparameters: &[HyperparameterSpec]) -> SearchSettings {
    let decays = spec.decays.iter().map(|shape| match shape {
        DecayShape::Constant => Decay::Constant,
        DecayShape::Linear => Decay::Linear,
        DecayShape::Cosine => Decay::Cosine,
    });
    let starts = hyperparameters.iter().map(|h| {
        let range = spec.start_range.get(&h.name).copied().or(h.initial_range);
        range.unwrap_or([h.min, h.max])
    });
    SearchSettings {
        space: RecipeSpace { decays: decays.collect(), starts: starts.collect() },
        candidates: spec.candidates,
        finalists: spec.finalists,
        trials: spec.trials,
    }
}

fn preset(spec: PresetSpec) -> Preset {
    match spec {
        PresetSpec::Default => Preset::Default,
        PresetSpec::Talk => Preset::Talk,
    }
}

fn ppo_settings(spec: &PpoSpec, preset: Preset, distribution: bool) -> PpoSettings {
    let base = PpoSettings::of(preset, distribution);
    let network = spec.network.clone().unwrap_or_default();
    let size = |set: Option<u32>, base: usize| set.map_or(base, |set| set as usize);
    PpoSettings {
        preset,
        epochs: spec.epochs.unwrap_or(base.epochs),
        trajectories_per_epoch: spec.trajectories_per_epoch.unwrap_or(base.trajectories_per_epoch),
        group: spec.group.unwrap_or(base.group),
        inputs: inputs(&spec.inputs.clone().unwrap_or_default(), base.inputs),
        d_model: size(network.d_model, base.d_model),
        d_ff: size(network.d_ff, base.d_ff),
        layers: size(network.layers, base.layers),
        heads: size(network.heads, base.heads),
        block_gain: network.block_gain.unwrap_or(base.block_gain),
        block_learning_rate: spec.block_learning_rate.unwrap_or(base.block_learning_rate),
        learning_rate: spec.learning_rate.unwrap_or(base.learning_rate),
        final_learning_rate: spec.final_learning_rate.or(spec.learning_rate).unwrap_or(base.final_learning_rate),
        max_gradient_norm: spec.max_gradient_norm.or(base.max_gradient_norm).filter(|norm| *norm > 0.0),
        optimizer_steps: spec.optimizer_steps.unwrap_or(base.optimizer_steps),
        clip: spec.clip.unwrap_or(base.clip),
        value_weight: spec.value_weight.unwrap_or(base.value_weight),
        entropy_weight: spec.entropy_weight.unwrap_or(base.entropy_weight),
        final_entropy_weight: spec.final_entropy_weight.or(spec.entropy_weight).unwrap_or(base.final_entropy_weight),
        target_kl: spec.target_kl.unwrap_or(base.target_kl),
        discount: spec.discount.unwrap_or(base.discount),
        gae_lambda: spec.gae_lambda.unwrap_or(base.gae_lambda),
        advantages: spec.advantages.map_or(base.advantages, advantages),
    }
}

fn inputs(spec: &InputsSpec, base: Inputs) -> Inputs {
    Inputs {
        metrics: spec.metrics.unwrap_or(base.metrics),
        hyperparameters: spec.hyperparameters.unwrap_or(base.hyperparameters),
        time: spec.time.unwrap_or(base.time),
        best: spec.best.unwrap_or(base.best),
        differences: spec.differences.unwrap_or(base.differences),
        one_range: spec.one_range.or(base.one_range),
    }
}

fn advantages(spec: AdvantagesSpec) -> Advantages {
    match spec {
        AdvantagesSpec::Raw => Advantages::Raw,
        AdvantagesSpec::PerEpoch => Advantages::PerEpoch,
        AdvantagesSpec::PerStep => Advantages::PerStep,
        AdvantagesSpec::PerGroup => Advantages::PerGroup,
    }
}
