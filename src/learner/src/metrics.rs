//! What Prometheus sees of learners: gauges, made when it asks.

use prometheus::{Encoder, Gauge, GaugeVec, Opts, Registry, TextEncoder};
use wire::forecast::ForecastScores;

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
        let whole = [
            ("coverage", "Share of measured values within the middle 80 % of their forecasts.", Some(scores.coverage)),
            ("bias", "Mean forecast objective at the end, less the real one.", Some(scores.bias)),
            ("rank_correlation", "Kendall's tau of forecast and real objective.", scores.rank_correlation),
        ];
        for (word, help, value) in whole {
            self.add(&name(word), help, value.unwrap_or(f64::NAN));
        }
        let each = [
            ("crps", "Continuous ranked probability score of forecasts from the start."),
            ("last_value_crps", "The same of a forecast that nothing changes."),
            ("squared_error", "Squared error of the mean forecast from the start."),
            ("last_value_squared_error", "The same of a forecast that nothing changes."),
        ];
        for (place, (word, help)) in each.into_iter().enumerate() {
            let gauges = GaugeVec::new(self.opts(&name(word), help), &["metric", "env_steps"]);
            let gauges = gauges.expect("names are made of letters and underscores");
            for metric in &scores.metrics {
                for h in &metric.horizons {
                    let value = [h.crps, h.last_value_crps, h.squared_error, h.last_value_squared_error][place];
                    gauges.with_label_values(&[metric.metric.as_str(), &h.env_steps.to_string()]).set(value);
                }
            }
            let _ = self.registry.register(Box::new(gauges));
        }
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
