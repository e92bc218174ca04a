//! Brings a plan about: what is unwanted ends, what is wanted is made, learners are told, the status is written, and people
//! are told. Writes only what differs from what is there.

use api::{TuningExperiment, TuningPolicy, labels};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::events::{self, EventType, Recorder};
use kube::{Resource, ResourceExt};
use plan::render::{LEARNER_PORT, Object, RenderError, Setting, config_map_name, network_policies, render};
use plan::{Directive, Event, Plan, Workload, WorkloadName};
use serde_json::json;
use sha2::{Digest, Sha256};
use tracing::{Instrument, Span, info_span};
use wire::client::order_epoch;
use wire::sentence;

use crate::caches::{Cache, version};
use crate::context::Context;
use crate::drift::is_as_wanted;
use crate::error::OperatorError;
use crate::gathering::Gathering;
use crate::pods;
use crate::writer::{Made, failed};

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
        work.end(*name).instrument(span(*name)).await?;
    }
    if !plan.wanted.is_empty() {
        work.want_policies().await?;
    }
    for workload in &plan.wanted {
        work.want(workload).instrument(span(workload.name())).await?;
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
            tracing::info!("ended");
        }
        let mut config = ConfigMap::default();
        config.metadata.name = Some(config_map_name(self.experiment, name));
        config.metadata.namespace = Some(self.namespace.clone());
        writer.delete(&config).await
    }

    /// Before there is anything that they are about.
    async fn want_policies(&self) -> Result<(), OperatorError> {
        for policy in network_policies(self.experiment) {
            self.keep(&self.context.caches.network_policies, &policy).await?;
        }
        Ok(())
    }

    async fn want(&self, workload: &Workload) -> Result<(), OperatorError> {
        let objects = || render(&Setting { experiment: self.experiment, images: &self.context.images }, workload);
        let name = workload.name();
        match workload {
            Workload::Batch { parallelism, .. } => self.want_batch(name, *parallelism, objects).await,
            _ => self.want_learner(name, objects()?).await,
        }
    }

    /// A learner whose content differs is started anew; what others did to the rest of it is undone.
    async fn want_learner(&self, name: WorkloadName, objects: Vec<Object>) -> Result<(), OperatorError> {
        let (caches, content) = (&self.context.caches, digest(&objects));
        let known = caches.stateful_sets.get(&self.namespace, &name.of(&self.experiment.name_any()))?;
        let is_current = known.is_some_and(|set| set.annotations().get(labels::CONTENT) == Some(&content));
        for object in objects {
            match object {
                Object::ConfigMap(map) => self.keep(&caches.config_maps, map.as_ref()).await?,
                Object::Service(service) => self.keep(&caches.services, service.as_ref()).await?,
                Object::StatefulSet(mut set) if !is_current => {
                    set.annotations_mut().insert(labels::CONTENT.to_owned(), content.clone());
                    self.make(&caches.stateful_sets, set.as_ref()).await?;
                }
                Object::StatefulSet(_) | Object::Job(_) => {}
            }
        }
        Ok(())
    }

    /// A batch keeps the configuration that it was begun with; only if that is gone it is made again.
    async fn want_batch(
        &self,
        name: WorkloadName,
        parallelism: u32,
        objects: impl Fn() -> Result<Vec<Object>, RenderError>,
    ) -> Result<(), OperatorError> {
        let caches = &self.context.caches;
        let job = caches.jobs.get(&self.namespace, &name.of(&self.experiment.name_any()))?;
        let config = caches.config_maps.get(&self.namespace, &config_map_name(self.experiment, name))?;
        if job.is_none() || config.is_none() {
            for object in objects()? {
                match object {
                    Object::ConfigMap(map) => self.make(&caches.config_maps, map.as_ref()).await?,
                    Object::Job(new) if job.is_none() => self.make(&caches.jobs, new.as_ref()).await?,
                    _ => {}
                }
            }
        }
        match job {
            Some(job) => self.widen(&job, parallelism).await,
            None => Ok(()),
        }
    }

    /// How many trajectories of a batch run at once is all that changes of it.
    async fn widen(&self, job: &Job, parallelism: u32) -> Result<(), OperatorError> {
        let granted = job.spec.as_ref().and_then(|spec| spec.parallelism).unwrap_or_default();
        // What a queue has admitted has quota for as many as it was admitted with: changed, it is stopped and queues again, which
        // is right only where nothing is to run, or nothing ran.
        let settled = is_admitted(job) && granted != 0 && parallelism != 0;
        if settled || granted == parallelism as i32 {
            return Ok(());
        }
        let change = json!({"spec": {"parallelism": parallelism}});
        self.context.caches.jobs.wrote(&self.context.writer.merge(job, &change).await?);
        Ok(())
    }

    /// Makes an object, and again if somebody changed or removed it.
    async fn keep<K: Made>(&self, cache: &Cache<K>, wanted: &K) -> Result<(), OperatorError> {
        match cache.get(&self.namespace, &wanted.name_any())? {
            Some(known) if is_as_wanted(known.as_ref(), wanted) => Ok(()),
            _ => self.make(cache, wanted).await,
        }
    }

    async fn make<K: Made>(&self, cache: &Cache<K>, wanted: &K) -> Result<(), OperatorError> {
        cache.wrote(&self.context.writer.apply(wanted).await?);
        let (kind, name) = (K::kind(&()), wanted.name_any());
        tracing::info!(%kind, name, "made");
        Ok(())
    }

    /// A learner that does not take its order is told again in the next round.
    async fn tell(&self, gathering: &Gathering, Directive { repetition, order }: &Directive) {
        let name = WorkloadName::PolicyLearner { repetition: *repetition }.of(&self.experiment.name_any());
        let pod = self.context.caches.pods.get(&self.namespace, &format!("{name}-0")).ok().flatten();
        let Some(address) = pod.as_deref().and_then(|pod| pods::address(pod, LEARNER_PORT)) else { return };
        if let Err(error) = order_epoch(&gathering.to_learners, &address, order).await {
            let (epoch, error) = (order.epoch, sentence(&error));
            tracing::warn!(repetition, epoch, error, "the learner did not take its order");
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

/// Whether a queue has let a Job go on.
fn is_admitted(job: &Job) -> bool {
    let held_back = job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true);
    job.labels().contains_key(labels::QUEUE) && !held_back
}

/// What logs and traces say that something is about.
fn span(name: WorkloadName) -> Span {
    match name {
        WorkloadName::PolicyLearner { repetition } => info_span!("policy learner", repetition),
        WorkloadName::WorldModelLearner { repetition } => info_span!("world-model learner", repetition),
        WorkloadName::Batch { repetition, epoch } => info_span!("batch", repetition, epoch),
    }
}

/// Tells whether two renderings are the same.
fn digest(objects: &[Object]) -> String {
    let text = serde_json::to_vec(objects).expect("plain data always serialises");
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
