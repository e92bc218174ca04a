//! Metrics on their way from pods to learners: for each experiment a loop of its own, so that one cannot slow another.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use api::{TuningExperiment, labels, meaning};
use gather::{GatherConfig, Gatherer, Target};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use plan::render::AGENT_PORT;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{Instrument, info_span};
use tuning::TrajectoryKey;
use wire::http::{Timeouts, client};
use wire::tls::{Identity, Role, TlsError};

use crate::caches::Cache;
use crate::figures::{Figures, Running};
use crate::identities::is_due;
use crate::pods;
use crate::restarts::Restarts;
use crate::watching::Watch;

/// Between two looks at a running trajectory. Its end needs no look: an agent that is told to stop waits for the next one,
/// and in the end delivers by itself.
const GATHER_EVERY: Duration = Duration::from_secs(1);

/// Between two tries to have identities issued anew.
const RENEW_EVERY: Duration = Duration::from_secs(60);

/// The gathering of one experiment, and a line to its learners.
pub struct Gathering {
    /// Who we are in it.
    pub identity: Identity,
    /// Moves metrics.
    pub gatherer: Arc<Gatherer>,
    /// Asks and tells learners.
    pub to_learners: reqwest::Client,
    /// How often its learners were started again.
    pub restarts: Mutex<Restarts>,
    tried_to_renew: Mutex<Option<Instant>>,
    tasks: [JoinHandle<()>; 2],
}

impl Gathering {
    /// Whether the experiment's identities are to be issued anew, now: what did not succeed is tried again after a while.
    pub fn wants_renewal(&self) -> bool {
        let mut tried = self.tried_to_renew.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = self.identity.not_after().is_ok_and(|not_after| is_due(SystemTime::now(), not_after));
        let wants = is_due && tried.is_none_or(|tried| tried.elapsed() >= RENEW_EVERY);
        if wants {
            *tried = Some(Instant::now());
        }
        wants
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// All gatherings.
pub struct Gatherings {
    pods: Arc<Cache<Pod>>,
    figures: Arc<Figures>,
    running: Mutex<HashMap<String, Arc<Gathering>>>,
}

impl Gatherings {
    /// None yet; targets will be found among `pods`.
    pub fn new(pods: Arc<Cache<Pod>>, figures: Arc<Figures>) -> Self {
        Self { pods, figures, running: Mutex::default() }
    }

    /// The gathering of an experiment, if it has begun.
    pub fn of(&self, uid: &str) -> Option<Arc<Gathering>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).get(uid).cloned()
    }

    /// Begins the gathering of an experiment, in which we are `identity`.
    ///
    /// # Errors
    /// If the identity can't be used.
    pub fn begin(&self, experiment: &TuningExperiment, identity: Identity) -> Result<Arc<Gathering>, TlsError> {
        let to_learners = client(&identity, Role::Learner, Timeouts::REQUEST)?;
        let problem = meaning::problem(&experiment.spec);
        let gatherer = Arc::new(Gatherer::new(GatherConfig::new(identity.clone(), problem.clone()))?);
        let (namespace, name) = (experiment.namespace().unwrap_or_default(), experiment.name_any());
        let running = || Running::new(Arc::clone(&self.figures), &namespace, &name);
        let (pods, looked_at) = (Arc::clone(&self.pods), (namespace.clone(), name.clone()));
        let gather = gather_on(Arc::clone(&gatherer), pods, looked_at, Arc::clone(&self.figures), running());
        let watch = Watch {
            figures: running(),
            problem,
            identity: identity.clone(),
            gatherer: Arc::clone(&gatherer),
            to_learners: to_learners.clone(),
            pods: Arc::clone(&self.pods),
            namespace,
            experiment: name,
        };
        let (restarts, tried_to_renew) = (Mutex::default(), Mutex::default());
        let tasks = [tokio::spawn(gather), tokio::spawn(watch.go_on())];
        let gathering = Arc::new(Gathering { identity, gatherer, to_learners, restarts, tried_to_renew, tasks });
        let uid = experiment.uid().unwrap_or_default();
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(uid, Arc::clone(&gathering));
        Ok(gathering)
    }

    /// Ends the gathering of an experiment.
    pub fn forget(&self, uid: &str) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

async fn gather_on(
    gatherer: Arc<Gatherer>,
    cache: Arc<Cache<Pod>>,
    (namespace, experiment): (String, String),
    figures: Arc<Figures>,
    running: Running,
) {
    let mut ticks = interval(GATHER_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_read = LastRead::default();
    loop {
        ticks.tick().await;
        let mut live = cache.of(&namespace, &experiment);
        live.retain(|pod| pods::has_role(pod, labels::TRAJECTORY) && pods::is_running(pod));
        let target = |pod: &Arc<Pod>| Some(Target { key: pods::key(pod)?, address: pods::address(pod, AGENT_PORT)? });
        let targets: Vec<Target> = live.iter().filter_map(target).collect();
        let keys: HashSet<TrajectoryKey> = targets.iter().map(|target| target.key).collect();
        gatherer.retain(|key| keys.contains(key));
        last_read.keep(&keys, Instant::now());
        let before = gatherer.counters();
        let sweep = gatherer.sweep(&targets);
        let gathered = match targets.len() {
            0 => sweep.await,
            trajectories => sweep.instrument(info_span!("gathering", namespace, experiment, trajectories)).await,
        };
        figures.gathered(&before, &gatherer.counters());
        last_read.read(gathered.iter().filter(|(_, done)| done.is_ok()).map(|(key, _)| *key), Instant::now());
        running.lags(last_read.longest_ago(Instant::now()));
    }
}

/// When each running trajectory was last read; that it appeared counts as well.
#[derive(Default)]
struct LastRead(HashMap<TrajectoryKey, Instant>);

impl LastRead {
    /// Takes note of which there are.
    fn keep(&mut self, keys: &HashSet<TrajectoryKey>, now: Instant) {
        self.0.retain(|key, _| keys.contains(key));
        for key in keys {
            self.0.entry(*key).or_insert(now);
        }
    }

    /// Takes note of which were read.
    fn read(&mut self, keys: impl Iterator<Item = TrajectoryKey>, now: Instant) {
        self.0.extend(keys.map(|key| (key, now)));
    }

    /// How long ago the one was read that was read longest ago; no time if there is none.
    fn longest_ago(&self, now: Instant) -> Duration {
        self.0.values().map(|read| now.saturating_duration_since(*read)).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_that_of_the_trajectory_that_was_read_longest_ago() {
        let key = |index| TrajectoryKey { repetition: 0, epoch: 1, index, attempt: 0 };
        let (mut last_read, begin) = (LastRead::default(), Instant::now());
        let after = |seconds| begin + Duration::from_secs(seconds);
        let lag = |last_read: &LastRead, seconds| last_read.longest_ago(after(seconds)).as_secs();
        assert_eq!(lag(&last_read, 9), 0);
        last_read.keep(&HashSet::from([key(0), key(1)]), begin);
        last_read.read([key(0)].into_iter(), after(3));
        assert_eq!(lag(&last_read, 4), 4, "one was never read");
        last_read.read([key(1)].into_iter(), after(4));
        assert_eq!(lag(&last_read, 4), 1);
        last_read.keep(&HashSet::from([key(1)]), after(5));
        assert_eq!(lag(&last_read, 6), 2, "the other one has ended");
    }
}
