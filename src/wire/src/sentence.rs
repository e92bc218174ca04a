//! Errors as people and logs are told of them.

/// An error and all its causes in one line. Logs in JSON would leave out the causes.
pub fn sentence(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
