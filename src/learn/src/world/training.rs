//! Training of forecasters.

use serde::{Deserialize, Serialize};
use tch::{Tensor, no_grad};
use tuning::Random;
use wire::settings::{LearningRateDecay, WorldModelSettings};

use super::batches::Batches;
use super::examples::Examples;
use super::forecaster::Forecaster;
use crate::adam::Adam;
use crate::checkpoint::{Reader, Writer, same};
use crate::nets::to_vec;
use crate::ppo::{clip_norm, mean};
use crate::{CheckpointError, LearnError};

/// Fewest optimizer steps between two looks at the held-out share.
const LOOK: u32 = 25;
/// Largest norm of a member's gradient; longer ones are scaled down.
const LONGEST: f64 = 1.0;
/// Trajectories trained on whose loss is measured in the end.
const MANY: usize = 512;
/// Trajectories that each member reads at once where no gradient is wanted, however many there are.
const AT_ONCE: i64 = 64;

/// What training a world model came to; means over its members.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fit {
    /// Trajectories trained on.
    pub trajectories: f64,
    /// Trajectories held out.
    pub held_out: f64,
    /// Negative log-likelihood of those trained on (of some, where they are many), in nats per env step (symbols weighted by
    /// significance).
    pub loss: f64,
    /// The same of those held out, at its best; none where nothing was.
    pub held_out_loss: Option<f64>,
    /// Optimizer steps until then.
    pub optimizer_steps: f64,
    /// Share of the recorded numbers that lie outside their metric's range.
    pub outside: f64,
}

/// How far a training is.
pub struct Moment<'a> {
    /// Optimizer steps made …
    pub step: u32,
    /// … of at most so many.
    pub steps: u32,
    /// Loss of the last batch, as that of [`Fit`].
    pub loss: f64,
    /// The same of what is held out; none where nothing is.
    pub held_out_loss: Option<f64>,
    /// Gives what the training can go on from.
    pub save: &'a dyn Fn() -> Vec<u8>,
}

impl std::fmt::Debug for Moment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Moment").field("step", &self.step).field("steps", &self.steps).finish_non_exhaustive()
    }
}

/// What a training learns from.
pub(super) struct Lesson {
    /// To be trained on; the first `initial` of them were there before the experiment began.
    pub training: Examples,
    pub initial: usize,
    /// Probability with which an example is one of those; none takes all alike.
    pub initial_share: Option<f64>,
    /// To be looked at.
    pub held_out: Examples,
    /// Seed of batches and dropout.
    pub seed: u64,
    pub optimizer_steps: u32,
}

/// Trains all members until none has gained on the held-out share for as long as the settings' patience, and keeps the best
/// weights of each. With nothing held out they train to the last step. `resumed` is what [`Moment::save`] gave in a
/// training on the same lesson, which comes to the same weights as if it had not been stopped.
pub(super) fn train(
    forecaster: &mut dyn Forecaster,
    settings: &WorldModelSettings,
    lesson: &Lesson,
    resumed: Option<&[u8]>,
    watch: &mut dyn FnMut(Moment<'_>),
) -> Result<Fit, LearnError> {
    let Lesson { training, held_out, seed, .. } = lesson;
    let members = settings.members;
    let mut state = State::new(forecaster, members);
    // One that can't be read costs the time that it would have saved.
    if let Some(bytes) = resumed {
        let _ = state.restore(forecaster, lesson, bytes);
    }
    let mut weights = forecaster.weights().flat();
    let rates = weights.ones_like();
    let batch = (settings.batch as usize).min(training.size());
    let mut orders: Vec<Batches> = (0..members as u64).map(|member| Batches::new(lesson, member)).collect();
    for order in &mut orders {
        (0..state.step).for_each(|_| drop(order.next(batch)));
    }
    // So seldom that looking takes less time than training.
    let look = LOOK.max(2 * held_out.size() as u32 / batch as u32);
    while state.step < lesson.optimizer_steps && !state.waited_long_enough(settings.patience) {
        let rows: Vec<i64> = orders.iter_mut().flat_map(|order| order.next(batch)).collect();
        // Dropout draws from libtorch's generator: seeded for each step, a training that is repeated is the same.
        tch::manual_seed(Random::stream(*seed, &[members as u64, state.step.into()]).bits() as i64);
        let losses = forecaster.losses(&training.rows(&rows), settings.dropout);
        let mut gradient = forecaster.weights().gradient(&losses.sum(tch::Kind::Float));
        if !clip_norm(&mut gradient, Some(LONGEST * (members as f64).sqrt())).is_finite() {
            return Err(LearnError::ForecastNotFinite { optimizer_step: state.step });
        }
        let rate = learning_rate(settings, state.step);
        let _ = no_grad(|| weights.g_mul_scalar_(1.0 - rate * settings.weight_decay));
        state.adam.step(&mut weights, &gradient, rate, &rates);
        state.step += 1;
        if state.step.is_multiple_of(look) {
            let held_out_loss = (held_out.steps() > 0).then(|| {
                let losses = measure(held_out, members, &|rows| forecaster.losses(rows, 0.0));
                state.best.look(state.step, forecaster, &losses);
                mean(losses.into_iter())
            });
            let save = || state.save(forecaster, lesson);
            let (step, steps) = (state.step, lesson.optimizer_steps);
            let loss = mean(to_vec(&losses).into_iter().map(f64::from));
            watch(Moment { step, steps, loss, held_out_loss, save: &save });
        }
    }
    if state.best.last() > 0 {
        forecaster.weights_mut().set(&state.best.weights);
    }
    Ok(Fit {
        trajectories: training.size() as f64,
        held_out: held_out.size() as f64,
        loss: mean(measure(&training.some(MANY), members, &|rows| forecaster.losses(rows, 0.0)).into_iter()),
        held_out_loss: state.best.looked().then(|| mean(state.best.losses.iter().copied())),
        optimizer_steps: mean(state.best.steps.iter().map(|step| f64::from(*step))),
        outside: training.outside,
    })
}

/// Mean over all env steps of `examples` of what `of` gives for each member's rows (K), some trajectories at a time.
pub(super) fn measure(examples: &Examples, members: usize, of: &dyn Fn(&Examples) -> Tensor) -> Vec<f64> {
    let (mut sums, mut env_steps) = (vec![0.0; members], 0.0);
    let size = examples.size() as i64;
    for from in (0..size).step_by(AT_ONCE as usize) {
        let to = (from + AT_ONCE).min(size);
        let count = examples.rows(&(from..to).collect::<Vec<_>>()).steps() as f64;
        let rows: Vec<i64> = (0..members).flat_map(|_| from..to).collect();
        let losses = to_vec(&no_grad(|| of(&examples.rows(&rows))));
        sums.iter_mut().zip(losses).for_each(|(sum, loss)| *sum += count * f64::from(loss));
        env_steps += count;
    }
    sums.into_iter().map(|sum| sum / env_steps).collect()
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

/// All that a training changes, beside the weights.
struct State {
    step: u32,
    adam: Adam,
    best: Best,
}

// Parts of a training's file.
const DATA: &str = "training";
const WEIGHTS: &str = "weights.";
const MEAN: &str = "mean.";
const SQUARE: &str = "square.";
const BEST: &str = "best.";

/// What stands in it beside tensors.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    /// What tells lessons apart.
    lesson: [u64; 3],
    step: u32,
    /// None where a member has not been looked at yet: infinity has no JSON.
    losses: Vec<Option<f64>>,
    steps: Vec<u32>,
}

impl Lesson {
    fn name(&self) -> [u64; 3] {
        [self.seed, self.training.size() as u64, self.held_out.size() as u64]
    }
}

impl State {
    fn new(forecaster: &dyn Forecaster, members: usize) -> Self {
        let weights = forecaster.weights().flat();
        Self { step: 0, adam: Adam::new(weights.numel(), weights.device()), best: Best::new(&weights, members) }
    }

    fn waited_long_enough(&self, patience: Option<u32>) -> bool {
        patience.is_some_and(|patience| self.best.looked() && self.step - self.best.last() >= patience)
    }

    fn save(&self, forecaster: &dyn Forecaster, lesson: &Lesson) -> Vec<u8> {
        let (mut writer, weights) = (Writer::default(), forecaster.weights());
        let losses = self.best.losses.iter().map(|loss| loss.is_finite().then_some(*loss)).collect();
        writer.data(DATA, &Data { lesson: lesson.name(), step: self.step, losses, steps: self.best.steps.clone() });
        writer.tensors(WEIGHTS, weights, &weights.flat());
        writer.tensors(MEAN, weights, &self.adam.mean);
        writer.tensors(SQUARE, weights, &self.adam.square);
        writer.tensors(BEST, weights, &self.best.weights);
        writer.finish()
    }

    fn restore(
        &mut self,
        forecaster: &mut dyn Forecaster,
        lesson: &Lesson,
        bytes: &[u8],
    ) -> Result<(), CheckpointError> {
        let reader = Reader::open(bytes)?;
        let data: Data = reader.data(DATA)?;
        same("lesson", &data.lesson, &lesson.name())?;
        same("number of members", &data.steps.len(), &self.best.steps.len())?;
        let read = |part: &str| reader.tensors(part, forecaster.weights());
        let (weights, mean, square, best) = (read(WEIGHTS)?, read(MEAN)?, read(SQUARE)?, read(BEST)?);
        forecaster.weights_mut().set(&weights);
        self.adam.mean.copy_(&mean);
        self.adam.square.copy_(&square);
        self.adam.steps = data.step.into();
        self.step = data.step;
        no_grad(|| self.best.weights.copy_(&best));
        self.best.losses = data.losses.into_iter().map(|loss| loss.unwrap_or(f64::INFINITY)).collect();
        self.best.steps = data.steps;
        Ok(())
    }
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

    fn look(&mut self, step: u32, forecaster: &dyn Forecaster, losses: &[f64]) {
        for (member, loss) in losses.iter().enumerate() {
            if *loss < self.losses[member] {
                (self.losses[member], self.steps[member]) = (*loss, step);
                forecaster.weights().keep_member(&self.weights, member);
            }
        }
    }

    /// Whether there is something held out to look at.
    fn looked(&self) -> bool {
        self.losses.iter().any(|loss| loss.is_finite())
    }

    /// Step at which a member gained last.
    fn last(&self) -> u32 {
        self.steps.iter().copied().max().unwrap_or_default()
    }
}
