//! What is told of an epoch, in whatever order and however often, comes to the same.
#![allow(clippy::unwrap_used)]

mod common;

use common::{any_epoch, key, problem, step, told, trajectory};
use dataset::{Counts, GatherError, Gathered, Order, Record, Steps};
use proptest::prelude::*;
use tuning::{Outcome, Trajectory};

fn empty() -> Gathered {
    Gathered::new(problem(), 2, 3)
}

fn order(trajectories: u32, lost: &[u32]) -> Record {
    Record::Order(Order { trajectories, lost: lost.to_vec() })
}

/// `trajectory` in pieces that end at `cuts`; the outcome comes with the last.
fn pieces(trajectory: &Trajectory, cuts: &[usize]) -> Vec<Record> {
    let whole = told(trajectory);
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (whole.steps.len() + 1)).collect();
    ends.push(whole.steps.len());
    ends.sort_unstable();
    let mut begin = 0;
    let mut pieces = Vec::new();
    for end in ends {
        let steps = whole.steps[begin..end].to_vec();
        pieces.push(Steps { steps, outcome: None, ..whole.clone() });
        begin = end;
    }
    pieces.last_mut().unwrap().outcome = whole.outcome;
    pieces.into_iter().map(Record::Steps).collect()
}

/// Deliveries of an epoch, each at least once, in any order.
fn deliveries() -> impl Strategy<Value = (Vec<Record>, Vec<Record>)> {
    let cuts = prop::collection::vec(0..7_usize, 0..3);
    (any_epoch(), cuts, prop::collection::vec(0..6_u32, 0..3)).prop_flat_map(|(trajectories, cuts, lost)| {
        let mut once = vec![order(6, &[]), order(6, &lost)];
        once.extend(trajectories.iter().flat_map(|trajectory| pieces(trajectory, &cuts)));
        let repeats = prop::collection::vec(prop::sample::select(once.clone()), 0..12);
        repeats.prop_flat_map(move |repeats| {
            let many = [once.clone(), repeats].concat();
            (Just(once.clone()), Just(many).prop_shuffle())
        })
    })
}

proptest! {
    #[test]
    fn order_and_repetition_change_nothing((once, many) in deliveries()) {
        let (mut expected, mut found) = (empty(), empty());
        for record in &once {
            expected.merge(record).unwrap();
        }
        for record in &many {
            found.merge(record).unwrap();
        }
        prop_assert_eq!(&found, &expected);
        for record in &many {
            prop_assert!(!found.merge(record).unwrap(), "a repeat is no news");
        }
        prop_assert_eq!(&found, &expected);
    }

    #[test]
    fn all_that_was_told_is_committed_and_one_attempt_counts((once, _) in deliveries()) {
        let mut gathered = empty();
        let mut rows = 0;
        for record in &once {
            gathered.merge(record).unwrap();
            rows += match record { Record::Steps(steps) => steps.steps.len(), Record::Order(_) => 0 };
        }
        let all = gathered.trajectories();
        prop_assert_eq!(all.iter().map(|t| t.steps.len()).sum::<usize>(), rows);
        prop_assert!(all.windows(2).all(|pair| pair[0].key < pair[1].key));
        for index in 0..6 {
            let here = all.iter().filter(|t| t.key.index == index);
            let counting: Vec<_> = here.filter(|t| t.outcome != Some(Outcome::Lost)).collect();
            prop_assert!(counting.len() <= 1);
            if let Some(outcome) = gathered.outcome(index) {
                prop_assert_eq!(counting.first().and_then(|t| t.outcome).unwrap_or(Outcome::Lost), outcome);
            }
        }
        let Counts { completed, diverged, lost } = gathered.counts();
        prop_assert_eq!((completed + diverged + lost) as usize, gathered.ended().len());
        prop_assert_eq!(gathered.is_complete(), gathered.ended().len() == 6);
    }
}

#[test]
fn an_attempt_is_told_how_far_it_is_known() {
    let mut gathered = empty();
    let records = pieces(&trajectory(3, 0, 0, 6, Outcome::Completed), &[2, 4]);
    let progress = |gathered: &Gathered| {
        let progress = gathered.progress(&key(3, 0, 0));
        (progress.next_step, progress.ended)
    };
    assert_eq!(progress(&gathered), (0, false));
    gathered.merge(&records[1]).unwrap();
    assert_eq!(progress(&gathered), (0, false), "steps 2 and 3 overtook 0 and 1");
    gathered.merge(&records[0]).unwrap();
    assert_eq!(progress(&gathered), (4, false));
    gathered.merge(&records[2]).unwrap();
    assert_eq!(progress(&gathered), (6, true));
    assert_eq!(gathered.progress(&key(4, 0, 0)).next_step, 0, "of another epoch nothing is known");
}

#[test]
fn the_first_attempt_that_ended_counts_and_the_others_are_lost() {
    let mut gathered = empty();
    gathered.merge(&order(3, &[2])).unwrap();
    let attempts = [
        trajectory(3, 0, 0, 2, Outcome::Lost),
        trajectory(3, 0, 1, 3, Outcome::Diverged),
        trajectory(3, 0, 2, 6, Outcome::Completed),
        trajectory(3, 1, 0, 6, Outcome::Completed),
    ];
    for attempt in attempts.iter().rev() {
        gathered.merge(&Record::Steps(told(attempt))).unwrap();
    }
    let found: Vec<_> =
        gathered.trajectories().iter().map(|t| (t.key.index, t.key.attempt, t.outcome.unwrap())).collect();
    let (completed, diverged, lost) = (Outcome::Completed, Outcome::Diverged, Outcome::Lost);
    assert_eq!(found, [(0, 0, lost), (0, 1, diverged), (0, 2, lost), (1, 0, completed), (2, 0, lost)]);
    assert_eq!(gathered.counts(), Counts { completed: 1, diverged: 1, lost: 1 });
    assert!(gathered.is_complete());
}

#[test]
fn an_attempt_thought_lost_may_still_end_well() {
    let mut gathered = empty();
    gathered.merge(&order(1, &[0])).unwrap();
    assert_eq!(gathered.outcome(0), Some(Outcome::Lost));
    gathered.merge(&Record::Steps(told(&trajectory(3, 0, 0, 2, Outcome::Lost)))).unwrap();
    gathered.merge(&Record::Steps(told(&trajectory(3, 0, 0, 6, Outcome::Completed)))).unwrap();
    assert_eq!(gathered.outcome(0), Some(Outcome::Completed));
}

#[test]
fn a_completed_attempt_counts_only_with_all_its_steps() {
    let mut gathered = empty();
    gathered.merge(&order(1, &[])).unwrap();
    gathered.merge(&Record::Steps(told(&trajectory(3, 0, 0, 4, Outcome::Completed)))).unwrap();
    assert!(!gathered.is_complete());
    let key = key(3, 0, 0);
    let rest = Steps { steps: vec![step(key, 4), step(key, 5)], ..told(&trajectory(3, 0, 0, 0, Outcome::Completed)) };
    gathered.merge(&Record::Steps(rest)).unwrap();
    assert!(gathered.is_complete());
}

#[test]
fn a_contradiction_names_attempt_and_step_and_changes_nothing() {
    let mut gathered = empty();
    gathered.merge(&Record::Steps(told(&trajectory(3, 0, 0, 4, Outcome::Diverged)))).unwrap();
    let before = gathered.clone();
    let mut other = told(&trajectory(3, 0, 0, 5, Outcome::Diverged));
    other.steps[3].metrics[0] = 0.25;
    let refused = |told: Steps| {
        let error = before.clone().merge(&Record::Steps(told)).unwrap_err();
        matches!(error, GatherError::Conflict { .. }).then(|| error.to_string()).unwrap()
    };
    let text = refused(other.clone());
    assert!(text.contains("index: 0, attempt: 0") && text.ends_with("another step 3"), "{text}");
    let steps = before.progress(&key(3, 0, 0)).next_step;
    assert_eq!(steps, 4, "step 4, which came in the same record, was not taken");
    assert!(refused(Steps { seed: 1, ..told(&trajectory(3, 0, 0, 2, Outcome::Diverged)) }).ends_with("seed or task"));
    assert!(refused(told(&trajectory(3, 0, 0, 4, Outcome::Completed))).ends_with("outcome"));
    gathered.merge(&Record::Steps(other)).unwrap_err();
    assert_eq!(gathered, before);
}

#[test]
fn what_does_not_fit_is_refused_with_its_reason() {
    type Change = fn(&mut Steps);
    let refused = |change: Change| {
        let mut steps = told(&trajectory(3, 1, 0, 3, Outcome::Diverged));
        change(&mut steps);
        let mut gathered = empty();
        gathered.merge(&order(4, &[])).unwrap();
        let before = gathered.clone();
        let error = gathered.merge(&Record::Steps(steps)).unwrap_err().to_string();
        assert_eq!(gathered, before);
        error
    };
    let cases: [(Change, &str); 9] = [
        (|s| s.key.epoch = 4, "is not of repetition 2, epoch 3"),
        (|s| s.key.repetition = 0, "is not of repetition 2, epoch 3"),
        (|s| s.key.index = 4, "index 4 is outside the epoch's 4 trajectories"),
        (|s| drop(s.steps.remove(1)), "step 1 should stand here"),
        (|s| s.steps.iter_mut().for_each(|step| step.step += 4), "the last step is 5"),
        (|s| s.steps[1].metrics.truncate(1), "1 metrics instead of 2"),
        (|s| s.steps[1].applied[1] = f64::NAN, "NaN among the applied values"),
        (|s| s.steps[1].decision.as_mut().unwrap().actions[0] = 3, "action 3, but there are 3 multipliers"),
        (|s| s.steps[1].decision.as_mut().unwrap().value = Some(f32::INFINITY), "inf among the value"),
    ];
    for (change, text) in cases {
        let error = refused(change);
        assert!(error.contains(text), "{error}");
    }
    let error = empty().merge(&order(3, &[3])).unwrap_err().to_string();
    assert_eq!(error, "index 3 is outside the epoch's 3 trajectories");
}

/// An attempt at index 0 of the epoch with steps 0 ..= `last`, whose clock begins at `clock`.
fn attempt(number: u32, last: u32, clock: f64, outcome: Option<Outcome>) -> Steps {
    let mut whole = told(&trajectory(3, 0, number, last + 1, Outcome::Lost));
    whole.steps.iter_mut().for_each(|step| step.elapsed_seconds = clock + f64::from(step.step));
    Steps { outcome, ..whole }
}

/// One that carries `before` on after `step`, up to `last`; its clock begins at `clock`.
fn carried_on(before: &Steps, number: u32, step: u32, last: u32, clock: f64) -> Steps {
    let mut whole = attempt(number, last, clock, None);
    let kept = step as usize + 1;
    whole.steps[..kept].clone_from_slice(&before.steps[..kept]);
    whole
}

#[test]
fn a_trajectory_is_taken_up_after_the_latest_checkpoint_as_the_attempt_left_it_that_wrote_it() {
    let mut gathered = empty();
    assert_eq!(gathered.history(0, &[0, 1]), tuning::History::default(), "nothing is known");
    let first = attempt(0, 3, 0.0, None);
    gathered.merge(&Record::Steps(first.clone())).unwrap();
    let found = gathered.history(0, &[2, 1, 9]);
    assert_eq!((found.steps.as_slice(), found.elapsed_seconds), (&first.steps[..=2], 3.0));
    assert!(gathered.history(0, &[]).steps.is_empty() && gathered.history(1, &[2]).steps.is_empty());
    // The second went back to step 1, since there was no checkpoint of 2 or 3, and came as far as the first.
    let second = carried_on(&first, 7, 1, 3, 100.0);
    gathered.merge(&Record::Steps(second.clone())).unwrap();
    assert_eq!(gathered.history(0, &[1, 2, 3]).steps, second.steps[..=3]);
    assert_eq!(gathered.history(0, &[1, 2, 3]).elapsed_seconds, 103.0);
}

#[test]
fn what_attempts_have_in_common_is_kept_once_and_what_each_trained_besides_is_kept_too() {
    let mut gathered = empty();
    let first = attempt(5, 3, 0.0, None);
    let second = carried_on(&first, 2, 1, 2, 100.0);
    let mut third = carried_on(&second, 9, 2, problem().env_steps, 200.0);
    third.steps.last_mut().unwrap().decision = None;
    third.outcome = Some(Outcome::Completed);
    gathered.merge(&order(1, &[])).unwrap();
    for steps in [&third, &first, &second] {
        gathered.merge(&Record::Steps(steps.clone())).unwrap();
    }
    let all = gathered.trajectories();
    let shape: Vec<_> = all.iter().map(|t| (t.key.attempt, t.outcome, t.steps.first().map(|s| s.step))).collect();
    let lost = Some(Outcome::Lost);
    assert_eq!(shape, [(2, lost, None), (5, lost, Some(2)), (9, Some(Outcome::Completed), Some(0))]);
    let trained: u64 = all.iter().map(Trajectory::env_steps).sum();
    assert_eq!(trained, u64::from(problem().env_steps) + 2, "the first trained steps 2 and 3 for nothing");
    assert_eq!(all[1].seconds(), 1.0);
}
