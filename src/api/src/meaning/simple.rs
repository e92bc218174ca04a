//! What a spec of SimPLe means.

use tuning::SymbolCode;
use wire::settings::{
    Draws, InitialData, LearningRateDecay, Order, Output, PolicyKind, PpoSettings, Precision, SimpleSettings,
};
use wire::settings::{Preset, WorldModelSettings};

use super::{ppo_settings, preset};
use crate::{
    DrawsSpec, InitialDataSpec, OrderSpec, OutputSpec, PolicyKindSpec, PrecisionSpec, SimpleSpec, WorldModelSpec,
};

/// Intervals of each metric's change, unless it is set.
const BUCKETS: u32 = 32;
/// Share of initial data in the talk's code.
const TALK_SHARE: f64 = 0.9;
/// Gaussians of a mixture, unless it is set.
const COMPONENTS: u32 = 4;

pub(super) fn settings(spec: &SimpleSpec, initial: Option<&InitialDataSpec>, distribution: bool) -> SimpleSettings {
    let preset = preset(spec.preset);
    let base = SimpleSettings::of(preset, distribution);
    let simulated_epochs = spec.simulated_epochs.unwrap_or(base.simulated_epochs);
    let simulated_trajectories = spec.simulated_trajectories.unwrap_or(base.simulated_trajectories);
    let ppo = spec.ppo.as_ref().map_or(base.ppo, |ppo| ppo_settings(ppo, preset, distribution));
    SimpleSettings {
        preset,
        epochs: spec.epochs.unwrap_or(base.epochs),
        trajectories_per_epoch: spec.trajectories_per_epoch.unwrap_or(base.trajectories_per_epoch),
        simulated_epochs,
        simulated_trajectories,
        pessimism: spec.pessimism.unwrap_or(base.pessimism),
        branch: spec.branch_env_steps.map_or(base.branch, |length| Some(length).filter(|length| *length > 0)),
        policy: policy(spec, base.policy),
        fresh_policy: spec.fresh_policy.unwrap_or(base.fresh_policy),
        real_epoch: spec.real_epoch.unwrap_or(base.real_epoch),
        world_model: world_model(&spec.world_model.clone().unwrap_or_default(), preset, base.world_model),
        // Its own numbers mean nothing in simulation; those in force stand in their place.
        ppo: PpoSettings { epochs: simulated_epochs, trajectories_per_epoch: simulated_trajectories, ..ppo },
        initial_data: initial.map_or_else(InitialData::default, |initial| InitialData {
            from: initial.from.clone(),
            share: initial.share.or(match preset {
                Preset::Default => None,
                Preset::Talk => Some(TALK_SHARE),
            }),
        }),
    }
}

fn policy(spec: &SimpleSpec, base: PolicyKind) -> PolicyKind {
    let symbols = PolicyKind::Symbols { from_world_model: spec.policy_from_world_model.unwrap_or(true) };
    match (spec.policy, base) {
        (Some(PolicyKindSpec::Symbols), _) | (None, PolicyKind::Symbols { .. }) => symbols,
        (Some(PolicyKindSpec::Continuous), _) | (None, PolicyKind::Continuous) => PolicyKind::Continuous,
    }
}

fn world_model(spec: &WorldModelSpec, preset: Preset, base: WorldModelSettings) -> WorldModelSettings {
    let size = |set: Option<u32>, base: usize| set.map_or(base, |set| set as usize);
    WorldModelSettings {
        output: output(spec, preset, &base.output),
        members: size(spec.members, base.members),
        d_model: size(spec.d_model, base.d_model),
        d_ff: size(spec.d_ff, base.d_ff),
        layers: size(spec.layers, base.layers),
        heads: size(spec.heads, base.heads),
        dropout: spec.dropout.unwrap_or(base.dropout),
        precision: spec.precision.map_or(base.precision, |precision| match precision {
            PrecisionSpec::Float32 => Precision::Float32,
            PrecisionSpec::BFloat16 => Precision::BFloat16,
        }),
        learning_rate: spec.learning_rate.unwrap_or(base.learning_rate),
        warm_up: spec.warm_up.unwrap_or(base.warm_up),
        decay: match preset {
            Preset::Default => LearningRateDecay::Constant,
            Preset::Talk => LearningRateDecay::InverseSquareRoot,
        },
        weight_decay: spec.weight_decay.unwrap_or(base.weight_decay),
        batch: spec.batch.unwrap_or(base.batch),
        first_optimizer_steps: spec.first_optimizer_steps.unwrap_or(base.first_optimizer_steps),
        optimizer_steps: spec.optimizer_steps.unwrap_or(base.optimizer_steps),
        held_out: spec.held_out.unwrap_or(base.held_out),
        patience: spec.patience.map_or(base.patience, |patience| Some(patience).filter(|patience| *patience > 0)),
    }
}

fn output(spec: &WorldModelSpec, preset: Preset, base: &Output) -> Output {
    let order = match spec.order {
        None | Some(OrderSpec::Together) => Order::Together,
        Some(OrderSpec::InSequence) => Order::InSequence,
    };
    let kind = spec.output.unwrap_or(match base {
        Output::Residual { .. } => OutputSpec::Residual,
        Output::Buckets { .. } => OutputSpec::Buckets,
        Output::Symbols { .. } => OutputSpec::Symbols,
    });
    match kind {
        OutputSpec::Residual => Output::Residual { components: spec.components.unwrap_or(COMPONENTS) as usize, order },
        OutputSpec::Buckets => Output::Buckets { buckets: spec.buckets.unwrap_or(BUCKETS) as usize, order },
        OutputSpec::Symbols => symbols(spec, preset),
    }
}

fn symbols(spec: &WorldModelSpec, preset: Preset) -> Output {
    let (code, window, draws) = match preset {
        Preset::Default => (SymbolCode::OURS, None, Draws::Metrics),
        Preset::Talk => (SymbolCode::TALK, Some(256), Draws::Observations),
    };
    Output::Symbols {
        code: SymbolCode {
            vocabulary: spec.vocabulary.map_or(code.vocabulary, |set| set as u16),
            symbols: spec.symbols.map_or(code.symbols, |set| set as u8),
            ..code
        },
        significance_decay: spec.significance_decay.unwrap_or(0.8),
        window: spec.window.map_or(window, |window| Some(window).filter(|window| *window > 0)),
        draws: spec.draws.map_or(draws, |draws| match draws {
            DrawsSpec::Metrics => Draws::Metrics,
            DrawsSpec::Observations => Draws::Observations,
        }),
    }
}
