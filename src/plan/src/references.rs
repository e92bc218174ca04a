//! References to TuningPolicies: looked up once, checked for fit, and held to from then on, whatever becomes of them.

use api::{PolicyReference, ResolvedArtifact, ResolvedStatus, TuningExperiment, TuningPolicySpec, Violation, meaning};
use tuning::Problem;
use wire::artifact::fits;
use wire::settings::Algorithm;

use crate::Observed;

/// Where the policy of a reference, and the datasets of references, stand in the spec.
const POLICY: &str = "spec.algorithm.policy.from.policyRef";
const DATASETS: &str = "spec.initialData.policyRefs";

/// What references have come to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum References {
    /// They are known; none where there are no references.
    Resolved(Option<ResolvedStatus>),
    /// A TuningPolicy of this name is not there yet.
    Missing(String),
}

/// Names of the TuningPolicies that must be looked up for an experiment: none, once they have been.
pub fn references(experiment: &TuningExperiment) -> Vec<String> {
    if resolved(experiment).is_some() {
        return Vec::new();
    }
    let policy = policy(experiment).map(|reference| &reference.name);
    policy.into_iter().chain(datasets(experiment)).cloned().collect()
}

/// Looks them up.
///
/// # Errors
/// If one is there and can't be used.
pub(crate) fn resolve(observed: &Observed, problem: &Problem) -> Result<References, Vec<Violation>> {
    let experiment = &observed.experiment;
    if let Some(resolved) = resolved(experiment) {
        return Ok(References::Resolved(Some(resolved.clone())));
    }
    let names = references(experiment);
    if names.is_empty() {
        return Ok(References::Resolved(None));
    }
    if let Some(missing) = names.into_iter().find(|name| !observed.policies.contains_key(name)) {
        return Ok(References::Missing(missing));
    }
    let mut resolved = ResolvedStatus::default();
    if let Some(reference) = policy(experiment) {
        resolved.policy = Some(artifact(reference, &observed.policies[&reference.name], problem)?);
    }
    for name in datasets(experiment) {
        resolved.datasets.push(dataset(name, &observed.policies[name], problem)?);
    }
    Ok(References::Resolved(Some(resolved)))
}

/// Puts in the place of references what they were resolved to.
pub(crate) fn put_in(algorithm: &mut Algorithm, resolved: &ResolvedStatus) {
    match (algorithm, &resolved.policy) {
        (Algorithm::Frozen(frozen), Some(artifact)) => {
            (frozen.place, frozen.sha256) = (artifact.url.clone(), Some(artifact.sha256.clone()));
        }
        (Algorithm::Simple(settings), _) => settings.initial_data.from.extend(resolved.datasets.iter().cloned()),
        _ => {}
    }
}

fn resolved(experiment: &TuningExperiment) -> Option<&ResolvedStatus> {
    experiment.status.as_ref()?.resolved.as_ref()
}

fn policy(experiment: &TuningExperiment) -> Option<&PolicyReference> {
    experiment.spec.algorithm.policy.as_ref()?.from.policy_ref.as_ref()
}

fn datasets(experiment: &TuningExperiment) -> impl Iterator<Item = &String> {
    experiment.spec.initial_data.iter().flat_map(|data| &data.policy_refs).map(|reference| &reference.name)
}

fn artifact(
    reference: &PolicyReference,
    policy: &TuningPolicySpec,
    problem: &Problem,
) -> Result<ResolvedArtifact, Vec<Violation>> {
    let name = &reference.name;
    if let Err(misfit) = fits(&meaning::problem_of_policy(policy), problem) {
        return Err(wrong(POLICY, format!("TuningPolicy {name} does not fit: {misfit}")));
    }
    let wanted = reference.repetition.unwrap_or(policy.best);
    match policy.artifacts.iter().find(|artifact| artifact.repetition == wanted) {
        Some(artifact) => Ok(ResolvedArtifact { url: artifact.url.clone(), sha256: artifact.sha256.clone() }),
        None => Err(wrong(POLICY, format!("TuningPolicy {name} has no policy of repetition {wanted}"))),
    }
}

fn dataset(name: &str, policy: &TuningPolicySpec, problem: &Problem) -> Result<String, Vec<Violation>> {
    if let Some((what, theirs, ours)) = meaning::problem_of_policy(policy).trajectories_differ(problem) {
        let sentence = format!("the data of TuningPolicy {name} does not fit: its {what} is {theirs}, expected {ours}");
        return Err(wrong(DATASETS, sentence));
    }
    let lost = || format!("TuningPolicy {name} has no dataset: its experiment's learners kept it on volumes");
    policy.dataset.clone().ok_or_else(|| wrong(DATASETS, lost()))
}

fn wrong(path: &str, message: String) -> Vec<Violation> {
    vec![Violation { path: path.to_owned(), message }]
}
