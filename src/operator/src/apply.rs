//! Brings a plan about: what is unwanted ends, what is wanted is made, learners are told, the status is written, and people
//! are told. Writes only what differs from what is there.

use api::{TuningExperiment, TuningPolicy, labels};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::events::{self, EventType, Recorder};
use kube::{Resource, ResourceExt};
use plan::render::{LEARNER_PORT, Object, Setting, config_map_name, network_policies, render};
use plan::{Directive, Event, Plan, Workload, WorkloadName};
use serde_json::json;
use sha2::{Digest, Sha256};
use wire::client::order_epoch;

use crate::caches::version;
use crate::context::Context;
use crate::error::{OperatorError, sentence};
use crate::gathering::Gathering;
use crate::pods;
use crate::writer::failed;

/// Brings the plan about.
///
/// # Errors
/// At the first write that fails; the next round begins anew.
pub async fn apply(
    context: &Context,
    experiment: &TuningExperiment,
    gathering: Option<&Gathering>,
    plan: &Plan,
) -> Result<(), OperatorError> {
    let work = Work { context, experiment, namespace: experiment.namespace().unwrap_or_default() };
    for name in &plan.unwanted {
        work.end(*name).await?;
    }
    for workload in &plan.wanted {
        work.want(workload).await?;
    }
    if let Some(gathering) = gathering {
        for directive in &plan.directives {
            work.tell(gathering, directive).await;
        }
    }
    let mut events = plan.events.clone();
    if let Some(policy) = &plan.policy {
        events.push(work.publish(policy).await?);
    }
    work.status(plan).await?;
    work.tell_people(&events).await;
    Ok(())
}

struct Work<'a> {
    context: &'a Context,
    experiment: &'a TuningExperiment,
    namespace: String,
}

impl Work<'_> {
    /// Puts a learner to rest, which keeps its volume; removes a batch.
    async fn end(&self, name: WorkloadName) -> Result<(), OperatorError> {
        let (writer, full) = (&self.context.writer, name.of(&self.experiment.name_any()));
        if !matches!(name, WorkloadName::Batch { .. }) {
            let Some(set) = self.context.caches.stateful_sets.get(&self.namespace, &full)? else { return Ok(()) };
            let rest = json!({"metadata": {"annotations": {labels::CONTENT: null}}, "spec": {"replicas": 0}});
            self.context.caches.stateful_sets.wrote(&writer.merge::<StatefulSet>(&set, &rest).await?);
            return Ok(());
        }
        if let Some(job) = self.context.caches.jobs.get(&self.namespace, &full)? {
            writer.delete::<Job>(&job).await?;
        }
        let mut config = ConfigMap::default();
        config.metadata.name = Some(config_map_name(self.experiment, name));
        config.metadata.namespace = Some(self.namespace.clone());
        writer.delete(&config).await
    }

    async fn want(&self, workload: &Workload) -> Result<(), OperatorError> {
        let name = workload.name().of(&self.experiment.name_any());
        if let Workload::Batch { parallelism, .. } = workload
            && let Some(job) = self.context.caches.jobs.get(&self.namespace, &name)?
        {
            return self.widen(&job, *parallelism).await;
        }
        let mut objects = render(&Setting { experiment: self.experiment, images: &self.context.images }, workload)?;
        if !matches!(workload, Workload::Batch { .. }) {
            let content = digest(&objects);
            let known = self.context.caches.stateful_sets.get(&self.namespace, &name)?;
            if known.is_some_and(|set| set.annotations().get(labels::CONTENT) == Some(&content)) {
                return Ok(());
            }
            for object in &mut objects {
                if let Object::StatefulSet(set) = object {
                    set.annotations_mut().insert(labels::CONTENT.to_owned(), content.clone());
                }
            }
            if workload.name() == (WorkloadName::PolicyLearner { repetition: 0 }) {
                for policy in network_policies(self.experiment) {
                    self.context.writer.apply(&policy).await?;
                }
            }
        }
        for object in &objects {
            self.make(object).await?;
        }
        Ok(())
    }

    /// How many trajectories of a batch run at once is all that changes of it.
    async fn widen(&self, job: &Job, parallelism: u32) -> Result<(), OperatorError> {
        let granted = job.spec.as_ref().and_then(|spec| spec.parallelism).unwrap_or_default();
        if granted == parallelism as i32 {
            return Ok(());
        }
        let change = json!({"spec": {"parallelism": parallelism}});
        self.context.caches.jobs.wrote(&self.context.writer.merge(job, &change).await?);
        Ok(())
    }

    async fn make(&self, object: &Object) -> Result<(), OperatorError> {
        let Context { writer, caches, .. } = self.context;
        match object {
            Object::ConfigMap(map) => writer.apply(map.as_ref()).await.map(drop),
            Object::Service(service) => writer.apply(service.as_ref()).await.map(drop),
            Object::StatefulSet(set) => writer.apply(set.as_ref()).await.map(|set| caches.stateful_sets.wrote(&set)),
            Object::Job(job) => writer.apply(job.as_ref()).await.map(|job| caches.jobs.wrote(&job)),
        }
    }

    /// A learner that does not take its order is told again in the next round.
    async fn tell(&self, gathering: &Gathering, Directive { repetition, order }: &Directive) {
        let name = WorkloadName::PolicyLearner { repetition: *repetition }.of(&self.experiment.name_any());
        let pod = self.context.caches.pods.get(&self.namespace, &format!("{name}-0")).ok().flatten();
        let Some(address) = pod.as_deref().and_then(|pod| pods::address(pod, LEARNER_PORT)) else { return };
        if let Err(error) = order_epoch(&gathering.to_learners, &address, order).await {
            tracing::warn!(repetition, error = sentence(&error), "the learner did not take its order");
        }
    }

    /// Writes the TuningPolicy, unless it would take the place of one that another experiment learned; what to tell of it.
    async fn publish(&self, policy: &TuningPolicy) -> Result<Event, OperatorError> {
        let (writer, name) = (&self.context.writer, policy.name_any());
        let known = writer.api::<TuningPolicy>(&self.namespace).get_opt(&name).await;
        let known = known.map_err(|error| failed::<TuningPolicy>("read", &name, error))?;
        let other = known.map(|known| known.spec.experiment.name).filter(|of| *of != policy.spec.experiment.name);
        if let Some(other) = other {
            let message =
                format!("there is a TuningPolicy {name} of the experiment {other}, which stays; artifacts are there");
            return Ok(Event { warning: true, reason: "PolicyNotWritten", message });
        }
        writer.apply(policy).await?;
        Ok(Event {
            warning: false,
            reason: "Published",
            message: format!("TuningPolicy {name} says where the policies are"),
        })
    }

    async fn status(&self, plan: &Plan) -> Result<(), OperatorError> {
        if self.experiment.status.as_ref() == Some(&plan.status) {
            return Ok(());
        }
        let status = serde_json::to_value(&plan.status).expect("plain data always serialises");
        let written = self.context.writer.status(self.experiment, &status).await?;
        self.context.wrote(&self.experiment.uid().unwrap_or_default(), version(&written));
        Ok(())
    }

    /// An event that could not be written is lost: the status says the same.
    async fn tell_people(&self, events: &[Event]) {
        let client = self.context.writer.client().clone();
        for event in events {
            let event = events::Event {
                type_: if event.warning { EventType::Warning } else { EventType::Normal },
                reason: event.reason.to_owned(),
                note: Some(event.message.chars().take(1000).collect()),
                action: "Reconcile".to_owned(),
                secondary: None,
            };
            // One that lasts would count the second epoch's as the first one's come again. The planner tells of changes only.
            let recorder = Recorder::new(client.clone(), self.context.reporter.clone());
            if let Err(error) = recorder.publish(&event, &self.experiment.object_ref(&())).await {
                tracing::warn!(%error, "an event was not written");
            }
        }
    }
}

/// Tells whether two renderings are the same.
fn digest(objects: &[Object]) -> String {
    let text = serde_json::to_vec(objects).expect("plain data always serialises");
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
