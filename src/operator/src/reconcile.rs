//! One round for one experiment: observe, validate, plan, apply. What goes wrong is told and tried again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{Phase, Timestamp, TuningExperiment, TuningExperimentStatus, labels};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use plan::{Observed, Plan};
use wire::sentence;

use crate::caches::version;
use crate::context::Context;
use crate::error::OperatorError;
use crate::gathering::Gathering;
use crate::identities::{identity, renew};
use crate::writer::failed;
use crate::{apply, observe, pods};

/// Between a write and its being seen.
const SHORTLY: Duration = Duration::from_millis(100);
/// While a namespace goes, and after an error.
const LATER: Duration = Duration::from_secs(5);

/// One round.
///
/// # Errors
/// If something could not be read or written.
#[tracing::instrument(
    name = "round",
    skip_all,
    fields(namespace = experiment.namespace().unwrap_or_default(), experiment = experiment.name_any())
)]
pub async fn reconcile(experiment: Arc<TuningExperiment>, context: Arc<Context>) -> Result<Action, OperatorError> {
    let began = Instant::now();
    context.figures.begun(&experiment.namespace().unwrap_or_default(), &experiment.name_any());
    let done = round(&experiment, &context).await;
    context.figures.reconciled(began.elapsed(), done.as_ref().err().map(OperatorError::word));
    match done {
        // What is made of a spec that can't be brought about is known only now: it is the user who must act.
        Err(OperatorError::Render(error)) => {
            let observed = alone(&experiment);
            apply::apply(&context, &experiment, None, &plan::refuse(&observed, &[error.violation()])).await?;
            Ok(Action::await_change())
        }
        done => done,
    }
}

async fn round(experiment: &TuningExperiment, context: &Context) -> Result<Action, OperatorError> {
    let uid = experiment.uid().unwrap_or_default();
    if experiment.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    context.meet(&experiment.namespace().unwrap_or_default(), &experiment.name_any(), &uid);
    if version(experiment).unwrap_or(u64::MAX) < context.written(&uid) {
        return Err(OperatorError::Stale { kind: "TuningExperiment".to_owned(), name: experiment.name_any() });
    }
    let observed = alone(experiment);
    if let Err(violations) = plan::validate(&observed) {
        apply::apply(context, experiment, None, &plan::refuse(&observed, &violations)).await?;
        return Ok(Action::await_change());
    }
    if leaves_with_its_namespace(experiment, context).await? {
        return Ok(Action::requeue(LATER));
    }
    let gathering = match context.gatherings.of(&uid) {
        Some(gathering) => gathering,
        None => context.gatherings.begin(experiment, identity(&context.writer, experiment).await?)?,
    };
    renew_in_time(experiment, context, &gathering).await;
    let observed = observe::observe(context, experiment, &gathering).await?;
    let plan: Plan = match plan::validate(&observed) {
        Ok(valid) => plan::plan(&valid),
        Err(violations) => plan::refuse(&observed, &violations),
    };
    context.figures.planned(experiment, &plan);
    apply::apply(context, experiment, Some(&gathering), &plan).await?;
    if is_over(&plan.status) {
        context.gatherings.forget(&uid);
    }
    Ok(plan.requeue.map_or_else(Action::await_change, Action::requeue))
}

/// What keeps identities from being issued anew holds up nothing: the ones that there are have a third of their life left.
async fn renew_in_time(experiment: &TuningExperiment, context: &Context, gathering: &Gathering) {
    if gathering.wants_renewal()
        && let Err(error) = renew(&context.writer, experiment, &gathering.identity).await
    {
        tracing::warn!(error = &error as &dyn std::error::Error, "identities stay as they are");
    }
}

/// Whether the namespace is being deleted. Its pods go first, and each of a Job that tries indices again waits for the pod that
/// follows it, which nobody may make any more: without their Jobs they wait for nothing.
async fn leaves_with_its_namespace(experiment: &TuningExperiment, context: &Context) -> Result<bool, OperatorError> {
    let (name, own) = (experiment.name_any(), experiment.namespace().unwrap_or_default());
    let goes = |pod: &Pod| pod.metadata.deletion_timestamp.is_some() && pods::has_role(pod, labels::TRAJECTORY);
    if !context.caches.pods.of(&own, &name).iter().any(|pod| goes(pod)) {
        return Ok(false);
    }
    let namespaces: Api<Namespace> = Api::all(context.writer.client().clone());
    let namespace = namespaces.get_opt(&own).await.map_err(|error| failed::<Namespace>("read", &own, error))?;
    if namespace.is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_none()) {
        return Ok(false);
    }
    for job in context.caches.jobs.of(&own, &name) {
        context.writer.delete::<Job>(&job).await?;
    }
    Ok(true)
}

/// What to do after a round that failed.
pub fn after_error(experiment: Arc<TuningExperiment>, error: &OperatorError, _: Arc<Context>) -> Action {
    if matches!(error, OperatorError::Stale { .. }) {
        return Action::requeue(SHORTLY);
    }
    let (namespace, name) = (experiment.namespace().unwrap_or_default(), experiment.name_any());
    tracing::warn!(namespace, experiment = name, error = sentence(error), "tried again later");
    Action::requeue(LATER)
}

/// The experiment, with nothing seen of what belongs to it.
fn alone(experiment: &TuningExperiment) -> Observed {
    let (repetitions, policies) = Default::default();
    Observed { now: Timestamp::now(), experiment: experiment.clone(), repetitions, policies }
}

fn is_over(status: &TuningExperimentStatus) -> bool {
    matches!(status.phase, Phase::Complete | Phase::Failed)
}
