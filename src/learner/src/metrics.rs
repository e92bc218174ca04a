//! What Prometheus sees of a learner.

use prometheus::{Encoder, Gauge, GaugeVec, Opts, Registry, TextEncoder};
use wire::learner::ForecastScores;

use crate::Learner;

/// The learner's state as Prometheus text. Figures of learning become gauges `trainpilot_learner_NAME`.
pub fn render(learner: &Learner) -> String {
    let state = learner.state();
    let registry = Registry::new();
    let add = |name: &str, help: &str, value: f64| {
        let gauge = Gauge::with_opts(Opts::new(format!("trainpilot_learner_{name}"), help));
        let gauge = gauge.expect("names are made of letters and underscores");
        gauge.set(value);
        // Two figures of one name would be a fault of ours; the first one stands.
        let _ = registry.register(Box::new(gauge));
    };
    let gathering = state.gathering.unwrap_or_default();
    add("policy_version", "Version of the newest policy published.", state.policy_version as f64);
    add("epochs_learned", "Epochs gathered and learned from.", f64::from(state.epochs_learned));
    add("env_steps_trained", "Env steps really trained, failed attempts included.", state.env_steps_trained as f64);
    add("dataset_rows", "Rows committed to the dataset.", learner.rows() as f64);
    add("trajectories_completed", "Completed trajectories of the running epoch.", f64::from(gathering.completed));
    add("trajectories_diverged", "Diverged trajectories of the running epoch.", f64::from(gathering.diverged));
    add("trajectories_lost", "Lost trajectories of the running epoch.", f64::from(gathering.lost));
    if let Some(epoch) = state.epochs.last() {
        add("objective_mean", "Mean objective of the last learned epoch.", epoch.mean.unwrap_or(f64::NAN));
        add("objective_best", "Best objective of the last learned epoch.", epoch.best.unwrap_or(f64::NAN));
    }
    for (name, value) in learner.figures() {
        add(&name, "Figure of the last learned epoch.", value);
    }
    if let Some(forecasts) = learner.forecasts() {
        register_forecasts(&registry, &forecasts);
    }
    let mut text = Vec::new();
    let encoded = TextEncoder::new().encode(&registry.gather(), &mut text);
    encoded.expect("writing to memory does not fail");
    String::from_utf8(text).expect("the encoder writes UTF-8")
}

/// How good a world model's forecasts are, as gauges `trainpilot_learner_forecast_…`.
fn register_forecasts(registry: &Registry, scores: &ForecastScores) {
    let name = |name: &str| format!("trainpilot_learner_forecast_{name}");
    let whole = [
        ("coverage", "Share of measured values within the middle 80 % of their forecasts.", Some(scores.coverage)),
        ("bias", "Mean forecast objective at the end, less the real one.", Some(scores.bias)),
        ("rank_correlation", "Kendall's tau of forecast and real objective.", scores.rank_correlation),
    ];
    for (word, help, value) in whole {
        let gauge = Gauge::new(name(word), help).expect("names are made of letters and underscores");
        gauge.set(value.unwrap_or(f64::NAN));
        let _ = registry.register(Box::new(gauge));
    }
    let each = [
        ("crps", "Continuous ranked probability score of forecasts from the start."),
        ("last_value_crps", "The same of a forecast that nothing changes."),
        ("squared_error", "Squared error of the mean forecast from the start."),
        ("last_value_squared_error", "The same of a forecast that nothing changes."),
    ];
    for (place, (word, help)) in each.into_iter().enumerate() {
        let gauges = GaugeVec::new(Opts::new(name(word), help), &["metric", "env_steps"]);
        let gauges = gauges.expect("names are made of letters and underscores");
        for metric in &scores.metrics {
            for h in &metric.horizons {
                let value = [h.crps, h.last_value_crps, h.squared_error, h.last_value_squared_error][place];
                gauges.with_label_values(&[metric.metric.as_str(), &h.env_steps.to_string()]).set(value);
            }
        }
        let _ = registry.register(Box::new(gauges));
    }
}
