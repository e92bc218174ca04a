//! Bodies of answers, read up to a limit.

use bytes::{Bytes, BytesMut};

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than allowed.
    #[error("the body has more than {limit} bytes")]
    TooLong {
        /// Bytes allowed.
        limit: usize,
    },
    /// It broke off, or took too long.
    #[error("the body broke off")]
    Transport(#[from] reqwest::Error),
}

/// Reads the body of `response` as it arrives; stops as soon as it is known to exceed `limit` bytes.
pub async fn read_bounded(mut response: reqwest::Response, limit: usize) -> Result<Bytes, BodyError> {
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(BodyError::TooLong { limit });
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Err(BodyError::TooLong { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
