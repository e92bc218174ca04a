//! What can be seen of an experiment: its objects from the caches, and what its learners say. Only reads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use api::{Timestamp, TuningExperiment, TuningPolicy, TuningPolicySpec, labels};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::{Resource, ResourceExt};
use plan::render::{LEARNER_PORT, learner_address};
use plan::{BatchObserved, LearnerObserved, Observed, RepetitionObserved, WorkloadName, WorldModelObserved};
use wire::client::{learner_state, world_model_state};
use wire::learner::LearnerState;

use crate::context::Context;
use crate::error::OperatorError;
use crate::gathering::Gathering;
use crate::pods;
use crate::writer::failed;

/// How long a pod may wait before anybody is told.
const UNTROUBLED: Duration = Duration::from_secs(20);
/// How often a learner is started again within an epoch before that is given up.
const RESTARTS: i32 = 10;

/// Looks at everything.
///
/// # Errors
/// If something was written that is not seen yet.
pub async fn observe(
    context: &Context,
    experiment: &TuningExperiment,
    gathering: &Gathering,
) -> Result<Observed, OperatorError> {
    let look = Look {
        context,
        namespace: experiment.namespace().unwrap_or_default(),
        name: experiment.name_any(),
        uid: experiment.uid().unwrap_or_default(),
        gathering,
    };
    let mut repetitions = Vec::new();
    for repetition in 0..experiment.spec.repetitions {
        repetitions.push(look.repetition(repetition).await?);
    }
    let policies = policies(context, experiment).await?;
    Ok(Observed { now: Timestamp::now(), experiment: experiment.clone(), repetitions, policies })
}

/// The TuningPolicies that it refers to, while they are looked for. Afterwards nobody asks for them any more, so they are read
/// by name instead of being followed.
async fn policies(
    context: &Context,
    experiment: &TuningExperiment,
) -> Result<BTreeMap<String, TuningPolicySpec>, OperatorError> {
    let api = context.writer.api::<TuningPolicy>(&experiment.namespace().unwrap_or_default());
    let mut policies = BTreeMap::new();
    for name in plan::references(experiment) {
        let read = api.get_opt(&name).await.map_err(|error| failed::<TuningPolicy>("read", &name, error))?;
        policies.extend(read.map(|policy| (name, policy.spec)));
    }
    Ok(policies)
}

/// A look at one experiment.
struct Look<'a> {
    context: &'a Context,
    namespace: String,
    name: String,
    uid: String,
    gathering: &'a Gathering,
}

/// A learner, its one pod, and where that is reached.
struct Found {
    set: Arc<StatefulSet>,
    pod: Option<Arc<Pod>>,
    address: Option<String>,
}

impl Look<'_> {
    async fn repetition(&self, repetition: u32) -> Result<RepetitionObserved, OperatorError> {
        // Jobs first: whatever their pods have delivered, the learner then knows of.
        let jobs = self.jobs(repetition)?;
        let learner = match self.learner(WorkloadName::PolicyLearner { repetition })? {
            None => None,
            Some(Found { set, pod, address }) => {
                let mut state = None;
                if let Some(address) = address {
                    self.gathering.gatherer.set_learner(repetition, address.clone());
                    state = learner_state(&self.gathering.to_learners, &address).await.ok();
                }
                let failure = self.failure(&set, pod.as_deref(), state.as_ref().map(|state| state.epochs_learned));
                Some(LearnerObserved { epochs: epochs(&set), state, failure })
            }
        };
        let world_model = match self.learner(WorkloadName::WorldModelLearner { repetition })? {
            None => None,
            Some(Found { set, pod, address }) => {
                let state = match address {
                    Some(address) => world_model_state(&self.gathering.to_learners, &address).await.ok(),
                    None => None,
                };
                let failure = self.failure(&set, pod.as_deref(), state.as_ref().map(|state| state.epochs_trained));
                Some(WorldModelObserved { state, failure })
            }
        };
        let state = learner.as_ref().and_then(|learner| learner.state.as_ref());
        let batches: Vec<BatchObserved> = jobs.iter().map(|job| self.batch(job, state)).collect();
        Ok(RepetitionObserved {
            address: learner_address(&self.name, &self.namespace, repetition),
            learner,
            world_model,
            leaving: self.leaving(repetition, &batches),
            batches,
            waits_for: self.waits_for(repetition).or_else(|| jobs.iter().find_map(|job| self.is_refused(job))),
        })
    }

    /// A learner that is not put to rest.
    fn learner(&self, name: WorkloadName) -> Result<Option<Found>, OperatorError> {
        let full = name.of(&self.name);
        let Some(set) = self.context.caches.stateful_sets.get(&self.namespace, &full)? else { return Ok(None) };
        self.check_owner(set.as_ref())?;
        if set.spec.as_ref().and_then(|spec| spec.replicas) == Some(0) {
            return Ok(None);
        }
        let pod = self.context.caches.pods.get(&self.namespace, &format!("{full}-0"))?;
        let address = pod.as_deref().and_then(|pod| pods::address(pod, LEARNER_PORT));
        Ok(Some(Found { set, pod, address }))
    }

    /// Why a learner's pod can't be kept running, if it can't; `epochs` is what it says that it has learned.
    fn failure(&self, set: &StatefulSet, pod: Option<&Pod>, epochs: Option<u32>) -> Option<String> {
        let (name, id) = (pod?.name_any(), pod?.uid()?);
        let (restarts, why) = pods::restarts(pod?);
        let mut known = self.gathering.restarts.lock().unwrap_or_else(PoisonError::into_inner);
        let restarts = known.since_progress(&set.name_any(), &id, restarts, epochs);
        let why = why.unwrap_or_else(|| "no reason is known".to_owned());
        (restarts >= RESTARTS).then(|| format!("pod {name} was started {restarts} times again within an epoch: {why}"))
    }

    fn jobs(&self, repetition: u32) -> Result<Vec<Arc<Job>>, OperatorError> {
        let number = repetition.to_string();
        let mut of_repetition = self.context.caches.jobs.of(&self.namespace, &self.name);
        of_repetition.retain(|job| {
            job.labels().get(labels::REPETITION) == Some(&number) && job.metadata.deletion_timestamp.is_none()
        });
        // Each of them is known as it was last written.
        let fresh = of_repetition.into_iter().map(|job| self.context.caches.jobs.get(&self.namespace, &job.name_any()));
        let fresh: Vec<Arc<Job>> = fresh.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        fresh.iter().try_for_each(|job| self.check_owner(job.as_ref()))?;
        Ok(fresh)
    }

    /// An experiment of the same name may have gone just now, and what it had is on its way out.
    fn check_owner<K: Resource<DynamicType = ()>>(&self, object: &K) -> Result<(), OperatorError> {
        if object.owner_references().iter().any(|owner| owner.uid == self.uid) {
            return Ok(());
        }
        Err(OperatorError::Foreign { kind: K::kind(&()).into_owned(), name: object.name_any() })
    }

    /// Pods of a repetition's trajectories, of the epochs that are asked for.
    fn trajectories(&self, repetition: u32, of_epoch: impl Fn(u32) -> bool) -> Vec<Arc<Pod>> {
        let mut own = self.context.caches.pods.of(&self.namespace, &self.name);
        let asked_for = |(of, epoch): (u32, u32)| of == repetition && of_epoch(epoch);
        own.retain(|pod| pods::has_role(pod, labels::TRAJECTORY) && pods::batch_of(pod).is_some_and(asked_for));
        own
    }

    /// Pods that outlive their Job for a moment, and hold their devices until they are gone.
    fn leaving(&self, repetition: u32, batches: &[BatchObserved]) -> u32 {
        let without_job = self.trajectories(repetition, |epoch| batches.iter().all(|batch| batch.epoch != epoch));
        without_job.iter().filter(|pod| pods::is_live(pod)).count() as u32
    }

    fn batch(&self, job: &Job, learner: Option<&LearnerState>) -> BatchObserved {
        let number = |name: &str| job.labels().get(name).and_then(|text| text.parse().ok()).unwrap_or_default();
        let (repetition, epoch) = (number(labels::REPETITION), number(labels::EPOCH));
        let pods = self.trajectories(repetition, |of| of == epoch);
        let live: BTreeSet<u32> =
            pods.iter().filter(|pod| pods::is_live(pod)).filter_map(|pod| Some(pods::key(pod)?.index)).collect();
        let status = job.status.clone().unwrap_or_default();
        let completed = indices(status.completed_indexes.as_deref().unwrap_or_default());
        let mut failed = indices(status.failed_indexes.as_deref().unwrap_or_default());
        let gathering = learner.and_then(|state| state.gathering.as_ref()).filter(|state| state.epoch == epoch);
        // A trainer that ended well before its trajectory did leaves nothing to wait for.
        let early = |index: &u32| gathering.is_some_and(|state| !state.ended.contains(index)) && !live.contains(index);
        failed.extend(completed.iter().copied().filter(early));
        let given_up = completed.iter().any(early).then(|| {
            "trainers ended with exit code 0, but not all env steps were stored: they ended early without a report of \
             `diverged`, or the learner could not store them within terminationGracePeriodSeconds"
                .to_owned()
        });
        BatchObserved {
            epoch,
            final_evaluation: job.annotations().get(labels::FINAL_EVALUATION).is_some_and(|text| text == "true"),
            parallelism: job.spec.as_ref().and_then(|spec| spec.parallelism).unwrap_or_default() as u32,
            waits_in: waits_in(job).cloned(),
            running: pods.iter().filter(|pod| pods::is_live(pod)).count() as u32,
            ended: completed.into_iter().collect(),
            failed: failed.into_iter().collect(),
            failure: pods.iter().find_map(|pod| pods::failure(pod)).or(given_up),
        }
    }

    fn waits_for(&self, repetition: u32) -> Option<String> {
        let number = repetition.to_string();
        let mut own = self.context.caches.pods.of(&self.namespace, &self.name);
        own.retain(|pod| pod.labels().get(labels::REPETITION) == Some(&number));
        // Where some run, the others wait for them, which is what parallelism is for.
        let some_run = own.iter().any(|pod| pods::has_role(pod, labels::TRAJECTORY) && pods::is_running(pod));
        let of_learner = |pod: &Pod| !pods::has_role(pod, labels::TRAJECTORY);
        let old = own.iter().filter(|pod| age(pod.as_ref()) > UNTROUBLED);
        old.into_iter().find_map(|pod| pods::waits_for(pod, !some_run || of_learner(pod)))
    }

    /// What is to be said of a batch whose pods do not even come into being.
    fn is_refused(&self, job: &Job) -> Option<String> {
        let spec = job.spec.as_ref().filter(|spec| spec.suspend != Some(true) && spec.parallelism != Some(0))?;
        let status = job.status.clone().unwrap_or_default();
        let over =
            [status.active, status.succeeded, status.failed, status.terminating].into_iter().flatten().sum::<i32>();
        let name = job.name_any();
        (over == 0 && spec.completions != Some(0) && age(job) > UNTROUBLED).then(|| {
            format!("job {name} has no pod: a quota or an admission policy may refuse them, `kubectl describe job {name}` tells")
        })
    }
}

/// How long ago something was made.
fn age(object: &impl Resource) -> Duration {
    let made = object.meta().creation_timestamp.as_ref();
    let age = made.map(|made| Timestamp::now().duration_since(made.0)).unwrap_or_default();
    Duration::try_from(age).unwrap_or_default()
}

/// The queue that holds a Job back until there is quota for it.
fn waits_in(job: &Job) -> Option<&String> {
    job.labels().get(labels::QUEUE).filter(|_| job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true))
}

fn epochs(set: &StatefulSet) -> u32 {
    set.annotations().get(labels::EPOCHS).and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Indices as a Job writes them: `0,3-5`.
fn indices(text: &str) -> BTreeSet<u32> {
    let parts = text.split(',').filter(|part| !part.is_empty());
    let ranges = parts.filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse::<u32>().ok()?)
    });
    ranges.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_read_as_jobs_write_them() {
        assert_eq!(indices("").len(), 0);
        assert_eq!(indices("0,3-5,7").into_iter().collect::<Vec<_>>(), [0, 3, 4, 5, 7]);
    }
}
