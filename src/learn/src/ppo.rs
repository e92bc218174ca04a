//! Proximal policy optimisation, top to bottom.
//!
//! Papers: Schulman et al. 2017 (PPO, equation 7, and 9 with a value loss); Schulman et al. 2015 (generalised advantage
//! estimation, equation 16). The talk's code is google/trax at ce75cb71, `trax/rl/ppo.py`. Deviations from it:
//! - the value after T is 0, not the network's estimate: reaching T ends what the objective means, so nothing is left to
//!   expect. A diverged trajectory ends at 0 too, but its last reward already holds the objective at its worst bound;
//! - values are trained towards advantage + old value, not towards the sum of rewards to come;
//! - advantages are normalised over a policy's decisions only (padding never counts), as [`Advantages`] says;
//! - the KL divergence is estimated by (ratio − 1) − ln ratio (Schulman 2020, "Approximating KL divergence"), which is
//!   never negative, from the actions taken; learning stops before the optimizer step at which it is too large.
//!
//! Notation: B trajectories, T env steps, C hyperparameters, A multipliers, D width of the network. Each hyperparameter
//! has a ratio of its own; losses are means over decisions and hyperparameters. Every optimizer step sees the whole epoch.

use std::collections::BTreeMap;
use std::iter::repeat_n;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor, no_grad};
use tuning::{Problem, Trajectory};
use wire::artifact::{Continuous, Policy, Symbols};
use wire::settings::{Advantages, PpoSettings};

use crate::LearnError;
use crate::adam::Adam;
use crate::batch::{Batch, Episode, Span};
use crate::nets::{ContinuousPolicy, PolicyNetwork, SymbolsPolicy, Weights, to_vec};

/// Added to the standard deviation that advantages are divided by, in units of reward.
const SPREAD_FLOOR: f64 = 1e-6;

/// Ratios are kept within e^±20, since an infinite one would make a NaN of a gradient that is 0.
const MAX_LOG_RATIO: f64 = 20.0;

/// A policy and what it takes to go on learning it.
#[derive(Debug)]
pub struct Ppo {
    pub(crate) problem: Problem,
    pub(crate) settings: PpoSettings,
    pub(crate) shape: Policy,
    pub(crate) policy: PolicyNetwork,
    pub(crate) adam: Adam,
    /// Learning rate of each weight, relative to the settings'; (N).
    pub(crate) rates: Tensor,
    pub(crate) epochs_learned: u32,
}

/// What came out of learning from one epoch. Losses are those of the policy as it is afterwards, on the same data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Trajectories learned from.
    pub trajectories: usize,
    /// Those of them that diverged.
    pub diverged: usize,
    /// Decisions of a policy in them.
    pub decisions: usize,
    /// Mean over trajectories of the sum of rewards.
    pub mean_return: f64,
    /// Clipped objective of the policy, negated.
    pub policy_loss: f64,
    /// Mean squared error of the value, clipped; in squared units of reward.
    pub value_loss: f64,
    /// Mean entropy of a hyperparameter's distribution, in nats.
    pub entropy: f64,
    /// Estimated KL divergence from the policy that acted, per hyperparameter, in nats.
    pub kl: f64,
    /// Share of ratios outside the clip interval.
    pub clip_share: f64,
    /// Share of the variance of returns that the values explained before learning; below 0 if they made it worse.
    pub explained_variance: f64,
    /// Mean norm of the gradients, before they were scaled down; 0 where there was no optimizer step.
    pub gradient_norm: f64,
    /// Optimizer steps done; fewer than the settings' if the KL divergence grew too large.
    pub optimizer_steps: u32,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Weight of the entropy bonus.
    pub entropy_weight: f64,
}

impl Ppo {
    /// A learner with a fresh policy, whose weights depend on `seed` alone.
    ///
    /// # Errors
    /// [`LearnError::Settings`] for sizes of which no network can be built.
    pub fn new(problem: Problem, settings: &PpoSettings, seed: u64, device: Device) -> Result<Self, LearnError> {
        let shape = shape(settings)?;
        let policy = ContinuousPolicy::new(&problem, &shape, settings.block_gain, seed, device);
        Ok(Self::fresh(problem, settings, Policy::Continuous(shape), PolicyNetwork::Continuous(policy)))
    }

    /// The same with a policy over symbols of that shape; sizes and inputs of the settings do not count.
    ///
    /// # Errors
    /// As [`Ppo::new`].
    pub fn with_symbols(
        problem: Problem,
        settings: &PpoSettings,
        shape: Symbols,
        seed: u64,
        device: Device,
    ) -> Result<Self, LearnError> {
        LearnError::check_sizes(shape.d_model, shape.d_ff, shape.heads)?;
        let policy = SymbolsPolicy::new(&problem, &shape, settings.block_gain, seed, device);
        Ok(Self::fresh(problem, settings, Policy::Symbols(shape), PolicyNetwork::Symbols(policy)))
    }

    /// Gives a policy over symbols what it shares with a world model of its architecture; other policies stay as they are.
    pub(crate) fn start_from(&mut self, world_model: &Weights) {
        if let PolicyNetwork::Symbols(policy) = &mut self.policy {
            policy.start_from(world_model);
        }
    }

    /// A learner that has learned nothing yet.
    pub(crate) fn fresh(problem: Problem, settings: &PpoSettings, shape: Policy, policy: PolicyNetwork) -> Self {
        let (weights, device) = (policy.weights(), policy.device());
        let adam = Adam::new(weights.flat().numel(), device);
        let rate = |name: &str| if name.starts_with("block") { settings.block_learning_rate as f32 } else { 1.0 };
        let rates: Vec<f32> =
            weights.shapes().flat_map(|(name, shape)| repeat_n(rate(name), shape.iter().product())).collect();
        let rates = Tensor::from_slice(&rates).to_device(device);
        Self { problem, settings: settings.clone(), shape, policy, adam, rates, epochs_learned: 0 }
    }

    /// Learns from the trajectories of `epoch` (from 1); lost ones and those still running are left out.
    ///
    /// # Errors
    /// If there is nothing to learn from, a trajectory does not fit the problem, or a number stops being finite. The
    /// learner is then as it was before.
    pub fn learn(&mut self, epoch: u32, trajectories: &[Trajectory]) -> Result<Figures, LearnError> {
        self.learn_part(epoch, trajectories, Span { from: 0, until: self.problem.env_steps }, &[])
    }

    /// The same from a part of each trajectory only, which ends there, or with `penalties` taken from the rewards of that
    /// part, for each trajectory in order (none where there are none at all).
    pub(crate) fn learn_part(
        &mut self,
        epoch: u32,
        trajectories: &[Trajectory],
        span: Span,
        penalties: &[Vec<f64>],
    ) -> Result<Figures, LearnError> {
        let mut batch = Batch::new(&self.problem, self.policy.reading(), trajectories, span, self.policy.device())?;
        for (episode, penalties) in batch.episodes.iter_mut().zip(penalties) {
            let rewards = episode.rewards.iter_mut().skip(span.from as usize);
            rewards.zip(penalties).for_each(|(reward, penalty)| *reward -= penalty);
        }
        if batch.decisions() == 0 {
            return Err(LearnError::NothingToLearnFrom { epoch });
        }
        let (weights, adam) = (self.policy.weights().flat().copy(), self.adam.copy());
        let learned = self.optimise(epoch, &batch);
        match learned {
            Ok(_) => self.epochs_learned = epoch,
            Err(_) => {
                self.policy.weights_mut().set(&weights);
                self.adam = adam;
            }
        }
        learned
    }

    /// The policy as it stands.
    pub fn policy(&self) -> &PolicyNetwork {
        &self.policy
    }

    /// Kind and shape of the policy, as artifacts state it.
    pub fn shape(&self) -> &Policy {
        &self.shape
    }

    /// Name, shape and values of each weight of the policy, in the order of [`Policy::tensors`].
    pub fn tensors(&self) -> Vec<(String, Vec<usize>, Vec<f32>)> {
        self.policy.weights().export()
    }

    /// The last epoch learned from; 0 before the first.
    pub fn epochs_learned(&self) -> u32 {
        self.epochs_learned
    }

    fn optimise(&mut self, epoch: u32, batch: &Batch) -> Result<Figures, LearnError> {
        let settings = &self.settings;
        let learning_rate = anneal(settings.learning_rate, settings.final_learning_rate, epoch, settings.epochs);
        let entropy_weight = anneal(settings.entropy_weight, settings.final_entropy_weight, epoch, settings.epochs);
        let targets = Targets::of(settings, &self.policy, batch);
        let mut weights = self.policy.weights().flat();
        let (mut done, mut norms) = (0, 0.0);
        while done < settings.optimizer_steps {
            let losses = Losses::of(settings, &self.policy, batch, &targets);
            let [.., kl, _] = losses.read(epoch, done)?;
            if kl > settings.target_kl {
                break;
            }
            let mut gradient = self.policy.weights().gradient(&losses.total(settings, entropy_weight));
            let norm = clip_norm(&mut gradient, settings.max_gradient_norm);
            if !norm.is_finite() {
                return Err(LearnError::NotFinite { epoch, what: "the gradient", optimizer_step: done });
            }
            self.adam.step(&mut weights, &gradient, learning_rate, &self.rates);
            done += 1;
            norms += norm;
        }
        let losses = no_grad(|| Losses::of(settings, &self.policy, batch, &targets));
        let [policy_loss, value_loss, entropy, kl, clip_share] = losses.read(epoch, done)?;
        Ok(Figures {
            trajectories: batch.episodes.len(),
            diverged: batch.episodes.iter().filter(|episode| episode.diverged).count(),
            decisions: batch.decisions(),
            mean_return: mean(batch.episodes.iter().map(|episode| episode.rewards.iter().sum())),
            policy_loss,
            value_loss,
            entropy,
            kl,
            clip_share,
            explained_variance: targets.explained_variance,
            gradient_norm: norms / f64::from(done.max(1)),
            optimizer_steps: done,
            learning_rate,
            entropy_weight,
        })
    }
}

/// The network that `settings` ask for.
pub(crate) fn shape(settings: &PpoSettings) -> Result<Continuous, LearnError> {
    let &PpoSettings { inputs, d_model, d_ff, layers, heads, .. } = settings;
    LearnError::check_sizes(d_model, d_ff, heads)?;
    Ok(Continuous { inputs, d_model, d_ff, layers, heads })
}

/// A setting in `epoch` (from 1), which goes geometrically from `first` to `last` in epoch `epochs`.
fn anneal(first: f64, last: f64, epoch: u32, epochs: u32) -> f64 {
    if first == last || epochs < 2 {
        return first;
    }
    let progress = f64::from(epoch.clamp(1, epochs) - 1) / f64::from(epochs - 1);
    first.powf(1.0 - progress) * last.powf(progress)
}

/// What the epoch says the policy and its values should have been; fixed while the optimizer runs.
struct Targets {
    /// Normalised advantages, (B, T).
    advantages: Tensor,
    /// What the values should have been, (B, T).
    returns: Tensor,
    /// What they were, (B, T).
    values: Tensor,
    explained_variance: f64,
}

impl Targets {
    fn of(settings: &PpoSettings, policy: &PolicyNetwork, batch: &Batch) -> Self {
        let values = no_grad(|| policy.forward(&batch.observations).values); // (B, T)
        let t = values.size()[1] as usize;
        let (mut advantages, mut returns, mut errors) = (Vec::new(), Vec::<Vec<f64>>::new(), Vec::new());
        for (episode, values) in batch.episodes.iter().zip(to_vec(&values).chunks(t)) {
            let mut values = values.iter().map(|value| f64::from(*value));
            let before: Vec<f64> = values.by_ref().take(episode.rewards.len()).collect();
            let after = values.next().filter(|_| episode.goes_on).unwrap_or(0.0);
            let values = before;
            let estimates = gae(&episode.rewards, &values, after, settings.discount, settings.gae_lambda);
            returns.push(estimates.iter().zip(&values).map(|(advantage, value)| advantage + value).collect());
            errors.extend(estimates.clone());
            advantages.push(estimates);
        }
        let explained_variance = explained_variance(&errors, &returns.concat());
        normalise(settings.advantages, settings.group, &batch.episodes, &mut advantages);
        let tensor = |rows: &[Vec<f64>]| padded(rows, t).to_device(policy.device());
        Self { advantages: tensor(&advantages), returns: tensor(&returns), values, explained_variance }
    }
}

/// Advantages by generalised advantage estimation: discounted sums of δ_t = r_t + γ V_{t+1} − V_t with factor γλ.
///
/// `values` are estimates before each reward; `after` is the one after the last.
fn gae(rewards: &[f64], values: &[f64], after: f64, discount: f64, lambda: f64) -> Vec<f64> {
    let mut advantages = vec![0.0; rewards.len()];
    let (mut next, mut advantage) = (after, 0.0);
    for t in (0..rewards.len()).rev() {
        let delta = rewards[t] + discount * next - values[t];
        advantage = delta + discount * lambda * advantage;
        (advantages[t], next) = (advantage, values[t]);
    }
    advantages
}

/// Shifts and scales advantages to mean 0 and standard deviation 1 over what `over` says; rows as in `episodes`.
fn normalise(over: Advantages, group: u32, episodes: &[Episode], advantages: &mut [Vec<f64>]) {
    let group = |episode: &Episode| episode.index / group.max(1);
    let cell = |episode: &Episode, t: usize| match over {
        Advantages::Raw => None,
        Advantages::PerEpoch => Some((0, 0)),
        Advantages::PerStep => Some((0, t)),
        Advantages::PerGroup => Some((group(episode), t)),
    };
    let mut cells = BTreeMap::<_, Vec<(usize, usize)>>::new();
    for (b, episode) in episodes.iter().enumerate() {
        for t in (0..episode.decided.len()).filter(|t| episode.decided[*t]) {
            if let Some(cell) = cell(episode, t) {
                cells.entry(cell).or_default().push((b, t));
            }
        }
    }
    for places in cells.values() {
        let mean = mean(places.iter().map(|(b, t)| advantages[*b][*t]));
        let variance = self::mean(places.iter().map(|(b, t)| (advantages[*b][*t] - mean).powi(2)));
        for &(b, t) in places {
            advantages[b][t] = (advantages[b][t] - mean) / (variance.sqrt() + SPREAD_FLOOR);
        }
    }
}

/// 1 − Var(errors) / Var(returns); 0 where all returns are the same.
fn explained_variance(errors: &[f64], returns: &[f64]) -> f64 {
    let variance = |xs: &[f64]| {
        let center = mean(xs.iter().copied());
        mean(xs.iter().map(|x| (x - center).powi(2)))
    };
    let whole = variance(returns);
    if whole > 0.0 { 1.0 - variance(errors) / whole } else { 0.0 }
}

pub(crate) fn mean(xs: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = xs.len();
    xs.sum::<f64>() / n as f64
}

/// Rows of at most `t` numbers as a tensor (B, T), with zeros behind each.
fn padded(rows: &[Vec<f64>], t: usize) -> Tensor {
    let mut values = Vec::with_capacity(rows.len() * t);
    for row in rows {
        values.extend(row.iter().map(|x| *x as f32));
        values.extend(repeat_n(0.0, t - row.len()));
    }
    Tensor::from_slice(&values).view([rows.len() as i64, t as i64])
}

/// The terms of the loss, each a tensor of one number.
struct Losses {
    policy: Tensor,
    value: Tensor,
    entropy: Tensor,
    kl: Tensor,
    clip_share: Tensor,
}

impl Losses {
    fn of(settings: &PpoSettings, policy: &PolicyNetwork, batch: &Batch, targets: &Targets) -> Self {
        let outputs = policy.forward(&batch.observations);
        let (b, t, c, _) = outputs.log_probabilities.size4().expect("log-probabilities are (B, T, C, A)");
        assert_eq!(batch.actions.size(), [b, t, c], "actions are (B, T, C)");
        assert_eq!(targets.advantages.size(), [b, t], "advantages are (B, T)");
        let actions = batch.actions.unsqueeze(-1); // (B, T, C) -> (B, T, C, 1)
        let chosen = outputs.log_probabilities.gather(-1, &actions, false).squeeze_dim(-1); // (B, T, C)
        let log_ratios = (chosen - &batch.acted).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO);
        let ratios = log_ratios.exp();
        let advantages = targets.advantages.unsqueeze(-1); // (B, T) -> (B, T, 1), the same for each hyperparameter
        let (decided, count) = (batch.decided.unsqueeze(-1), batch.decided.sum(Kind::Float) * c); // (B, T, 1), ()
        let mean = |x: &Tensor| (x * &decided).sum(Kind::Float) / &count; // (B, T, C) -> ()
        let surprise = outputs.log_probabilities.exp() * &outputs.log_probabilities; // (B, T, C, A)
        let entropies = -surprise.sum_dim_intlist(-1, false, None::<Kind>); // (B, T, C)
        let value = clipped_value_loss(&outputs.values, &targets.values, &targets.returns, settings.clip); // (B, T)
        Self {
            policy: mean(&clipped_policy_loss(&ratios, &advantages, settings.clip)),
            value: (value * &batch.rewarded).sum(Kind::Float) / batch.rewarded.sum(Kind::Float),
            entropy: mean(&entropies),
            kl: no_grad(|| mean(&(&ratios - 1.0 - &log_ratios))),
            clip_share: no_grad(|| mean(&(&ratios - 1.0).abs().gt(settings.clip))),
        }
    }

    fn total(&self, settings: &PpoSettings, entropy_weight: f64) -> Tensor {
        &self.policy + &self.value * settings.value_weight - &self.entropy * entropy_weight
    }

    /// Policy loss, value loss, entropy, KL divergence and clip share, in one copy from the device.
    fn read(&self, epoch: u32, done: u32) -> Result<[f64; 5], LearnError> {
        let terms = [&self.policy, &self.value, &self.entropy, &self.kl, &self.clip_share];
        let terms = to_vec(&Tensor::stack(&terms, 0));
        if terms.iter().any(|term| !term.is_finite()) {
            return Err(LearnError::NotFinite { epoch, what: "a loss", optimizer_step: done });
        }
        Ok(std::array::from_fn(|n| f64::from(terms[n])))
    }
}

/// Equation 7 of the paper, negated, for each decision and hyperparameter: ratios (B, T, C), advantages (B, T, 1).
fn clipped_policy_loss(ratios: &Tensor, advantages: &Tensor, clip: f64) -> Tensor {
    let clipped = ratios.clamp(1.0 - clip, 1.0 + clip);
    -(ratios * advantages).minimum(&(clipped * advantages))
}

/// Squared error of the values, or of the values moved no further than `clip` from the old ones, whichever is larger.
fn clipped_value_loss(values: &Tensor, old: &Tensor, returns: &Tensor, clip: f64) -> Tensor {
    let clipped = old + (values - old).clamp(-clip, clip);
    (values - returns).square().maximum(&(clipped - returns).square())
}

/// Scales `gradient` down to the norm `longest` if it is longer; gives the norm that it had.
pub(crate) fn clip_norm(gradient: &mut Tensor, longest: Option<f64>) -> f64 {
    let norm = gradient.norm().double_value(&[]);
    if let Some(longest) = longest.filter(|longest| norm > *longest) {
        let _ = gradient.g_mul_scalar_(longest / norm);
    }
    norm
}

#[cfg(test)]
#[path = "ppo_tests.rs"]
mod tests;
