//! HTTP between our programs: clients and servers that know each other's role, and bounded reading of answers.

mod body;
mod listener;
mod roles;

use std::time::Duration;

pub use body::{BodyError, read_bounded};
pub use listener::{Listener, Peer};
pub use roles::allow;

use crate::tls::{Identity, Role, TlsError, believes_nobody};

/// How long a client waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For a whole exchange, from dialling to the last byte; none for streams without an end.
    pub total: Option<Duration>,
}

impl Timeouts {
    /// For a request with an answer: 1 s and 5 s.
    pub const REQUEST: Self = Self { connect: Duration::from_secs(1), total: Some(Duration::from_secs(5)) };

    /// For a long answer, or one that is waited for: 1 s, and 2 minutes.
    pub const TRANSFER: Self = Self { connect: Duration::from_secs(1), total: Some(Duration::from_secs(120)) };

    /// For a stream that stays open.
    pub const STREAM: Self = Self { connect: Duration::from_secs(1), total: None };
}

/// How long a silent connection is believed to be alive before, and between, probes.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// A client that proves to be `identity` and talks only to servers that prove to be `expects` of the same experiment.
///
/// It follows no redirect, uses no proxy, and decompresses nothing.
pub fn client(identity: &Identity, expects: Role, timeouts: Timeouts) -> Result<reqwest::Client, TlsError> {
    let secured = builder(timeouts).tls_backend_preconfigured(identity.client_config(expects)?).https_only(true);
    Ok(secured.build()?)
}

/// A client for plain HTTP to a program on the same loopback, with the same manners.
///
/// # Errors
/// If the system lacks what every client needs.
pub fn loopback_client(timeouts: Timeouts) -> Result<reqwest::Client, TlsError> {
    Ok(builder(timeouts).tls_backend_preconfigured(believes_nobody()?).build()?)
}

fn builder(timeouts: Timeouts) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tcp_nodelay(true)
        .tcp_keepalive(KEEPALIVE)
        .tcp_keepalive_interval(KEEPALIVE)
        .tcp_keepalive_retries(3)
        .connect_timeout(timeouts.connect);
    match timeouts.total {
        Some(total) => builder.timeout(total),
        None => builder,
    }
}

/// URL of `path` at `address`, which is `HOST:PORT`.
pub fn url(address: &str, path: &str) -> String {
    format!("https://{address}{path}")
}
