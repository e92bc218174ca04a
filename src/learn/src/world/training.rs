//! Training of forecasters.

use serde::{Deserialize, Serialize};
use tch::{Tensor, no_grad};
use tuning::Random;
use wire::settings::{LearningRateDecay, WorldModelSettings};

use super::examples::Examples;
use super::forecaster::Forecaster;
use crate::LearnError;
use crate::adam::Adam;
use crate::nets::to_vec;
use crate::ppo::{clip_norm, mean};

/// Optimizer steps between two looks at the held-out share.
const LOOK: u32 = 25;
/// Largest norm of a member's gradient; longer ones are scaled down.
const LONGEST: f64 = 1.0;

/// What training a world model came to; means over its members.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fit {
    /// Trajectories trained on.
    pub trajectories: f64,
    /// Trajectories held out.
    pub held_out: f64,
    /// Negative log-likelihood of those trained on, in nats per env step (symbols weighted by significance).
    pub loss: f64,
    /// The same of those held out, at its best.
    pub held_out_loss: f64,
    /// Optimizer steps until then.
    pub optimizer_steps: f64,
    /// Share of the recorded numbers that lie outside their metric's range.
    pub outside: f64,
}

/// Trains all members until none has gained on the held-out share for as long as the settings' patience, and keeps the best
/// weights of each. With nothing held out they train to the last step.
pub(super) fn train(
    forecaster: &mut dyn Forecaster,
    settings: &WorldModelSettings,
    optimizer_steps: u32,
    training: &Examples,
    held_out: &Examples,
    seed: u64,
) -> Result<Fit, LearnError> {
    let members = settings.members;
    let mut weights = forecaster.weights().flat();
    let mut adam = Adam::new(weights.numel(), weights.device());
    let rates = weights.ones_like();
    let everybody: Vec<i64> = (0..members).flat_map(|_| 0..held_out.size() as i64).collect();
    let watched = (held_out.steps() > 0).then(|| held_out.rows(&everybody));
    let mut best = Best::new(&weights, members);
    let mut orders: Vec<Batches> = (0..members as u64).map(|member| Batches::new(seed, member)).collect();
    for step in 0..optimizer_steps {
        let size = (settings.batch as usize).min(training.size());
        let rows: Vec<i64> = orders.iter_mut().flat_map(|order| order.next(training.size(), size)).collect();
        // Dropout draws from libtorch's generator: seeded for each step, a training that is repeated is the same.
        tch::manual_seed(Random::stream(seed, &[members as u64, step.into()]).bits() as i64);
        let loss = forecaster.losses(&training.rows(&rows), settings.dropout).sum(tch::Kind::Float);
        let mut gradient = forecaster.weights().gradient(&loss);
        if !clip_norm(&mut gradient, Some(LONGEST * (members as f64).sqrt())).is_finite() {
            return Err(LearnError::ForecastNotFinite { optimizer_step: step });
        }
        let rate = learning_rate(settings, step);
        let _ = no_grad(|| weights.g_mul_scalar_(1.0 - rate * settings.weight_decay));
        adam.step(&mut weights, &gradient, rate, &rates);
        if let Some(watched) = watched.as_ref().filter(|_| (step + 1) % LOOK == 0) {
            best.look(step + 1, &*forecaster, &no_grad(|| forecaster.losses(watched, 0.0)));
            if settings.patience.is_some_and(|patience| step + 1 - best.last() >= patience) {
                break;
            }
        }
    }
    if watched.is_some() && best.last() > 0 {
        forecaster.weights_mut().set(&best.weights);
    }
    let everything: Vec<i64> = (0..members).flat_map(|_| 0..training.size() as i64).collect();
    Ok(Fit {
        trajectories: training.size() as f64,
        held_out: held_out.size() as f64,
        loss: mean(to_vec(&no_grad(|| forecaster.losses(&training.rows(&everything), 0.0))).into_iter().map(f64::from)),
        held_out_loss: mean(best.losses.iter().copied()),
        optimizer_steps: mean(best.steps.iter().map(|step| f64::from(*step))),
        outside: training.outside,
    })
}

/// Adam's learning rate at optimizer step `step`, from 0.
fn learning_rate(settings: &WorldModelSettings, step: u32) -> f64 {
    let warm_up = f64::from(settings.warm_up.max(1));
    let done = f64::from(step + 1) / warm_up;
    let falling = match settings.decay {
        LearningRateDecay::Constant => 1.0,
        LearningRateDecay::InverseSquareRoot => done.max(1.0).sqrt().recip(),
    };
    settings.learning_rate * done.min(1.0) * falling
}

/// The best that each member has been.
struct Best {
    losses: Vec<f64>,
    steps: Vec<u32>,
    /// Of all members, each at its best; (N).
    weights: Tensor,
}

impl Best {
    fn new(weights: &Tensor, members: usize) -> Self {
        Self { losses: vec![f64::INFINITY; members], steps: vec![0; members], weights: no_grad(|| weights.copy()) }
    }

    fn look(&mut self, step: u32, forecaster: &dyn Forecaster, losses: &Tensor) {
        for (member, loss) in to_vec(losses).into_iter().map(f64::from).enumerate() {
            if loss < self.losses[member] {
                (self.losses[member], self.steps[member]) = (loss, step);
                forecaster.weights().keep_member(&self.weights, member);
            }
        }
    }

    /// Step at which a member gained last.
    fn last(&self) -> u32 {
        self.steps.iter().copied().max().unwrap_or_default()
    }
}

/// Passes through all trajectories in random order, each member's its own.
struct Batches {
    random: Random,
    order: Vec<i64>,
}

impl Batches {
    fn new(seed: u64, member: u64) -> Self {
        Self { random: Random::stream(seed, &[member]), order: Vec::new() }
    }

    /// The next `size` rows of a pass through `n`.
    fn next(&mut self, n: usize, size: usize) -> Vec<i64> {
        if self.order.len() < size {
            self.order = self.random.shuffled(n).into_iter().map(|row| row as i64).collect();
        }
        self.order.split_off(self.order.len() - size)
    }
}
