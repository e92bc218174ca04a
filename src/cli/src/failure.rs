//! What a failed command tells the shell.

use std::process::ExitCode;

/// Something that was given is not as it should be: the sentence names it and says what was expected.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadInput(pub(crate) String);

/// 2 for bad input (as clap exits with for bad arguments), 1 for every other fault.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(if error.chain().any(|cause| cause.is::<BadInput>()) { 2 } else { 1 })
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn bad_input_is_told_apart_from_faults_below_any_context() {
        let bad = Err::<(), _>(BadInput("x".to_owned())).context("somewhere").map_err(|error| exit_code(&error));
        assert_eq!(bad, Err(ExitCode::from(2)));
        assert_eq!(exit_code(&anyhow::anyhow!("disk full")), ExitCode::from(1));
    }
}
