//! `kubectl trainpilot logs`: what pods of an experiment say, each line with where it comes from.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write as _};
use std::time::Duration;

use api::{Phase, labels};
use futures::{AsyncBufReadExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::{Api, ResourceExt};
use tokio::sync::mpsc;

use super::access::Cluster;
use crate::failure::BadInput;

/// Between two looks for pods that are new.
const LOOK: Duration = Duration::from_secs(2);

/// Show what trainers, agents and learners say
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Experiment
    name: String,
    /// Only of this repetition, from 0
    #[arg(long, value_name = "R")]
    repetition: Option<u32>,
    /// Only trainings of this epoch, from 1
    #[arg(long, value_name = "E", conflicts_with = "learners")]
    epoch: Option<u32>,
    /// Only trainings of this index, from 0
    #[arg(long, value_name = "I", conflicts_with = "learners")]
    index: Option<u32>,
    /// Only learners
    #[arg(long)]
    learners: bool,
    /// Only containers of this name, such as trainer
    #[arg(long, short)]
    container: Option<String>,
    /// Go on until the experiment is over, with pods that are yet to come
    #[arg(long, short)]
    follow: bool,
    /// Only so many lines of each container, from its end
    #[arg(long, value_name = "LINES")]
    tail: Option<i64>,
    /// Of the run of a container before its last restart
    #[arg(long, conflicts_with = "follow")]
    previous: bool,
}

/// A container whose log can be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    /// Repetition, epoch and index for a training; just the repetition for a learner.
    place: String,
    pod: String,
    container: String,
}

impl Arguments {
    pub(super) async fn run(&self, cluster: &Cluster) -> anyhow::Result<()> {
        cluster.experiment(&self.name).await?;
        let pods: Api<Pod> = cluster.api();
        let (say, mut said) = mpsc::channel::<String>(256);
        let work = async {
            let say = say;
            if self.follow {
                return self.follow(cluster, &pods, say).await;
            }
            let sources = self.sources(cluster, &pods).await?;
            if sources.is_empty() {
                return Err(BadInput(format!("{} has no such pod at the moment", self.name)).into());
            }
            for source in sources {
                if let Err(error) = read(&pods, &source, &self.parameters(&source), &say).await {
                    return Err(cluster.refused(&format!("read logs of pod {}", source.pod), error));
                }
            }
            Ok(())
        };
        let show = async {
            while let Some(line) = said.recv().await {
                match std::io::stdout().write_all(line.as_bytes()) {
                    // Nobody listens any more.
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
                    written => written?,
                }
            }
            // With the receiver the readers end too.
            drop(said);
            anyhow::Ok(())
        };
        tokio::try_join!(work, show).map(|_| ())
    }

    /// Starts to read whatever is new, again and again.
    async fn follow(&self, cluster: &Cluster, pods: &Api<Pod>, say: mpsc::Sender<String>) -> anyhow::Result<()> {
        let mut known = BTreeSet::new();
        let mut readers = tokio::task::JoinSet::new();
        while !say.is_closed() {
            let over = matches!(
                cluster.experiment(&self.name).await?.status.unwrap_or_default().phase,
                Phase::Complete | Phase::Failed
            );
            for source in self.sources(cluster, pods).await? {
                if known.insert(source.clone()) {
                    let (pods, say, parameters) = (pods.clone(), say.clone(), self.parameters(&source));
                    // A pod that goes away while it is read has said what it had to say.
                    readers.spawn(async move { read(&pods, &source, &parameters, &say).await.unwrap_or_default() });
                }
            }
            while readers.try_join_next().is_some() {}
            if over && readers.is_empty() {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Containers that have begun, trainings in order and then learners.
    async fn sources(&self, cluster: &Cluster, pods: &Api<Pod>) -> anyhow::Result<Vec<Source>> {
        let listed = pods.list(&ListParams::default().labels(&self.selector())).await;
        let listed = listed.map_err(|error| cluster.refused("list pods", error))?;
        let mut sources: Vec<Source> = listed.items.iter().flat_map(|pod| self.sources_in(pod)).collect();
        sources.sort();
        Ok(sources)
    }

    fn selector(&self) -> String {
        let mut selector = vec![format!("{}={}", labels::EXPERIMENT, self.name)];
        let trainings = self.epoch.is_some() || self.index.is_some();
        let role = [(trainings, "="), (self.learners, "!=")].into_iter().find(|(is_so, _)| *is_so);
        selector.extend(role.map(|(_, sign)| format!("{}{sign}{}", labels::ROLE, labels::TRAJECTORY)));
        let numbers = [(labels::REPETITION, self.repetition), (labels::EPOCH, self.epoch), (labels::INDEX, self.index)];
        selector.extend(numbers.into_iter().filter_map(|(label, number)| Some(format!("{label}={}", number?))));
        selector.join(",")
    }

    fn sources_in(&self, pod: &Pod) -> Vec<Source> {
        let Some(status) = &pod.status else { return Vec::new() };
        let all = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
        let begun = all.filter(|container| {
            let state = container.state.as_ref();
            state.is_some_and(|state| state.running.is_some() || state.terminated.is_some())
                || container.last_state.as_ref().is_some_and(|last| last.terminated.is_some())
        });
        let wanted = begun.filter(|container| self.container.as_ref().is_none_or(|name| *name == container.name));
        let source =
            |container: &str| Source { place: place(pod), pod: pod.name_any(), container: container.to_owned() };
        wanted.map(|container| source(&container.name)).collect()
    }

    fn parameters(&self, source: &Source) -> LogParams {
        LogParams {
            container: Some(source.container.clone()),
            follow: self.follow,
            previous: self.previous,
            tail_lines: self.tail,
            ..LogParams::default()
        }
    }
}

/// Hands a log on, line by line, until it ends or nobody listens.
async fn read(
    pods: &Api<Pod>,
    source: &Source,
    parameters: &LogParams,
    say: &mpsc::Sender<String>,
) -> Result<(), kube::Error> {
    let mut lines = pods.log_stream(&source.pod, parameters).await?.lines();
    while let Ok(Some(line)) = lines.try_next().await {
        if say.send(format!("{} {} | {line}\n", source.place, source.container)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Where a pod belongs: `r0 e3 i12`, or `r0` for a learner.
fn place(pod: &Pod) -> String {
    let part = |letter: char, label: &str| pod.labels().get(label).map(|number| format!("{letter}{number}"));
    let role = pod.labels().get(labels::ROLE).filter(|role| *role == labels::WORLD_MODEL_LEARNER).cloned();
    let parts = [part('r', labels::REPETITION), part('e', labels::EPOCH), part('i', labels::INDEX), role];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
