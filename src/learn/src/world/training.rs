//! Training of one forecaster.

use serde::{Deserialize, Serialize};
use tch::{Tensor, no_grad};
use tuning::Random;
use wire::settings::WorldModelSettings;

use super::examples::Examples;
use super::residual::Residual;
use crate::LearnError;
use crate::adam::Adam;
use crate::nets::to_vec;
use crate::ppo::clip_norm;

/// Optimizer steps between two looks at the held-out share.
const LOOK: u32 = 50;
/// Largest norm of a gradient; longer ones are scaled down.
const LONGEST: f64 = 1.0;

/// What training a world model came to; means over its members.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fit {
    /// Trajectories trained on.
    pub trajectories: f64,
    /// Trajectories held out.
    pub held_out: f64,
    /// Negative log-likelihood per env step of those trained on, in nats per env step.
    pub loss: f64,
    /// The same of those held out, at its best.
    pub held_out_loss: f64,
    /// Optimizer steps until then.
    pub optimizer_steps: f64,
}

impl Fit {
    pub(super) fn mean(fits: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> f64| fits.iter().map(of).sum::<f64>() / fits.len() as f64;
        Self {
            trajectories: mean(|fit| fit.trajectories),
            held_out: mean(|fit| fit.held_out),
            loss: mean(|fit| fit.loss),
            held_out_loss: mean(|fit| fit.held_out_loss),
            optimizer_steps: mean(|fit| fit.optimizer_steps),
        }
    }
}

/// Trains until the held-out loss has not fallen for as long as the settings' patience, and keeps the best weights. With
/// nothing held out it trains to the last step.
pub(super) fn train(
    member: &mut Residual,
    settings: &WorldModelSettings,
    training: &Examples,
    held_out: &Examples,
    mut random: Random,
) -> Result<Fit, LearnError> {
    let mut weights = member.weights().flat();
    let mut adam = Adam::new(weights.numel(), member.device());
    let rates = weights.ones_like();
    let holds_out = held_out.steps() > 0;
    let mut best = Best { loss: f64::INFINITY, step: 0, weights: weights.copy() };
    let mut order: Vec<i64> = Vec::new();
    for step in 0..settings.optimizer_steps {
        let batch = training.rows(&next_batch(&mut order, training.size(), settings.batch as usize, &mut random));
        let loss = member.loss(&batch);
        let mut gradient = member.weights().gradient(&loss);
        if !clip_norm(&mut gradient, Some(LONGEST)).is_finite() {
            return Err(LearnError::ForecastNotFinite { optimizer_step: step });
        }
        let warm = (f64::from(step + 1) / f64::from(settings.warm_up.max(1))).min(1.0);
        adam.step(&mut weights, &gradient, settings.learning_rate * warm, &rates);
        if holds_out && (step + 1) % LOOK == 0 {
            best.look(step + 1, value(&no_grad(|| member.loss(held_out))), &weights);
            if step + 1 - best.step >= settings.patience {
                break;
            }
        }
    }
    if best.loss.is_finite() {
        member.weights_mut().set(&best.weights);
    }
    Ok(Fit {
        trajectories: training.size() as f64,
        held_out: held_out.size() as f64,
        loss: value(&no_grad(|| member.loss(training))),
        held_out_loss: best.loss,
        optimizer_steps: f64::from(best.step),
    })
}

struct Best {
    loss: f64,
    step: u32,
    weights: Tensor,
}

impl Best {
    fn look(&mut self, step: u32, loss: f64, weights: &Tensor) {
        if loss < self.loss {
            (self.loss, self.step) = (loss, step);
            no_grad(|| self.weights.copy_(weights));
        }
    }
}

fn value(loss: &Tensor) -> f64 {
    f64::from(to_vec(loss)[0])
}

/// The next rows of a pass through `n` trajectories in random order.
fn next_batch(order: &mut Vec<i64>, n: usize, batch: usize, random: &mut Random) -> Vec<i64> {
    let batch = batch.min(n);
    if order.len() < batch {
        *order = random.shuffled(n).into_iter().map(|row| row as i64).collect();
    }
    order.split_off(order.len() - batch)
}
