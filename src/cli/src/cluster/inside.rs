//! Programs run inside of pods, whose output comes here: it stays in no log, and no port has to be open.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::AttachParams;
use tokio::io::{AsyncReadExt, AsyncWrite};

/// Bytes that may wait here for a slow `out`.
const BUFFER: usize = 1 << 16;

/// Runs `command` in a container of a pod, and writes what it says to `out`.
///
/// # Errors
/// If it can't be started, which takes the rights to get and create `pods/exec`; if it fails, with its last words.
pub(super) async fn run(
    pods: &Api<Pod>,
    [pod, container]: [&str; 2],
    command: &[&str],
    out: &mut (impl AsyncWrite + Unpin),
) -> anyhow::Result<()> {
    let parameters = AttachParams::default().container(container).max_stdout_buf_size(BUFFER);
    let started = pods.exec(pod, command.iter().copied(), &parameters).await;
    let mut process = started.with_context(|| {
        format!("can't run a program in pod {pod}, which takes the rights to get and create pods/exec")
    })?;
    let (Some(mut stdout), Some(mut stderr), Some(status)) =
        (process.stdout(), process.stderr(), process.take_status())
    else {
        bail!("the program in pod {pod} can't be heard");
    };
    let mut said = String::new();
    let (copied, read, status) =
        tokio::join!(tokio::io::copy(&mut stdout, out), stderr.read_to_string(&mut said), status);
    copied.and(read).with_context(|| format!("what the program in pod {pod} said was cut off"))?;
    process.join().await.with_context(|| format!("the connection to pod {pod} broke off"))?;
    match status {
        Some(status) if status.status.as_deref() == Some("Success") => Ok(()),
        status => {
            let mut sentence = format!("the program in pod {pod} failed");
            let last = said.lines().next_back().map(str::to_owned);
            if let Some(why) = last.or(status.and_then(|status| status.message)) {
                let _ = write!(sentence, ": {why}");
            }
            bail!(sentence)
        }
    }
}
