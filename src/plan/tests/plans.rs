//! Small observations, and the plans that follow from them, as people read them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use api::{Phase, Timestamp};
use plan::{BatchObserved, LearnerObserved, Observed, Plan, Reason, RepetitionObserved, Workload, WorldModelObserved};
use plan::{forgive, plan, refuse, validate};
use wire::learner::{EpochState, EpochSummary, LearnerPhase, LearnerState};
use wire::world_model::WorldModelState;

const EXPERIMENT: &str = "
apiVersion: trainpilot.dev/v1alpha1
kind: TuningExperiment
metadata: {name: small, uid: u-1, generation: 3}
spec:
  repetitions: 1
  parallelism: 4
  objective: {metric: accuracy}
  metrics: [{name: accuracy, range: [0, 1]}]
  hyperparameters: [{name: learning_rate, initial: 0.01, min: 1e-5, max: 1}]
  trajectory:
    envSteps: 10
    template: {spec: {containers: [{name: trainer, command: [train]}]}}
  algorithm: {ppo: {epochs: 2, trajectoriesPerEpoch: 8}}
  finalEvaluation: {trajectories: 6}
";

/// The experiment with `from` replaced by `to`, half an hour after midnight, nothing seen.
fn observed(from: &str, to: &str) -> Observed {
    assert!(EXPERIMENT.contains(from), "{from:?}");
    Observed {
        now: at("2026-01-01T00:30:00Z"),
        experiment: api::validate(&EXPERIMENT.replacen(from, to, 1)).unwrap(),
        repetitions: Vec::new(),
        policies: BTreeMap::new(),
    }
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn check(observed: &Observed) -> Plan {
    plan(&validate(observed).unwrap())
}

fn learner(state: LearnerState) -> LearnerObserved {
    LearnerObserved { epochs: 2, state: Some(state), failure: None }
}

/// A learner's answer after `over` epochs.
fn after(over: u32) -> LearnerState {
    let summary = |epoch| EpochSummary {
        epoch,
        completed: 7,
        diverged: 1,
        lost: 0,
        mean: Some(0.5 + f64::from(epoch) / 10.0),
        best: Some(0.75),
        policy_version: epoch.into(),
    };
    LearnerState {
        epochs_learned: over,
        policy_version: u64::from(over) + 1,
        epochs: (1..=over).map(summary).collect(),
        env_steps_trained: u64::from(over) * 80,
        ..LearnerState::default()
    }
}

fn gathering(epoch: u32, trajectories: u32, ended: &[u32]) -> LearnerState {
    let completed = ended.len() as u32;
    let state = EpochState { epoch, trajectories, completed, diverged: 0, lost: 0, ended: ended.to_vec() };
    LearnerState { phase: LearnerPhase::Gathering, gathering: Some(state), ..after(epoch - 1) }
}

fn batch(epoch: u32, parallelism: u32, running: u32, ended: &[u32]) -> BatchObserved {
    BatchObserved { epoch, parallelism, running, ended: ended.to_vec(), ..BatchObserved::default() }
}

fn seen(learner: Option<LearnerObserved>, batches: Vec<BatchObserved>) -> RepetitionObserved {
    RepetitionObserved { address: "127.0.0.1:7000".to_owned(), learner, batches, ..RepetitionObserved::default() }
}

/// The same observation once the status of its plan is written.
fn next(observed: &Observed) -> Observed {
    let mut next = observed.clone();
    next.experiment.status = Some(check(observed).status);
    next
}

#[test]
fn at_first_only_learners_are_wanted() {
    insta::assert_snapshot!(check(&observed("repetitions: 1", "repetitions: 2")));
}

#[test]
fn a_learner_that_answers_is_told_of_the_first_epoch_whose_batch_is_wanted() {
    let mut observed = observed("", "");
    observed.repetitions = vec![seen(Some(learner(after(0))), vec![])];
    insta::assert_snapshot!(check(&observed));
}

#[test]
fn while_trajectories_run_nothing_changes() {
    let mut observed = observed("", "");
    observed.repetitions = vec![seen(Some(learner(gathering(1, 8, &[0, 3]))), vec![batch(1, 4, 4, &[0, 3])])];
    insta::assert_snapshot!(check(&next(&observed)));
}

#[test]
fn indices_whose_attempts_are_used_up_are_told_to_the_learner() {
    let mut observed = observed("", "");
    let mut batch = batch(1, 4, 0, &[0, 1, 2, 3, 4, 5]);
    batch.failed = vec![7, 6];
    observed.repetitions = vec![seen(Some(learner(gathering(1, 8, &[0, 1, 2, 3, 4, 5, 6]))), vec![batch])];
    insta::assert_snapshot!(check(&next(&observed)));
}

#[test]
fn while_the_policy_is_trained_the_batch_stays_as_it_is() {
    let mut observed = observed("", "");
    let state = LearnerState { phase: LearnerPhase::Learning, ..gathering(1, 8, &[0, 1, 2, 3, 4, 5, 6, 7]) };
    observed.repetitions = vec![seen(Some(learner(state)), vec![batch(1, 4, 0, &[0, 1, 2, 3, 4, 5, 6, 7])])];
    insta::assert_snapshot!(check(&next(&observed)));
}

#[test]
fn what_something_waits_for_that_may_never_come_is_told_and_changes_nothing() {
    let mut observed = observed("", "");
    let sentence = "pod small-r0-e1-0 can't be scheduled: 0/3 nodes are available".to_owned();
    let repetition = seen(Some(learner(gathering(1, 8, &[]))), vec![batch(1, 4, 4, &[])]);
    observed.repetitions = vec![repetition.clone()];
    let before = check(&next(&observed));
    observed.repetitions = vec![RepetitionObserved { waits_for: Some(sentence.clone()), ..repetition }];
    let plan = check(&next(&observed));
    assert_eq!((plan.wanted, plan.unwanted), (before.wanted, before.unwanted));
    assert_eq!(plan.report.trouble, Some(plan::Reason::CannotStart(sentence)));
    let degraded = plan.status.conditions.iter().find(|condition| condition.type_ == "Degraded").unwrap();
    assert_eq!((degraded.status.as_str(), degraded.reason.as_str()), ("True", "CannotStart"));
}

#[test]
fn a_learned_epochs_batch_goes_and_the_next_one_comes() {
    let mut before = observed("", "");
    before.repetitions = vec![seen(Some(learner(gathering(1, 8, &[0, 1]))), vec![batch(1, 4, 4, &[0, 1])])];
    let mut observed = next(&before);
    observed.repetitions = vec![seen(Some(learner(after(1))), vec![batch(1, 4, 0, &[0, 1, 2, 3, 4, 5, 6, 7])])];
    insta::assert_snapshot!(check(&observed));
}

#[test]
fn after_the_last_epoch_comes_the_final_evaluation() {
    let mut observed = observed("{trajectories: 6}", "{trajectories: 6, mode: Greedy}");
    observed.repetitions = vec![seen(Some(learner(after(2))), vec![])];
    insta::assert_snapshot!(check(&next(&observed)));
}

#[test]
fn what_learns_nothing_starts_with_the_final_evaluation() {
    let mut observed = observed("ppo: {epochs: 2, trajectoriesPerEpoch: 8}", "fixed: {}");
    observed.repetitions = vec![seen(Some(LearnerObserved { epochs: 0, ..learner(after(0)) }), vec![])];
    insta::assert_snapshot!(check(&observed));
}

#[test]
fn once_the_final_evaluation_is_stored_nothing_is_wanted() {
    let mut before = observed("", "");
    before.repetitions = vec![seen(Some(learner(gathering(3, 6, &[0]))), vec![batch(3, 4, 4, &[0])])];
    let mut observed = next(&before);
    observed.repetitions = vec![seen(Some(learner(after(3))), vec![batch(3, 4, 0, &[0, 1, 2, 3, 4, 5])])];
    insta::assert_snapshot!(check(&observed));
    let mut after = next(&observed);
    after.repetitions = Vec::new();
    let at_rest = check(&after);
    assert_eq!(Some(&at_rest.status), after.experiment.status.as_ref());
    assert!(at_rest.wanted.is_empty() && at_rest.unwanted.is_empty() && at_rest.events.is_empty());
}

#[test]
fn repetitions_share_the_slots_and_one_that_is_ahead_waits_for_none() {
    let mut observed = observed("repetitions: 1", "repetitions: 3");
    observed.repetitions = vec![
        seen(Some(learner(gathering(2, 8, &[0]))), vec![batch(2, 1, 1, &[0])]),
        seen(Some(learner(after(0))), vec![]),
        seen(Some(learner(after(0))), vec![]),
    ];
    insta::assert_snapshot!(check(&next(&observed)));
}

#[test]
fn what_still_runs_of_an_epoch_that_is_over_holds_its_slots() {
    let granted = |leaving: u32, running: u32| {
        let mut observed = observed("repetitions: 1", "repetitions: 2");
        let first = seen(Some(learner(after(1))), vec![batch(1, 2, running, &[0, 1, 2, 3, 4, 5, 6, 7])]);
        let second = seen(Some(learner(gathering(1, 8, &[]))), vec![batch(1, 2, 2, &[])]);
        observed.repetitions = vec![RepetitionObserved { leaving, ..first }, second];
        let batches = check(&next(&observed)).wanted.into_iter().filter_map(|workload| match workload {
            Workload::Batch { parallelism, .. } => Some(parallelism),
            _ => None,
        });
        batches.collect::<Vec<u32>>()
    };
    assert_eq!(granted(0, 0), [2, 2]);
    assert_eq!(granted(2, 0), [0, 2]);
    assert_eq!(granted(0, 1), [1, 2]);
}

#[test]
fn suspending_stops_everything_and_keeps_what_is_unfinished() {
    let mut before = observed("", "");
    before.repetitions =
        vec![seen(Some(learner(gathering(2, 8, &[0]))), vec![batch(2, 4, 4, &[0]), batch(1, 4, 0, &[])])];
    let mut observed = next(&before);
    observed.experiment.spec.suspend = true;
    insta::assert_snapshot!(check(&observed));
}

#[test]
fn a_learner_that_is_away_stops_no_training() {
    let mut before = observed("", "");
    before.repetitions = vec![seen(Some(learner(gathering(2, 8, &[0]))), vec![batch(2, 4, 4, &[0])])];
    let mut observed = next(&before);
    observed.repetitions[0].learner = None;
    insta::assert_snapshot!(check(&observed));
}

#[test]
fn an_answer_that_is_older_than_what_was_known_starts_nothing() {
    let mut before = observed("", "");
    before.repetitions = vec![seen(Some(learner(gathering(2, 8, &[0]))), vec![batch(2, 4, 4, &[0])])];
    let mut observed = next(&before);
    observed.repetitions[0].learner = Some(learner(after(0)));
    insta::assert_snapshot!(check(&observed));
}

#[test]
fn a_learner_that_failed_holds_no_device_until_somebody_intervenes() {
    let mut before = observed("repetitions: 1", "repetitions: 2");
    let running = seen(Some(learner(gathering(1, 8, &[0]))), vec![batch(1, 2, 2, &[0])]);
    before.repetitions = vec![running.clone(), running];
    let mut failing = next(&before);
    failing.repetitions[0].learner.as_mut().unwrap().failure =
        Some("the learner exited with code 1 five times".to_owned());
    insta::assert_snapshot!(check(&failing));

    let mut gone = next(&failing);
    gone.repetitions[0] = seen(None, vec![]);
    let settled = check(&gone);
    assert!(
        settled
            .wanted
            .iter()
            .all(|workload| !matches!(workload.name(), plan::WorkloadName::PolicyLearner { repetition: 0 }))
    );
    assert_eq!(settled.status.phase, api::Phase::Running);
    assert_eq!(settled.report.trouble.map(|reason| reason.word()), Some("LearnerFailed"));

    let mut forgiven = gone.clone();
    forgive(forgiven.experiment.status.as_mut().unwrap());
    assert_eq!(check(&forgiven).wanted[0].name(), plan::WorkloadName::PolicyLearner { repetition: 0 });

    gone.experiment.spec.suspend = true;
    let mut resumed = next(&gone);
    resumed.experiment.spec.suspend = false;
    assert_eq!(check(&resumed).wanted[0].name(), plan::WorkloadName::PolicyLearner { repetition: 0 });
}

#[test]
fn a_learner_that_tries_again_by_itself_is_degraded_not_failed() {
    let mut observed = observed("", "");
    let state = LearnerState { fault: Some("the disk is full".to_owned()), ..gathering(1, 8, &[0]) };
    observed.repetitions = vec![seen(Some(learner(state)), vec![batch(1, 4, 4, &[0])])];
    let plan = check(&observed);
    let holds = |kind: &str| plan.status.conditions.iter().any(|c| c.type_ == kind && c.status == "True");
    assert!(holds("Degraded") && holds("Progressing") && !holds("Failed"));
    assert_eq!(plan.report.overall.to_string(), "the disk is full");
}

#[test]
fn a_batch_that_a_queue_holds_back_says_so_until_it_runs() {
    let mut observed = observed("", "");
    let mut word = |epoch: u32, running: u32| {
        let held = BatchObserved {
            waits_in: Some("research".to_owned()),
            final_evaluation: epoch == 3,
            ..batch(epoch, 4, running, &[])
        };
        observed.repetitions = vec![seen(Some(learner(after(epoch - 1))), vec![held])];
        let plan = check(&observed);
        (plan.report.overall.word(), plan.report.overall.to_string(), plan.status.phase)
    };
    assert_eq!(word(1, 0), ("Queued", "epoch 1 waits in the queue research for quota".to_owned(), Phase::Running));
    // Preempted ones that are on their way out still run.
    assert_eq!(word(1, 2).0, "Gathering");
    assert_eq!(word(3, 0).1, "the final evaluation waits in the queue research for quota");
}

#[test]
fn a_batch_for_a_queue_has_its_whole_share_at_once_whatever_others_hold() {
    let queue = "generation: 3, labels: {kueue.x-k8s.io/queue-name: research}}";
    let mut observed = observed("generation: 3}", queue);
    observed.experiment.spec.repetitions = 2;
    let other = seen(Some(learner(gathering(1, 8, &[]))), vec![batch(1, 4, 4, &[])]);
    observed.repetitions = vec![other, seen(Some(learner(after(0))), vec![])];
    let plan = check(&observed);
    let widths = plan.wanted.iter().filter_map(|workload| match workload {
        Workload::Batch { parallelism, .. } => Some(*parallelism),
        _ => None,
    });
    assert_eq!(widths.collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn an_epoch_of_which_nothing_came_is_a_failure_with_its_cause() {
    let mut observed = observed("", "");
    let mut batch = batch(1, 4, 0, &[]);
    batch.failed = (0..8).collect();
    batch.failure = Some("train: command not found".to_owned());
    observed.repetitions = vec![seen(Some(learner(gathering(1, 8, &[]))), vec![batch])];
    insta::assert_snapshot!(check(&observed));
}

#[test]
fn an_epoch_whose_trajectories_fail_one_after_the_other_is_lost_with_the_last_of_them() {
    let mut observed = observed("", "");
    let mut state = gathering(1, 8, &[0, 1, 2, 3, 4, 5]);
    let known = state.gathering.as_mut().unwrap();
    (known.completed, known.lost) = (0, 6);
    // In a cluster, what was told of is no longer among what has failed.
    let failing = |failed: &[u32]| BatchObserved { failed: failed.to_vec(), ..batch(1, 4, 0, &[]) };
    let mut with = |failed: &[u32]| {
        observed.repetitions = vec![seen(Some(learner(state.clone())), vec![failing(failed)])];
        check(&observed)
    };
    let plan = with(&[6]);
    assert_eq!((plan.directives[0].order.lost.as_slice(), plan.report.overall.word()), (&[6][..], "Gathering"));
    for last in [&[6, 7][..], &[0, 1, 2, 3, 4, 5, 6, 7]] {
        let plan = with(last);
        assert_eq!(plan.report.overall.word(), "EpochLost");
        assert!(plan.directives.is_empty(), "the learner would go on without one trajectory");
    }
}

#[test]
fn a_learner_started_anew_is_asked_what_it_has_before_anything_is_given_up() {
    let mut observed = observed("", "");
    let failed = BatchObserved { failed: (0..8).collect(), ..batch(1, 4, 0, &[]) };
    observed.repetitions = vec![seen(Some(learner(after(0))), vec![failed])];
    let plan = check(&observed);
    assert!(plan.directives[0].order.lost.is_empty() && !plan.report.overall.is_failure());
}

#[test]
fn a_used_up_budget_leads_to_the_final_evaluation_by_way_of_a_learner_that_knows() {
    let mut observed = observed("finalEvaluation:", "budget: {trajectories: 15}\n  finalEvaluation:");
    observed.repetitions = vec![seen(Some(learner(after(1))), vec![batch(1, 4, 0, &[])])];
    insta::assert_snapshot!("budget_learner_is_replaced", check(&observed));
    observed = next(&observed);
    observed.repetitions = vec![seen(Some(LearnerObserved { epochs: 1, ..learner(after(1)) }), vec![])];
    insta::assert_snapshot!("budget_final_evaluation", check(&observed));
    observed = next(&observed);
    observed.experiment.spec.budget.trajectories = None;
    observed.repetitions[0].learner = None;
    assert_eq!(check(&observed).status.repetitions[0].epochs, 1, "what was decided is not taken back");
    observed.repetitions[0].learner = Some(LearnerObserved { epochs: 1, ..learner(after(2)) });
    assert_eq!(check(&observed).report.overall.word(), "BudgetExhausted");
}

#[test]
fn hours_are_counted_from_the_start_and_end_no_epoch_half_way() {
    let mut observed = observed("finalEvaluation:", "budget: {hours: 2}\n  finalEvaluation:");
    observed.repetitions = vec![seen(Some(learner(after(0))), vec![])];
    observed = next(&observed);
    observed.now = at("2026-01-01T02:29:59Z");
    assert_eq!(check(&observed).directives.len(), 1);
    observed.now = at("2026-01-01T02:30:00Z");
    assert_eq!(check(&observed).report.overall.word(), "StoppingEarly");
    observed.repetitions = vec![seen(Some(learner(gathering(1, 8, &[0]))), vec![batch(1, 4, 4, &[0])])];
    assert_eq!(check(&observed).report.overall.word(), "Gathering");
}

#[test]
fn a_search_has_an_epoch_of_candidates_and_one_of_finalists() {
    let mut observed =
        observed("ppo: {epochs: 2, trajectoriesPerEpoch: 8}", "search: {candidates: 20, finalists: 3, trials: 5}");
    observed.repetitions = vec![seen(Some(learner(after(0))), vec![])];
    assert_eq!(check(&observed).directives[0].order.trajectories, 20);
    observed.repetitions = vec![seen(Some(learner(after(1))), vec![])];
    assert_eq!(check(&observed).directives[0].order.trajectories, 15);
}

#[test]
fn a_batch_that_vanished_comes_back_for_what_is_missing() {
    let mut observed = observed("", "");
    observed.repetitions = vec![seen(Some(learner(gathering(1, 8, &[0, 1, 2, 3, 4, 5, 6]))), vec![])];
    insta::assert_snapshot!(check(&next(&observed)));
}

#[test]
fn an_unsound_experiment_touches_nothing_and_says_why() {
    let mut observed = observed("", "");
    observed.experiment.spec.multipliers = vec![0.5, 2.0];
    observed.repetitions = vec![seen(Some(learner(after(0))), vec![])];
    let violations = validate(&observed).unwrap_err();
    let refused = refuse(&observed, &violations);
    insta::assert_snapshot!(refused);
    observed.experiment.status = Some(refused.status);
    assert!(refuse(&observed, &violations).events.is_empty());
}

#[test]
fn conditions_keep_their_time_until_they_change() {
    let first = next(&observed("", ""));
    let mut later = first.clone();
    later.now = at("2026-01-01T05:00:00Z");
    assert_eq!(Some(check(&later).status), first.experiment.status);
    later.experiment.spec.suspend = true;
    let changed: Vec<_> =
        check(&later).status.conditions.into_iter().filter(|c| c.last_transition_time.0 == later.now).collect();
    assert_eq!(changed.iter().map(|c| c.type_.as_str()).collect::<Vec<_>>(), ["Progressing", "Suspended"]);
}

const SIMPLE: [&str; 2] = ["ppo: {epochs: 2, trajectoriesPerEpoch: 8}", "simple: {epochs: 2, trajectoriesPerEpoch: 8}"];

#[test]
fn a_world_model_learner_is_wanted_once_the_policy_learner_listens_and_until_the_last_epoch_is_learned() {
    let mut observed = observed(SIMPLE[0], SIMPLE[1]);
    let wanted = |observed: &Observed| check(observed).wanted.iter().map(|w| w.name().of("x")).collect::<Vec<_>>();
    assert_eq!(wanted(&observed), ["x-r0-learner"]);
    observed.repetitions = vec![seen(Some(learner(after(0))), vec![])];
    assert_eq!(wanted(&observed), ["x-r0-learner", "x-r0-world-model", "x-r0-e1"]);
    observed.repetitions = vec![seen(Some(learner(after(2))), vec![])];
    observed.repetitions[0].world_model = Some(WorldModelObserved::default());
    let plan = check(&observed);
    assert_eq!(plan.unwanted.iter().map(|name| name.of("x")).collect::<Vec<_>>(), ["x-r0-world-model"]);
    assert_eq!(wanted(&observed), ["x-r0-learner", "x-r0-e3"]);
}

#[test]
fn what_is_wrong_with_a_world_model_learner_is_told_and_ends_the_repetition_only_if_it_can_not_go_on() {
    let mut observed = observed(SIMPLE[0], SIMPLE[1]);
    let fault = Some("the world model was not trained".to_owned());
    let state = WorldModelState { fault, ..WorldModelState::default() };
    observed.repetitions = vec![seen(Some(learner(gathering(1, 8, &[]))), vec![])];
    observed.repetitions[0].world_model = Some(WorldModelObserved { state: Some(state.clone()), failure: None });
    let plan = check(&observed);
    assert_eq!(plan.report.repetitions, [Reason::LearnerFault("the world model was not trained".to_owned())]);
    let degraded = plan.status.conditions.iter().find(|condition| condition.type_ == "Degraded").unwrap();
    assert_eq!(degraded.status, "True");
    assert_ne!(plan.status.phase, api::Phase::Failed);
    let state = WorldModelState { failed: true, ..state };
    observed.repetitions[0].world_model = Some(WorldModelObserved { state: Some(state), failure: None });
    let plan = check(&observed);
    assert_eq!(plan.report.repetitions, [Reason::LearnerFailed("the world model was not trained".to_owned())]);
    assert!(plan.wanted.is_empty());
}
