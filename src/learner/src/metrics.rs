//! What Prometheus sees of learners: gauges, made when it asks.

use prometheus::{Encoder, Gauge, GaugeVec, Opts, Registry, TextEncoder};
use wire::forecast::{ForecastScores, HorizonScores};

use crate::keep::Space;

/// Which score is meant.
type Score = fn(&HorizonScores) -> f64;

/// Gauges of one page, all of whose names begin alike.
pub(crate) struct Page {
    registry: Registry,
    prefix: &'static str,
}

impl Page {
    pub fn new(prefix: &'static str) -> Self {
        Self { registry: Registry::new(), prefix }
    }

    /// Adds a gauge; `name` is made of letters and underscores.
    pub fn add(&self, name: &str, help: &str, value: f64) {
        let gauge = Gauge::with_opts(self.opts(name, help)).expect("names are made of letters and underscores");
        gauge.set(value);
        // Two figures of one name would be a fault of ours; the first one stands.
        let _ = self.registry.register(Box::new(gauge));
    }

    /// Adds how good a world model's forecasts are, as gauges `…_forecast_…`.
    pub fn add_forecasts(&self, scores: &ForecastScores) {
        let name = |name: &str| format!("forecast_{name}");
        let disagreement = scores.disagreement.as_ref().and_then(|disagreement| disagreement.rank_correlation);
        let whole = [
            ("trajectories", "Trajectories replayed, which it was not trained on.", Some(scores.trajectories as f64)),
            ("surprise", "Negative log-likelihood of a symbol, or of a change of a metric, in nats.", scores.surprise),
            ("coverage", "Share of measured values within the middle 80 % of their forecasts.", Some(scores.coverage)),
            ("bias", "Mean forecast objective at the end, less the real one.", Some(scores.bias)),
            ("rank_correlation", "Kendall's tau of forecast and real objective.", scores.rank_correlation),
            (
                "disagreement_rank_correlation",
                "The same of members' disagreement and their mean's error.",
                disagreement,
            ),
        ];
        for (word, help, value) in whole {
            self.add(&name(word), help, value.unwrap_or(f64::NAN));
        }
        let help = "Share of measured values below a quantile of their forecasts.";
        let of_quantile = |[quantile, below]: &[f64; 2]| (vec![quantile.to_string()], *below);
        self.add_each(&name("calibration"), help, &["quantile"], scores.calibration.iter().map(of_quantile));
        let each: [(&str, &str, Score); 4] = [
            ("crps", "Continuous ranked probability score of forecasts from the start.", |h| h.crps),
            ("last_value_crps", "The same of a forecast that nothing changes.", |h| h.last_value_crps),
            ("squared_error", "Squared error of the mean forecast from the start.", |h| h.squared_error),
            ("last_value_squared_error", "The same of a forecast that nothing changes.", |h| {
                h.last_value_squared_error
            }),
        ];
        for (word, help, value) in each {
            let values = scores.metrics.iter().flat_map(|metric| {
                let labels = |h: &HorizonScores| vec![metric.metric.clone(), h.env_steps.to_string()];
                metric.horizons.iter().map(move |horizon| (labels(horizon), value(horizon)))
            });
            self.add_each(&name(word), help, &["metric", "env_steps"], values);
        }
    }

    /// Adds how much room is left where a learner keeps what it learns.
    pub fn add_space(&self, space: Space) {
        self.add("storage_bytes", "Size of the disk that it stores on.", space.total as f64);
        self.add("storage_free_bytes", "What is left of it.", space.free as f64);
    }

    /// Adds gauges of one name that differ in their labels.
    pub fn add_each(&self, name: &str, help: &str, labels: &[&str], values: impl Iterator<Item = (Vec<String>, f64)>) {
        let gauges = GaugeVec::new(self.opts(name, help), labels).expect("names are made of letters and underscores");
        values.for_each(|(labels, value)| gauges.with_label_values(&labels).set(value));
        let _ = self.registry.register(Box::new(gauges));
    }

    /// The page as Prometheus text.
    pub fn text(self) -> String {
        let mut text = Vec::new();
        let encoded = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        encoded.expect("writing to memory does not fail");
        String::from_utf8(text).expect("the encoder writes UTF-8")
    }

    fn opts(&self, name: &str, help: &str) -> Opts {
        Opts::new(format!("{}_{name}", self.prefix), help)
    }
}
