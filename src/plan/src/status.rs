//! The status, its conditions, and what changes are worth telling.

use api::{
    Condition, ObjectiveStatus, Phase, PublishedStatus, RepetitionPhase, RepetitionStatus, Time, TrajectoriesStatus,
    TuningExperimentStatus, meaning,
};
use tuning::Direction;
use wire::learner::{LearnerState, Publication};

use crate::outcome::{Event, Report};
use crate::references::References;
use crate::repetition::Wish;
use crate::{Observed, Reason, Valid};

/// Why the experiment as a whole is where it is.
pub(crate) fn report(valid: &Valid<'_>, wishes: &[Wish]) -> Report {
    let reasons = || wishes.iter().map(|wish| &wish.reason);
    let going_on = wishes.iter().filter(|wish| !wish.reason.is_complete() && !wish.reason.is_failure());
    let behind = going_on.min_by_key(|wish| wish.over).map(|wish| &wish.reason);
    let suspended = valid.spec.suspend.then_some(&Reason::Suspended);
    let early = || reasons().find(|reason| matches!(reason, Reason::BudgetExhausted { .. }));
    let overall = match behind {
        Some(behind) => suspended.or(Some(behind)),
        None => reasons().find(|reason| reason.is_failure()).or_else(early).or_else(|| reasons().next()),
    };
    let trouble = reasons().find(|reason| reason.is_failure() || matches!(reason, Reason::LearnerFault(_))).cloned();
    let waits = || Some(Reason::CannotStart(wishes.iter().find_map(|wish| wish.observed.waits_for.clone())?));
    Report {
        overall: overall.unwrap_or(&Reason::WaitingForLearner).clone(),
        trouble: trouble.or_else(waits),
        repetitions: reasons().cloned().collect(),
    }
}

/// The status that should be written.
pub(crate) fn status(valid: &Valid<'_>, wishes: &[Wish], report: &Report) -> TuningExperimentStatus {
    let repetitions: Vec<RepetitionStatus> = wishes.iter().map(|wish| repetition(valid, wish)).collect();
    let previous = valid.previous().cloned().unwrap_or_default();
    let phase = phase(valid, wishes, &repetitions);
    let now = || Time(valid.observed.now);
    let ended = matches!(phase, Phase::Complete | Phase::Failed);
    let trajectories = total(&repetitions);
    let resolved = match &valid.references {
        References::Resolved(resolved) => resolved.clone(),
        References::Missing(_) => None,
    };
    let behind = wishes.iter().min_by_key(|wish| wish.over);
    TuningExperimentStatus {
        observed_generation: valid.observed.experiment.metadata.generation,
        phase,
        conditions: conditions(valid.observed, phase, &report.overall, report.trouble.as_ref()),
        algorithm: meaning::algorithm_name(valid.spec).to_owned(),
        epoch: behind.map(|wish| format!("{}/{}", wish.over.min(wish.epochs), wish.epochs)).unwrap_or_default(),
        trajectories,
        objective: objective_of_all(valid, &repetitions),
        fte: repetitions.iter().map(|repetition| repetition.fte).sum(),
        start_time: previous.start_time.or_else(|| Some(now())),
        completion_time: if ended { previous.completion_time.or_else(|| Some(now())) } else { None },
        selector: format!("trainpilot.dev/experiment={},trainpilot.dev/role=trajectory", valid.name),
        replicas: trajectories.running,
        repetitions,
        resolved,
    }
}

/// Forgets failures, so that what had failed is tried again: what a user who starts a run anew wants.
pub fn forgive(status: &mut TuningExperimentStatus) {
    for repetition in &mut status.repetitions {
        if repetition.phase == RepetitionPhase::Failed {
            repetition.phase = RepetitionPhase::Pending;
        }
    }
}

/// Status and events of an experiment that is not sound.
pub(crate) fn refused(observed: &Observed, reason: &Reason) -> (TuningExperimentStatus, Vec<Event>) {
    let previous = observed.experiment.status.clone().unwrap_or_default();
    let status = TuningExperimentStatus {
        observed_generation: observed.experiment.metadata.generation,
        phase: Phase::Failed,
        conditions: conditions(observed, Phase::Failed, reason, Some(reason)),
        ..previous.clone()
    };
    let news = previous.conditions != status.conditions;
    let event = Event { warning: true, reason: reason.word(), message: reason.to_string() };
    (status, if news { vec![event] } else { Vec::new() })
}

fn phase(valid: &Valid<'_>, wishes: &[Wish], repetitions: &[RepetitionStatus]) -> Phase {
    let ended = wishes.iter().all(|wish| wish.reason.is_complete() || wish.reason.is_failure());
    if ended {
        let failed = wishes.iter().any(|wish| wish.reason.is_failure());
        return if failed { Phase::Failed } else { Phase::Complete };
    }
    let untouched = |status: &RepetitionStatus| status.epochs_over == 0 && status.phase == RepetitionPhase::Pending;
    let untouched = repetitions.iter().all(untouched);
    match (valid.spec.suspend, untouched) {
        (true, _) => Phase::Suspended,
        (false, true) => Phase::Pending,
        (false, false) => Phase::Running,
    }
}

fn repetition(valid: &Valid<'_>, wish: &Wish) -> RepetitionStatus {
    let previous = valid.previous_of(wish.repetition).cloned().unwrap_or_default();
    let state = wish.observed.learner.as_ref().and_then(|learner| learner.state.as_ref());
    // An answer that is older than what was known, or no answer, changes no figure.
    let state = state.filter(|state| state.epochs_learned >= previous.epochs_over);
    let (mut trajectories, objective, fte, policy_version) = match state {
        Some(state) => {
            let fte = state.env_steps_trained as f64 / f64::from(valid.problem.env_steps);
            (counts(state), objective(valid, state), fte, state.policy_version)
        }
        None => (previous.trajectories, previous.objective, previous.fte, previous.policy_version),
    };
    trajectories.running = wish.observed.batches.iter().map(|batch| batch.running).sum();
    RepetitionStatus {
        repetition: wish.repetition,
        phase: repetition_phase(&wish.reason, previous.phase),
        reason: wish.reason.word().to_owned(),
        message: wish.reason.to_string(),
        epochs_over: wish.over,
        epochs: wish.epochs,
        policy_version,
        trajectories,
        objective,
        fte,
        published: state.and_then(|state| state.publication.as_ref()).map(published).or(previous.published),
    }
}

fn published(publication: &Publication) -> PublishedStatus {
    let Publication { place, sha256, version } = publication.clone();
    PublishedStatus { url: place, sha256, version }
}

fn repetition_phase(reason: &Reason, previous: RepetitionPhase) -> RepetitionPhase {
    match reason {
        Reason::Gathering { .. } | Reason::Queued { final_evaluation: false, .. } => RepetitionPhase::Gathering,
        Reason::Evaluating { .. } | Reason::Queued { .. } => RepetitionPhase::Evaluating,
        Reason::Learning { .. } => RepetitionPhase::Learning,
        reason if reason.is_complete() => RepetitionPhase::Complete,
        reason if reason.is_failure() => RepetitionPhase::Failed,
        // Suspending is how a failure is told to be tried again.
        _ if previous == RepetitionPhase::Failed => RepetitionPhase::Pending,
        _ => previous,
    }
}

fn counts(state: &LearnerState) -> TrajectoriesStatus {
    let mut counts = TrajectoriesStatus::default();
    let over = state.epochs.iter().map(|epoch| [epoch.completed, epoch.diverged, epoch.lost]);
    let now = state.gathering.iter().map(|epoch| [epoch.completed, epoch.diverged, epoch.lost]);
    for [completed, diverged, lost] in over.chain(now) {
        counts.completed += completed;
        counts.diverged += diverged;
        counts.lost += lost;
    }
    counts
}

fn objective(valid: &Valid<'_>, state: &LearnerState) -> ObjectiveStatus {
    let bests = state.epochs.iter().filter_map(|epoch| epoch.best);
    ObjectiveStatus {
        mean: state.epochs.last().and_then(|epoch| epoch.mean),
        best: best(valid.problem.objective.direction, bests),
    }
}

fn objective_of_all(valid: &Valid<'_>, repetitions: &[RepetitionStatus]) -> ObjectiveStatus {
    let means: Vec<f64> = repetitions.iter().filter_map(|repetition| repetition.objective.mean).collect();
    let bests = repetitions.iter().filter_map(|repetition| repetition.objective.best);
    ObjectiveStatus {
        mean: (!means.is_empty()).then(|| means.iter().sum::<f64>() / means.len() as f64),
        best: best(valid.problem.objective.direction, bests),
    }
}

fn best(direction: Direction, values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(|a, b| if direction.better(b, a) { b } else { a })
}

fn total(repetitions: &[RepetitionStatus]) -> TrajectoriesStatus {
    repetitions.iter().fold(TrajectoriesStatus::default(), |sum, repetition| TrajectoriesStatus {
        running: sum.running + repetition.trajectories.running,
        completed: sum.completed + repetition.trajectories.completed,
        diverged: sum.diverged + repetition.trajectories.diverged,
        lost: sum.lost + repetition.trajectories.lost,
    })
}

/// All five conditions; each keeps its time of transition until it changes.
fn conditions(observed: &Observed, phase: Phase, overall: &Reason, trouble: Option<&Reason>) -> Vec<Condition> {
    let all = [
        ("Progressing", matches!(phase, Phase::Pending | Phase::Running)),
        ("Complete", phase == Phase::Complete),
        ("Failed", phase == Phase::Failed),
        ("Suspended", phase == Phase::Suspended),
        ("Degraded", trouble.is_some()),
    ];
    let previous = observed.experiment.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let condition = |(kind, holds): (&str, bool)| {
        let status = if holds { "True" } else { "False" };
        let reason = trouble.filter(|_| kind == "Degraded").unwrap_or(overall);
        let unchanged = previous.iter().find(|condition| condition.type_ == kind && condition.status == status);
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.word().to_owned(),
            message: reason.to_string(),
            observed_generation: observed.experiment.metadata.generation,
            last_transition_time: unchanged.map_or(Time(observed.now), |old| old.last_transition_time.clone()),
        }
    };
    all.map(condition).to_vec()
}

/// What people should be told of the way from the previous status to this one.
pub(crate) fn events(valid: &Valid<'_>, status: &TuningExperimentStatus, report: &Report) -> Vec<Event> {
    let previous = valid.previous().cloned().unwrap_or_default();
    let normal = |reason, message| Event { warning: false, reason, message };
    let mut events = Vec::new();
    if previous.start_time.is_none() {
        events.push(normal("Started", format!("repetitions of {}: {}", status.algorithm, status.repetitions.len())));
    }
    for now in &status.repetitions {
        let before = previous.repetitions.iter().find(|old| old.repetition == now.repetition).cloned();
        events.extend(repetition_events(&before.unwrap_or_default(), now));
    }
    let reason = &report.overall;
    match (previous.phase, status.phase) {
        (before, after) if before == after => {}
        (_, Phase::Suspended) => events.push(normal("Suspended", reason.to_string())),
        (Phase::Suspended, _) => events.push(normal("Resumed", "spec.suspend is no longer set".to_owned())),
        (_, Phase::Complete) => events.push(normal(reason.word(), format!("{reason}; {:.1} FTE in all", status.fte))),
        _ => {}
    }
    events
}

fn repetition_events(before: &RepetitionStatus, now: &RepetitionStatus) -> Vec<Event> {
    let mut events = Vec::new();
    let mut tell = |warning, reason, text: String| {
        let message = format!("repetition {}: {text}", now.repetition);
        events.push(Event { warning, reason, message });
    };
    if now.epochs_over > before.epochs_over && now.epochs_over <= now.epochs {
        let mean = now.objective.mean.map_or("unknown".to_owned(), |mean| format!("{mean:.4}"));
        let text = format!("epoch {} of {}, mean objective {mean}", now.epochs_over, now.epochs);
        tell(false, "EpochLearned", text);
    }
    if before.epochs_over + before.epochs > 0 && now.epochs < before.epochs {
        let text = Reason::StoppingEarly { epochs: now.epochs }.to_string();
        tell(false, "StoppingEarly", text);
    }
    if now.phase == RepetitionPhase::Failed && before.phase != RepetitionPhase::Failed {
        let word = Reason::failed(&now.reason, &now.message).word();
        tell(true, word, now.message.clone());
    }
    if now.phase == RepetitionPhase::Complete && before.phase != RepetitionPhase::Complete {
        tell(false, "Evaluated", now.message.clone());
    }
    events
}
