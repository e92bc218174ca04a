//! Downloads: bounded in bytes and in waiting, into a file that is gone when it is dropped.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempPath;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use crate::data::target;

/// To a connection, and to each piece of an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Gets `url` into a file in `folder`.
pub fn get(url: &str, limit: u64, folder: &Path) -> Result<TempPath> {
    let mut response = agent().get(url).call().with_context(|| format!("cannot get {url}"))?;
    let status = response.status();
    ensure!(status == 200, "{url} answers with status {}, expected 200", status.as_u16());
    let expected = response.body().content_length();
    ensure!(
        expected.is_none_or(|bytes| bytes <= limit),
        "{url} has {} bytes, expected at most {limit}",
        expected.unwrap_or_default()
    );
    let context = || format!("cannot keep what {url} has in {}", folder.display());
    let mut file = target::temporary(folder).with_context(context)?;
    let mut body = response.body_mut().as_reader().take(limit + 1);
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let read = match body.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.with_context(|| format!("{url} broke off after {bytes} bytes"))?,
        };
        if read == 0 {
            break;
        }
        file.write_all(&buffer[..read]).with_context(context)?;
        bytes += read as u64;
    }
    ensure!(bytes <= limit, "{url} has more than {limit} bytes");
    ensure!(
        expected.is_none_or(|expected| bytes == expected),
        "{url} broke off after {bytes} of {} bytes",
        expected.unwrap_or_default()
    );
    Ok(file.into_temp_path())
}

fn agent() -> Agent {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .build();
    config.into()
}
