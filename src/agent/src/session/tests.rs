#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tuning::{Decay, Decision, Keep, Recipe, Schedule};

use super::*;
use crate::fixtures::{config, report};

const KEEP: usize = 3;
const DOUBLE: usize = 6;

fn choice(actions: [usize; 2], version: u64) -> Choice {
    let decision = Decision {
        actions: actions.to_vec(),
        log_probabilities: vec![-1.0, -2.0],
        value: Some(0.5),
        policy_version: version,
        keep: None,
    };
    Choice { decision, follow: None }
}

/// Reports `report`, which has all metrics, `seconds` after the start.
fn reported(session: &mut Session, report: StepReport, seconds: f64) -> Result<Next, Refusal> {
    session.report(report, &BTreeMap::new(), seconds)
}

/// Reports `report` and, if that is due, doubles the learning rate.
fn play(session: &mut Session, report: StepReport) -> Result<StepAnswer, Refusal> {
    match reported(session, report, 1.5)? {
        Next::Answer(answer) => Ok(answer),
        Next::Decide => Ok(session.decide(choice([DOUBLE, KEEP], 4))),
    }
}

/// What a session lets out, to see whether it changed.
fn seen(session: &Session) -> (TrajectoryInfo, Steps, Vec<u64>) {
    (session.info(), session.export(0), session.mismatches().to_vec())
}

#[test]
fn the_trainer_is_told_seed_task_starting_values_and_the_step_that_is_due() {
    let config = config();
    let mut session = Session::new(&config, 5, 1);
    let info = session.info();
    let draw = config.draws.draw(&config.problem, Stage::Learning { repetition: 0, epoch: 1 }, 5);
    assert_eq!((info.seed, info.index, info.env_steps, info.next_step), (draw.seed, 5, 3, 0));
    assert_eq!(info.task, config.draws.tasks[draw.task.unwrap()].name);
    assert_eq!(info.hyperparameters, BTreeMap::from([("learning_rate".into(), 0.01), ("momentum".into(), 0.9)]));
    play(&mut session, report(0, 0.1)).unwrap();
    assert_eq!((session.info().next_step, session.info().hyperparameters["learning_rate"]), (1, 0.02));
}

#[test]
fn metrics_are_awaited_of_the_report_that_is_due_alone() {
    let config = config();
    let mut session = Session::new(&config, 0, 0);
    assert!(session.awaits(&report(0, 0.1)) && !session.awaits(&report(1, 0.1)));
    play(&mut session, report(0, 0.1)).unwrap();
    assert!(!session.awaits(&report(0, 0.1)) && session.awaits(&report(1, 0.1)));
    assert!(!session.awaits(&StepReport { diverged: Some("loss is NaN".into()), ..report(1, 0.1) }));
    // What is recorded is what was shown, and for a repeated report nothing need be shown again.
    let bare = StepReport { metrics: BTreeMap::new(), ..report(1, 0.0) };
    let first = session.report(bare.clone(), &report(1, 0.7).metrics, 1.0).unwrap();
    assert_eq!((first, session.observed()[1].metrics[1]), (Next::Decide, 0.7));
    assert_eq!(reported(&mut session, bare, 2.0), Ok(Next::Decide));
}

#[test]
fn the_final_evaluation_has_seeds_of_its_own() {
    let learning = config();
    let last = AgentConfig { final_evaluation: true, ..learning.clone() };
    assert_ne!(Session::new(&learning, 0, 0).seed(), Session::new(&last, 0, 0).seed());
    assert_eq!(Session::new(&learning, 0, 0).seed(), Session::new(&learning, 0, 1).seed(), "attempts share it");
}

#[test]
fn a_trajectory_is_recorded_from_the_first_evaluation_to_the_last_step() {
    let config = config();
    let mut session = Session::new(&config, 0, 2);
    let answers: Vec<_> = (0..=3).map(|step| play(&mut session, report(step, 0.2)).unwrap()).collect();
    assert_eq!(answers.iter().map(|answer| answer.done).collect::<Vec<_>>(), [false, false, false, true]);
    let rates: Vec<_> = answers.iter().map(|answer| answer.hyperparameters["learning_rate"]).collect();
    assert_eq!(rates, [0.02, 0.04, 0.08, 0.08]);
    assert_eq!(answers[3].policy_version, 4);
    let export = session.export(0);
    assert_eq!((export.outcome, export.key.attempt, export.steps.len()), (Some(Outcome::Completed), 2, 4));
    assert_eq!(export.steps[1].hyperparameters, [0.02, 0.9], "the policy saw what was in force, not what came of it");
    assert_eq!(export.steps[1].metrics, [1.0, 0.2, 0.1]);
    assert_eq!(export.steps[1].elapsed_seconds, 1.5);
    assert_eq!(export.steps[2].decision, Some(choice([DOUBLE, KEEP], 4).decision));
    assert_eq!(export.steps[3].decision, None);
}

#[test]
fn a_repeated_step_gets_the_same_answer() {
    let config = config();
    let mut session = Session::new(&config, 0, 0);
    for step in 0..=3 {
        let first = play(&mut session, report(step, 0.2)).unwrap();
        let before = seen(&session);
        assert_eq!(play(&mut session, report(step, 0.2)).unwrap(), first);
        assert_eq!(seen(&session), before, "step {step}");
    }
}

#[test]
fn the_same_step_with_another_body_is_refused() {
    let config = config();
    let mut session = Session::new(&config, 0, 0);
    for step in 0..=3 {
        play(&mut session, report(step, 0.2)).unwrap();
        let before = seen(&session);
        let refusal = play(&mut session, report(step, 0.3)).unwrap_err();
        assert_eq!(refusal, Refusal::Changed(step));
        assert_eq!(seen(&session), before);
    }
}

#[test]
fn a_step_out_of_order_is_refused_with_the_one_that_is_due() {
    let config = config();
    let mut session = Session::new(&config, 0, 0);
    let refusal = play(&mut session, report(2, 0.2)).unwrap_err();
    assert_eq!(refusal.to_string(), "got step 2, expected step 0");
    play(&mut session, report(0, 0.2)).unwrap();
    play(&mut session, report(1, 0.2)).unwrap();
    assert_eq!(play(&mut session, report(3, 0.2)), Err(Refusal::OutOfOrder { got: 3, expected: 2 }));
    assert_eq!(play(&mut session, report(0, 0.2)), Err(Refusal::OutOfOrder { got: 0, expected: 2 }));
    assert!(play(&mut session, report(2, 0.2)).is_ok(), "a refusal does no harm");
}

#[test]
fn a_step_that_is_being_decided_on_is_not_let_out_and_may_be_repeated() {
    let config = config();
    let mut session = Session::new(&config, 0, 0);
    assert_eq!(reported(&mut session, report(0, 0.2), 1.0), Ok(Next::Decide));
    assert_eq!((session.steps().len(), session.observed().len(), session.info().next_step), (0, 1, 0));
    assert_eq!(reported(&mut session, report(0, 0.2), 2.0), Ok(Next::Decide));
    assert_eq!(reported(&mut session, report(0, 0.3), 2.0), Err(Refusal::Changed(0)));
    assert_eq!(session.observed().len(), 1);
    session.decide(choice([KEEP, KEEP], 1));
    assert_eq!((session.steps().len(), session.steps()[0].elapsed_seconds), (1, 1.0));
}

#[test]
fn unknown_and_missing_metrics_are_refused_by_name() {
    let config = config();
    let mut session = Session::new(&config, 0, 0);
    let mut strange = report(0, 0.2);
    strange.metrics.insert("f1".into(), Some(0.5));
    let text = play(&mut session, strange).unwrap_err().to_string();
    assert_eq!(text, "unknown metric \"f1\", expected loss, accuracy, test_accuracy");
    let mut short = report(0, 0.2);
    short.metrics.remove("test_accuracy");
    let text = play(&mut session, short).unwrap_err().to_string();
    assert_eq!(text, "metric \"test_accuracy\" is missing, expected loss, accuracy, test_accuracy");
    let mut strange = report(0, 0.2);
    strange.hyperparameters.insert("lr".into(), 0.5);
    let text = play(&mut session, strange).unwrap_err().to_string();
    assert_eq!(text, "unknown hyperparameter \"lr\", expected learning_rate, momentum");
    assert_eq!((session.info().next_step, session.outcome()), (0, None));
}

#[test]
fn a_metric_that_is_not_finite_ends_the_trajectory_as_diverged() {
    for bad in [None, Some(f64::NAN), Some(f64::INFINITY)] {
        let config = config();
        let mut session = Session::new(&config, 0, 0);
        play(&mut session, report(0, 0.2)).unwrap();
        let mut last = report(1, 0.2);
        last.metrics.insert("loss".into(), bad);
        let answer = play(&mut session, last).unwrap();
        assert!(answer.done);
        let export = session.export(0);
        assert_eq!((export.outcome, export.steps.len()), (Some(Outcome::Diverged), 1), "nothing infinite is recorded");
    }
}

#[test]
fn a_trainer_may_say_that_it_diverged() {
    let config = config();
    let mut session = Session::new(&config, 0, 0);
    let diverged =
        |step| StepReport { diverged: Some("loss is NaN".into()), metrics: BTreeMap::new(), ..report(step, 0.0) };
    assert_eq!(play(&mut session, diverged(1)), Err(Refusal::OutOfOrder { got: 1, expected: 0 }));
    let answer = play(&mut session, diverged(0)).unwrap();
    assert!(answer.done && session.outcome() == Some(Outcome::Diverged));
    assert_eq!(play(&mut session, diverged(0)).unwrap(), answer);
}

#[test]
fn nothing_is_taken_after_the_end() {
    let config = config();
    let mut session = Session::new(&config, 0, 0);
    (0..=3).for_each(|step| drop(play(&mut session, report(step, 0.2)).unwrap()));
    let before = seen(&session);
    for step in [0, 2, 4, 17] {
        assert_eq!(play(&mut session, report(step, 0.2)), Err(Refusal::Ended(3)), "step {step}");
    }
    assert_eq!(seen(&session), before);
}

#[test]
fn a_value_that_was_not_applied_is_recorded_and_counted() {
    let config = config();
    let mut session = Session::new(&config, 0, 0);
    let applied = |step, rate| {
        let values = [("learning_rate".to_owned(), rate), ("momentum".to_owned(), f64::from(0.9_f32))];
        StepReport { hyperparameters: values.into(), ..report(step, 0.2) }
    };
    play(&mut session, applied(0, 0.01)).unwrap();
    assert_eq!(session.mismatches(), [0, 0], "single precision is near enough");
    play(&mut session, applied(1, 0.01)).unwrap();
    play(&mut session, applied(2, 0.04)).unwrap();
    play(&mut session, applied(3, 0.08 * (1.0 + 1e-5))).unwrap();
    assert_eq!(session.mismatches(), [2, 0]);
    let export = session.export(1);
    assert_eq!((export.steps[0].hyperparameters[0], export.steps[0].applied[0]), (0.02, 0.01));
    assert_eq!(export.steps[1].hyperparameters[0], 0.04, "what the trainer does changes nothing of what it is told");
}

#[test]
fn a_trainer_that_says_nothing_about_values_is_believed() {
    let config = config();
    let mut session = Session::new(&config, 0, 0);
    play(&mut session, report(0, 0.2)).unwrap();
    assert_eq!((session.mismatches(), &session.steps()[0].applied), (&[0, 0][..], &vec![0.01, 0.9]));
}

#[test]
fn a_recipe_takes_the_place_of_starting_values_and_schedules() {
    let config = config();
    let mut session = Session::new(&config, 0, 0);
    let linear = Schedule { decay: Decay::Linear, to: 0.0, warm_up: 0 };
    let follow = Some(Recipe { starts: Some(vec![0.3, 0.5]), schedules: vec![linear, Schedule::default()] });
    reported(&mut session, report(0, 0.2), 0.0).unwrap();
    let first = session.decide(Choice { follow, ..choice([KEEP, KEEP], 1) });
    assert_eq!(first.hyperparameters, BTreeMap::from([("learning_rate".into(), 0.3), ("momentum".into(), 0.5)]));
    reported(&mut session, report(1, 0.2), 0.0).unwrap();
    let second = session.decide(choice([KEEP, KEEP], 1)).hyperparameters["learning_rate"];
    assert!((second - 0.2).abs() < 1e-12, "{second}");
}

#[test]
fn the_reason_for_keeping_reaches_the_trainer() {
    let config = config();
    let mut session = Session::new(&config, 0, 0);
    reported(&mut session, report(0, 0.2), 0.0).unwrap();
    let mut kept = choice([KEEP, KEEP], 0);
    kept.decision.keep = Some(Keep::NoPolicy);
    let answer = session.decide(kept);
    assert_eq!((answer.kept_because.as_deref(), answer.policy_version), (Some("no_policy"), 0));
}

#[test]
fn an_export_holds_the_steps_asked_for_and_survives_any_number() {
    let config = config();
    let mut session = Session::new(&config, 0, 0);
    (0..=2).for_each(|step| drop(play(&mut session, report(step, 0.2)).unwrap()));
    let numbers = |from| session.export(from).steps.iter().map(|step| step.step).collect::<Vec<_>>();
    assert_eq!([numbers(0), numbers(2), numbers(3), numbers(u32::MAX)], [vec![0, 1, 2], vec![2], vec![], vec![]]);
}

fn any_report() -> impl Strategy<Value = StepReport> {
    let accuracy = prop_oneof![4 => Just(0.2), 1 => Just(0.3), 1 => Just(f64::NAN)];
    (0_u32..6, accuracy, prop::bool::weighted(0.1)).prop_map(|(step, accuracy, diverged)| {
        let mut report = report(step, 0.0);
        report.metrics.insert("accuracy".into(), accuracy.is_finite().then_some(accuracy));
        report.diverged = diverged.then(|| "NaN".to_owned());
        report
    })
}

proptest! {
    #[test]
    fn whatever_a_trainer_sends_the_record_only_grows_without_gaps(
        reports in prop::collection::vec(any_report(), 0..40),
    ) {
        let config = config();
        let mut session = Session::new(&config, 0, 0);
        for report in reports {
            let before = seen(&session);
            let answer = play(&mut session, report.clone());
            let after = seen(&session);
            prop_assert!(after.1.steps.starts_with(&before.1.steps));
            prop_assert!(after.1.steps.iter().zip(0..).all(|(step, n)| step.step == n));
            prop_assert!(before.1.outcome.is_none() || after.1 == before.1, "nothing changes after the end");
            match answer {
                Ok(answer) => {
                    prop_assert_eq!(answer.step, report.step);
                    prop_assert_eq!(answer.done, session.outcome().is_some());
                    prop_assert_eq!(play(&mut session, report).unwrap(), answer);
                }
                Err(_) => prop_assert_eq!(after, before, "a refusal changes nothing"),
            }
        }
    }
}
