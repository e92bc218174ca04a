//! Keeps the stream of policies from the learner open and hands on what is newer and sound.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::watch;
use tuning::Problem;
use wire::artifact::MAX_BYTES;
use wire::learner::{Frame, POLICY_PATH};

use crate::pilot::Published;
use crate::policy::Policy;

/// Why a stream ended; another one is opened.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No connection, or it broke.
    #[error("the stream broke")]
    Transport(#[from] reqwest::Error),
    /// The learner has none for us.
    #[error("the learner answered {0}")]
    Status(reqwest::StatusCode),
    /// More bytes than any policy has.
    #[error("an artifact of {0} bytes was announced, {MAX_BYTES} are allowed")]
    TooLong(u64),
    /// The learner closed it.
    #[error("the learner closed the stream")]
    Closed,
}

/// Follows the learner at `address` for ever, across its restarts.
pub async fn follow(
    client: reqwest::Client,
    address: &str,
    problem: &'static Problem,
    policies: watch::Sender<Option<Published<'static>>>,
) -> Infallible {
    // Many agents lose the same learner at the same moment: jitter keeps them from coming back together.
    let pauses = ExponentialBuilder::new()
        .with_jitter()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(5))
        .without_max_times();
    let mut pause = pauses.build();
    loop {
        let received = |version, artifact: Bytes| {
            pause = pauses.build();
            take(version, &artifact, problem, &policies);
        };
        if let Err(error) = stream(&client, address, received).await {
            tracing::info!(error = &error as &dyn std::error::Error, "no policies from the learner for now");
        }
        tokio::time::sleep(pause.next().unwrap_or_default()).await;
    }
}

/// Reads one stream to its end.
async fn stream(
    client: &reqwest::Client,
    address: &str,
    mut received: impl FnMut(u64, Bytes),
) -> Result<(), LinkError> {
    let mut response = client.get(wire::http::url(address, POLICY_PATH)).send().await?;
    if !response.status().is_success() {
        return Err(LinkError::Status(response.status()));
    }
    let mut frames = Frames::default();
    while let Some(chunk) = response.chunk().await? {
        frames.0.extend_from_slice(&chunk);
        while let Some((version, artifact)) = frames.next()? {
            received(version, artifact);
        }
    }
    Err(LinkError::Closed)
}

/// Hands on a policy that is newer than what there is. What can't be used is left aside: the last good one stays.
fn take(
    version: u64,
    artifact: &[u8],
    problem: &'static Problem,
    policies: &watch::Sender<Option<Published<'static>>>,
) {
    if policies.borrow().as_ref().is_some_and(|known| known.version >= version) {
        return;
    }
    match Policy::load(artifact, problem) {
        Ok(policy) => {
            tracing::info!(version, bytes = artifact.len(), "new policy");
            policies.send_replace(Some(Published { version, policy: Arc::new(policy) }));
        }
        Err(error) => tracing::warn!(version, error = &error as &dyn std::error::Error, "policy left aside"),
    }
}

/// Bytes received of a stream of frames.
#[derive(Debug, Default)]
struct Frames(BytesMut);

impl Frames {
    /// Version and artifact of the next whole frame.
    fn next(&mut self) -> Result<Option<(u64, Bytes)>, LinkError> {
        let Some(head) = self.0.first_chunk() else {
            return Ok(None);
        };
        let Frame { version, length } = Frame::decode(*head);
        if length > MAX_BYTES as u64 {
            return Err(LinkError::TooLong(length));
        }
        if self.0.len() - Frame::LENGTH < length as usize {
            return Ok(None);
        }
        self.0.advance(Frame::LENGTH);
        Ok(Some((version, self.0.split_to(length as usize).freeze())))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{config, network};

    fn frame(version: u64, artifact: &[u8]) -> Vec<u8> {
        [&Frame { version, length: artifact.len() as u64 }.encode()[..], artifact].concat()
    }

    proptest! {
        #[test]
        fn frames_come_out_whole_however_the_stream_is_cut(
            artifacts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 1..5), cut in 1_usize..40,
        ) {
            let stream: Vec<u8> = artifacts.iter().zip(1..).flat_map(|(artifact, v)| frame(v, artifact)).collect();
            let (mut frames, mut out) = (Frames::default(), Vec::new());
            for chunk in stream.chunks(cut) {
                frames.0.extend_from_slice(chunk);
                while let Some((version, artifact)) = frames.next().unwrap() {
                    out.push((version, artifact.to_vec()));
                }
            }
            prop_assert_eq!(out, (1..).zip(artifacts).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_artifact_that_is_too_long_is_refused_before_it_is_read() {
        let head = Frame { version: 1, length: MAX_BYTES as u64 + 1 }.encode();
        assert!(matches!(Frames(BytesMut::from(&head[..])).next(), Err(LinkError::TooLong(_))));
    }

    #[test]
    fn older_and_broken_policies_are_left_aside() {
        let problem: &'static Problem = Box::leak(Box::new(config().problem));
        let policies = watch::Sender::new(None);
        let version = || policies.borrow().as_ref().map(|known: &Published| known.version);
        let sound = network(problem, 1, 0.1);
        let steps: [(u64, &[u8], Option<u64>); 6] = [
            (3, b"broken", None),
            (2, &sound, Some(2)),
            (1, &sound, Some(2)),
            (5, &sound[..100], Some(2)),
            (4, &sound, Some(4)),
            (4, &sound, Some(4)),
        ];
        for (offered, artifact, expected) in steps {
            take(offered, artifact, problem, &policies);
            assert_eq!(version(), expected);
        }
    }
}
