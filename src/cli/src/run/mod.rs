//! `trainpilot run`: an experiment on one machine. The planner decides as it does in a cluster; here its wishes become
//! processes. Start reading at [`work`]; `world.rs` is the applier, `attempt.rs` one training with its agent.

mod attempt;
mod batch;
mod folder;
mod learner_process;
mod policy_learner;
pub(crate) mod process;
mod progress;
mod trainer;
mod world;
mod world_model_learner;

pub(crate) use folder::Identity;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use api::{Phase, TuningExperiment, meaning};
use plan::Plan;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use self::folder::RunFolder;
use self::progress::{Pace, Progress, View};
use self::world::{Programs, World};
use crate::experiment::{read, read_policies};
use crate::failure::BadInput;

/// Between two looks while trainings run; their ends are noticed at once.
const LOOK: Duration = Duration::from_millis(250);
/// Between two looks while a learner learns or starts, which nobody tells of.
const LOOK_CLOSELY: Duration = Duration::from_millis(20);
/// Between two lines of JSON progress.
const TELL: Duration = Duration::from_secs(1);

/// Run an experiment on this machine
///
/// Starts as many trainings at once as there are jobs, each with an agent beside it, learns a policy from them, and ends
/// with the final evaluation. The same command goes on where an earlier one was stopped.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The experiment, a TuningExperiment in YAML
    file: PathBuf,
    /// Trainings at once [default: as many as there are processors]
    #[arg(long, short)]
    jobs: Option<u32>,
    /// Folder of the run [default: runs/NAME]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// A TuningPolicy in YAML that the experiment refers to; may be given several times
    #[arg(long = "policy", value_name = "FILE")]
    policies: Vec<PathBuf>,
    /// Tell of progress as lines of JSON on the standard output
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let (text, mut experiment) = read(&self.file)?;
        let dir = self.dir.clone().unwrap_or_else(|| Path::new("runs").join(crate::experiment::name(&experiment)));
        let (folder, kept) = RunFolder::open(&dir)?;
        if let Some(kept) = kept {
            crate::experiment::check_update(&kept, &experiment, &self.file)?;
        }
        experiment.metadata.uid = Some(folder.identity.uid.clone());
        experiment.status = folder.load_status()?;
        experiment.spec.parallelism = self.jobs()?.min(experiment.spec.parallelism);
        let programs = Programs { agent: program("trainpilot-agent")?, learner: program("trainpilot-learner")? };
        let progress = Progress::new(self.json, experiment.spec.repetitions);
        if experiment.status.as_ref().is_some_and(|status| status.phase == Phase::Complete) {
            progress.say(&format!("{} is already complete", dir.display()));
            progress.result(&experiment);
            return Ok(());
        }
        let policies = read_policies(&self.policies)?;
        if let Some(missing) = plan::references(&experiment).iter().find(|name| !policies.contains_key(*name)) {
            let sentence =
                format!("the experiment refers to the TuningPolicy {missing}: expected its file, with --policy FILE");
            return Err(BadInput(sentence).into());
        }
        let root = folder.root().to_owned();
        let world = World::new(folder, programs, experiment, policies)?;
        std::fs::write(root.join("experiment.yaml"), text).context("can't write the run's experiment.yaml")?;
        // One thread is enough: the trainings have the others.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(work(world, &progress, &dir))
    }

    fn jobs(&self) -> anyhow::Result<u32> {
        match self.jobs {
            Some(0) => Err(BadInput("--jobs is 0, expected at least 1".to_owned()).into()),
            Some(jobs) => Ok(jobs),
            None => Ok(std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32)),
        }
    }
}

fn program(name: &str) -> anyhow::Result<PathBuf> {
    process::find(name).with_context(|| format!("{name} is neither beside this program nor on PATH"))
}

/// Observe, plan, apply, until nothing is left to do or somebody wants it to end.
async fn work(mut world: World, progress: &Progress, dir: &Path) -> anyhow::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut teller = Teller::new(progress);
    loop {
        let observed = world.observe().await;
        let plan = match plan::validate(&observed) {
            Ok(valid) => plan::plan(&valid),
            Err(violations) => plan::refuse(&observed, &violations),
        };
        // Before it is brought about: a learner that is not needed any more has something to tell.
        teller.tell(&world, &plan);
        world.apply(&plan).await?;
        if over(&plan) && world.running() == 0 {
            world.stop().await;
            return finish(&world, &plan, progress, dir);
        }
        let pause = if world.running() > 0 { LOOK } else { LOOK_CLOSELY };
        tokio::select! {
            ended = world.next_end() => {
                teller.pace.count();
                if let Some(failure) = ended? {
                    progress.say(&failure);
                }
            }
            () = tokio::time::sleep(pause) => {}
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    progress.say("stopping: what has been gathered stays");
    world.stop().await;
    progress.end();
    anyhow::bail!("stopped before it was complete; the same command goes on")
}

fn over(plan: &Plan) -> bool {
    matches!(plan.status.phase, Phase::Complete | Phase::Failed) || plan.status.phase == Phase::Suspended
}

fn finish(world: &World, plan: &Plan, progress: &Progress, dir: &Path) -> anyhow::Result<()> {
    progress.end();
    match plan.status.phase {
        Phase::Complete => {
            progress.result(world.experiment());
            progress.say(&format!("look at it: trainpilot report {}", dir.display()));
            Ok(())
        }
        Phase::Suspended => {
            progress.say("suspended by spec.suspend");
            Ok(())
        }
        _ => anyhow::bail!("{}{}", plan.report.overall, world.last_words()),
    }
}

/// Tells of what is new, and only of that.
struct Teller<'a> {
    progress: &'a Progress,
    pace: Pace,
    /// Epochs told of, for each repetition.
    told: Vec<usize>,
    last: Option<(Instant, Vec<View>)>,
}

impl<'a> Teller<'a> {
    fn new(progress: &'a Progress) -> Self {
        Self { progress, pace: Pace::new(), told: Vec::new(), last: None }
    }

    fn tell(&mut self, world: &World, plan: &Plan) {
        let experiment = world.experiment();
        let sizes = meaning::epoch_sizes(&meaning::algorithm(&experiment.spec));
        self.told.resize(experiment.spec.repetitions as usize, 0);
        for (repetition, state) in world.states() {
            let told = &mut self.told[repetition as usize];
            for summary in state.epochs.iter().skip(*told) {
                self.progress.epoch(repetition, sizes.len() as u32, summary);
            }
            *told = (*told).max(state.epochs.len());
        }
        let views = views(world, plan, experiment);
        let fresh =
            self.last.as_ref().is_none_or(|(at, last)| *last != views && at.elapsed() >= self.progress.pace(TELL));
        if fresh {
            let left = self.pace.left(remaining(&views, &sizes, experiment));
            self.progress.show(&views, left);
            self.last = Some((Instant::now(), views));
        }
    }
}

fn views(world: &World, plan: &Plan, experiment: &TuningExperiment) -> Vec<View> {
    let sizes = meaning::epoch_sizes(&meaning::algorithm(&experiment.spec));
    let states: std::collections::BTreeMap<_, _> = world.states().collect();
    let view = |status: &api::RepetitionStatus| {
        let epoch = status.epochs_over + 1;
        let last = experiment.spec.final_evaluation.trajectories;
        let state = states.get(&status.repetition);
        View {
            repetition: status.repetition,
            epoch,
            epochs: sizes.len() as u32,
            running: status.trajectories.running,
            ended: state.and_then(|s| s.gathering.as_ref()).map_or(0, |gathering| gathering.ended.len() as u32),
            trajectories: sizes.get(epoch as usize - 1).copied().unwrap_or(last),
            policy_version: status.policy_version,
            learning: status.phase == api::RepetitionPhase::Learning,
            doing: state.and_then(|state| state.doing.clone()),
            world_model: world.world_model_doing(status.repetition).map(str::to_owned),
            over: status.phase == api::RepetitionPhase::Complete,
            objective: status.objective.mean,
            fault: state.and_then(|state| state.fault.clone()),
        }
    };
    plan.status.repetitions.iter().map(view).collect()
}

/// Trajectories that are still to come, in all repetitions.
fn remaining(views: &[View], sizes: &[u32], experiment: &TuningExperiment) -> u32 {
    let last = experiment.spec.final_evaluation.trajectories;
    let all = |view: &View| {
        let from = (view.epoch as usize - 1).min(sizes.len());
        let whole = sizes[from..].iter().sum::<u32>() + last;
        whole.saturating_sub(view.ended)
    };
    views.iter().filter(|view| !view.over).map(all).sum()
}
