//! How good forecasts of trainings are, and what they look like.

use serde::{Deserialize, Serialize};

/// How good a world model's forecasts are: trainings that it never saw are replayed, each several times, under the values that
/// they really had.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForecastScores {
    /// Trainings replayed.
    pub trajectories: usize,
    /// Observation from which they are forecast: what came before it is known.
    #[serde(default)]
    pub from: u32,
    /// Negative log-likelihood of what was measured, all of the past being known, in nats: for each symbol drawn, or, of a
    /// density, for each change of a metric in the unit that networks see. The two can't be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surprise: Option<f64>,
    /// Share of what was measured, over all metrics and env steps, that lies within the middle 80 % of the forecasts.
    pub coverage: f64,
    /// For each of some quantiles of the forecasts, the share of what was measured that lies below it.
    #[serde(default)]
    pub calibration: Vec<[f64; 2]>,
    /// Kendall's rank correlation of the mean forecast objective at the end with the real one; none below two trainings.
    pub rank_correlation: Option<f64>,
    /// Mean forecast objective at the end, less the real one.
    pub bias: f64,
    /// Whether the members of an ensemble disagree where they err; none where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disagreement: Option<Disagreement>,
    /// Of each metric that is forecast.
    pub metrics: Vec<MetricScores>,
    /// Some of the trainings, with what was forecast of the objective.
    #[serde(default)]
    pub examples: Vec<Example>,
}

/// Disagreement of members, and error of their mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Disagreement {
    /// Kendall's rank correlation of the two; none where all are alike.
    pub rank_correlation: Option<f64>,
    /// Standard deviation over members of their mean forecast objective, and absolute error of the mean of all: for each
    /// training and horizon.
    pub points: Vec<[f64; 2]>,
}

/// A training, and what was forecast of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Example {
    /// Its epoch.
    pub epoch: u32,
    /// Its index.
    pub index: u32,
    /// Observation from which it is forecast.
    pub from: u32,
    /// Of each metric shown.
    pub curves: Vec<Curve>,
}

/// A metric over a training, and what was forecast of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Curve {
    /// Name of the metric.
    pub metric: String,
    /// What was measured, from observation 0 on.
    pub real: Vec<f64>,
    /// Quantiles 10, 50 and 90 % of the forecasts, from the first forecast observation on.
    pub quantiles: Vec<[f64; 3]>,
    /// Some single forecasts, likewise; each ends where it diverged.
    pub paths: Vec<Vec<f64>>,
}

/// Of one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricScores {
    /// Its name.
    pub metric: String,
    /// By how far the forecast reaches, ascending.
    pub horizons: Vec<HorizonScores>,
}

/// Of forecasts so many env steps ahead; means over trainings, in the metric's unit and its square.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HorizonScores {
    /// Env steps ahead.
    pub env_steps: u32,
    /// Continuous ranked probability score of the forecasts (Gneiting and Raftery 2007): 0 is perfect.
    pub crps: f64,
    /// The same of a forecast that nothing changes: its absolute error.
    pub last_value_crps: f64,
    /// Squared error of the mean forecast.
    pub squared_error: f64,
    /// The same of a forecast that nothing changes.
    pub last_value_squared_error: f64,
}

/// What a run's world model forecasts of one of its trainings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedForecast {
    /// Epoch up to which the world model was trained.
    pub world_model: u32,
    /// Whether it was trained on the training too.
    pub trained_on: bool,
    /// The forecast, of every metric.
    #[serde(flatten)]
    pub example: Example,
}

/// What a world model that was trained on a part of recorded curves makes of the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CurvesForecast {
    /// Curves that it was trained on.
    pub trained_on: usize,
    /// Curves of the table that lack steps and were left out.
    pub left_out: usize,
    /// Env steps of a curve.
    pub env_steps: u32,
    /// Negative log-likelihood of those trained on, in nats per env step.
    pub loss: f64,
    /// Seconds that training took.
    pub seconds: f64,
    /// Names of the others, so that whoever forecasts them too knows which they are.
    #[serde(default)]
    pub others: Vec<String>,
    /// How good its forecasts of those are.
    pub scores: ForecastScores,
    /// The same for each curve's own power law.
    pub power_law: Vec<MetricScores>,
}
