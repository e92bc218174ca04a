//! The tuning problem in plain numbers: what is measured, what is steered, what a decision does and what it earns.
//!
//! Owns every formula that training and serving must share (observation, action arithmetic, reward, draws, symbols),
//! so that agent, learner and simulation cannot drift apart. Must not know async, clocks, I/O or tensors.
//! Start reading at [`Problem`], then [`Steering`] (actions) and [`Observer`] (what a policy sees).

mod draw;
mod encoding;
#[cfg(test)]
mod fixtures;
mod hyperparameter;
mod metric;
mod observation;
mod problem;
mod quantile;
mod random;
mod reading;
mod recipe;
mod reward;
mod schedule;
mod steering;
mod steps;
mod symbols;
mod trajectory;

pub use draw::{Draw, Draws, Stage, Task};
pub use encoding::{EncodingError, FixedPrecision};
pub use hyperparameter::Hyperparameter;
pub use metric::{Metric, Scale};
pub use observation::{Inputs, Observer};
pub use problem::{Problem, ProblemError};
pub use quantile::{quantile, quantiles};
pub use random::{Random, sample};
pub use reading::{Reader, Reading};
pub use recipe::{Recipe, RecipeSpace};
pub use reward::{Direction, Objective, rewards};
pub use schedule::{Decay, Schedule};
pub use steering::Steering;
pub use steps::{Steps, StepsError};
pub use symbols::SymbolCode;
pub use trajectory::{Decision, History, Keep, Outcome, Step, Trajectory, TrajectoryKey, counted};
