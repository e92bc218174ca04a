//! Metrics that a trainer does not report but shows, as Prometheus text at a port of its own: read anew for each report.

use std::error::Error as _;

use reqwest::Client;
use wire::agent::TrainerPage as Settings;
use wire::client::{ClientError, loopback_page};
use wire::exposition::{Limits, Reason, Sample, Selector, TextError, samples};
use wire::http::{Timeouts, loopback_client};
use wire::tls::TlsError;

use crate::report::{Metrics, Refusal};

/// Most samples of a family that a refusal lists.
const LISTED: usize = 8;

/// Where the page is, and what is looked for there.
#[derive(Debug)]
pub struct TrainerPage {
    client: Client,
    url: String,
    /// By metric, in their order.
    wanted: Vec<(String, Selector)>,
}

/// Why there is no such page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// Nobody said where it is.
    #[error("metrics are read from the trainer's own page, but --metrics-port is missing")]
    Port,
    /// A sample is not named as one.
    #[error("{metric} is read from {selector:?}, which is no sample: {reason}")]
    Selector {
        /// The metric.
        metric: String,
        /// Where it should be read from.
        selector: String,
        /// What was expected.
        reason: Reason,
    },
    /// There is no client.
    #[error("no client for HTTP")]
    Client(#[from] TlsError),
}

impl TrainerPage {
    /// The page at `port` on loopback.
    pub fn new(settings: &Settings, port: Option<u16>) -> Result<Self, PageError> {
        let port = port.ok_or(PageError::Port)?;
        let wanted = settings.metrics.iter().map(|(metric, text)| match Selector::parse(text) {
            Ok(selector) => Ok((metric.clone(), selector)),
            Err(reason) => Err(PageError::Selector { metric: metric.clone(), selector: text.clone(), reason }),
        });
        Ok(Self {
            client: loopback_client(Timeouts::REQUEST)?,
            url: format!("http://127.0.0.1:{port}{}", settings.path),
            wanted: wanted.collect::<Result<_, _>>()?,
        })
    }

    /// What was not reported, from the page.
    ///
    /// # Errors
    /// If there is no page, or not exactly one sample for a metric. It may be tried again.
    pub async fn missing(&self, reported: &Metrics) -> Result<Metrics, Refusal> {
        let missing: Vec<_> = self.wanted.iter().filter(|(metric, _)| !reported.contains_key(metric)).collect();
        if missing.is_empty() {
            return Ok(Metrics::new());
        }
        let limits = Limits::default();
        let page = loopback_page(&self.client, &self.url, limits.bytes).await.map_err(|error| self.unread(&error))?;
        let unreadable = |error: TextError| self.refuse(error.to_string());
        let samples = samples(&page, &limits).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(unreadable)?;
        let found = |(metric, selector): &(String, Selector)| {
            let value = one(metric, selector, &samples).map_err(|problem| self.refuse(problem))?;
            Ok((metric.clone(), value))
        };
        missing.into_iter().map(found).collect()
    }

    fn unread(&self, error: &ClientError) -> Refusal {
        let cause = error.source().map(|cause| format!(" ({cause})")).unwrap_or_default();
        self.refuse(format!("{error}{cause}"))
    }

    fn refuse(&self, problem: String) -> Refusal {
        Refusal::Page { url: self.url.clone(), problem }
    }
}

/// The number of the one sample that is meant, none if it is not finite; or what is wrong.
fn one(metric: &str, selector: &Selector, samples: &[Sample<'_>]) -> Result<Option<f64>, String> {
    let meant: Vec<&Sample<'_>> = samples.iter().filter(|sample| selector.matches(sample)).collect();
    match meant.as_slice() {
        [sample] => Ok(sample.value.parse().ok().filter(|value: &f64| value.is_finite())),
        [] => {
            let named = listed(samples.iter().filter(|sample| sample.name == selector.name()));
            let named = if named.is_empty() { "none of that name" } else { &named };
            Err(format!("it has no {selector} for {metric}: it has {named}"))
        }
        several => {
            let several = listed(several.iter().copied());
            Err(format!("{selector} for {metric} is {several}, expected labels that only one of them has"))
        }
    }
}

fn listed<'s>(samples: impl Iterator<Item = &'s Sample<'s>>) -> String {
    let mut samples: Vec<String> = samples.map(ToString::to_string).collect();
    let more = samples.len().saturating_sub(LISTED);
    samples.truncate(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    samples.join(" and ") + &more
}
