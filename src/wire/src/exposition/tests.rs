#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::prelude::*;
use tuning::{
    Decision, Direction, Hyperparameter, Keep, Metric, Objective, Outcome, Problem, Scale, Schedule, Step,
    TrajectoryKey,
};

use super::*;
use crate::learner::Steps;
use tuning::StepsError;

fn problem(metrics: &[String], hyperparameters: &[String], env_steps: u32) -> Problem {
    let metric = |name: &String| Metric { name: name.clone(), range: [0.0, 1.0], scale: Scale::Linear, observed: true };
    let hyperparameter = |name: &String| Hyperparameter {
        name: name.clone(),
        initial: Some(0.1),
        initial_range: None,
        min: 1e-3,
        max: 1.0,
        complement: false,
        schedule: Schedule::default(),
    };
    Problem {
        objective: Objective { metric: metrics[0].clone(), direction: Direction::Maximize },
        metrics: metrics.iter().map(metric).collect(),
        hyperparameters: hyperparameters.iter().map(hyperparameter).collect(),
        multipliers: vec![0.5, 1.0, 2.0],
        env_steps,
    }
}

fn small() -> Problem {
    problem(&["accuracy".into(), "loss".into()], &["lr".into()], 2)
}

/// A whole trajectory of [`small`].
fn whole() -> Steps {
    let step = |step| Step {
        step,
        metrics: vec![0.1 + 0.2, f64::from(step)],
        hyperparameters: vec![1e-3 / 3.0],
        applied: vec![1e-300],
        decision: (step < 2).then(|| Decision {
            actions: vec![2],
            log_probabilities: vec![-1.2345679],
            value: Some(0.1),
            policy_version: u64::MAX,
            keep: None,
        }),
        elapsed_seconds: 1.5,
    };
    let key = TrajectoryKey { repetition: 1, epoch: 2, index: 3, attempt: 4 };
    Steps {
        key,
        seed: u32::MAX,
        task: "wi\"de\\\n".into(),
        steps: (0..3).map(step).collect(),
        outcome: Some(Outcome::Completed),
    }
}

fn read(text: &str) -> Result<Steps, ExpositionError> {
    parse(text.as_bytes(), &small(), &Limits::default())
}

/// What is said about the page of [`whole`] after `from` was replaced with `to`, which must change something.
fn refusal(from: &str, to: &str) -> String {
    let text = page(&whole(), &small());
    let changed = text.replacen(from, to, 1);
    assert_ne!(text, changed, "{from}");
    match read(&changed).unwrap_err() {
        ExpositionError::Text(error) => error.to_string(),
        ExpositionError::Content(error) => error.to_string(),
        error => error.to_string(),
    }
}

#[test]
fn a_page_reads_like_any_page_of_metrics() {
    let mut steps = whole();
    steps.steps.drain(1..);
    steps.outcome = None;
    let text = page(&steps, &small());
    let start = "\
# HELP trainpilot_step_metric What the trainer measured.
# TYPE trainpilot_step_metric gauge
trainpilot_step_metric{step=\"0\",metric=\"accuracy\"} 0.30000000000000004
trainpilot_step_metric{step=\"0\",metric=\"loss\"} 0.0
";
    assert!(text.starts_with(start), "{text}");
    let key = "repetition=\"1\",epoch=\"2\",index=\"3\",attempt=\"4\"";
    let rest = "seed=\"4294967295\",task=\"wi\\\"de\\\\\\n\"";
    let end = format!("trainpilot_trajectory_steps{{format=\"1\",{key},{rest}}} 1\n");
    assert!(text.ends_with(&end), "{text}");
    assert!(text.contains("trainpilot_step_applied_hyperparameter{step=\"0\",hyperparameter=\"lr\"} 1e-300\n"));
    assert!(text.contains("trainpilot_step_policy_version{step=\"0\"} 18446744073709551615\n"));
    assert!(text.contains("trainpilot_step_log_probability{step=\"0\",hyperparameter=\"lr\"} -1.2345679\n"));
}

#[test]
fn a_page_gives_back_what_it_was_made_of() {
    assert_eq!(read(&page(&whole(), &small())), Ok(whole()));
}

#[test]
fn a_long_trajectory_comes_in_several_pages_and_its_outcome_with_the_last() {
    let mut problem = small();
    problem.env_steps = 5000;
    let (per_page, step) = (steps_per_page(&problem), whole().steps[0].clone());
    let mut steps = whole();
    steps.steps = (0..=5000).map(|n| Step { step: n, ..step.clone() }).collect();
    steps.steps.last_mut().unwrap().decision = None;
    let mut gathered = Vec::new();
    while gathered.len() < steps.steps.len() {
        let rest = Steps { steps: steps.steps[gathered.len()..].to_vec(), ..steps.clone() };
        let text = page(&rest, &problem);
        let got = parse(text.as_bytes(), &problem, &Limits::default()).unwrap();
        assert!(got.steps.len() <= per_page);
        gathered.extend(got.steps);
        assert_eq!(got.outcome.is_some(), gathered.len() == steps.steps.len());
    }
    assert_eq!(gathered, steps.steps);
}

#[test]
fn the_largest_page_stays_within_the_limits() {
    let names = |count: usize| (0..count).map(|n| format!("{n:03}{}", "\\".repeat(250))).collect::<Vec<_>>();
    for (metrics, hyperparameters) in [(256, 64), (256, 1), (1, 64), (1, 1)] {
        let problem = problem(&names(metrics), &names(hyperparameters), 100_000);
        let mut steps = whole();
        steps.steps = (0..steps_per_page(&problem) as u32)
            .map(|n| Step {
                step: 50_000 + n,
                metrics: vec![-f64::MIN_POSITIVE / 3.0; metrics],
                hyperparameters: vec![f64::MIN_POSITIVE; hyperparameters],
                applied: vec![f64::MIN_POSITIVE; hyperparameters],
                decision: Some(Decision {
                    actions: vec![0; hyperparameters],
                    log_probabilities: vec![-f32::MIN_POSITIVE; hyperparameters],
                    value: Some(f32::MIN_POSITIVE),
                    policy_version: u64::MAX,
                    keep: Some(Keep::PolicyFault),
                }),
                elapsed_seconds: f64::MIN_POSITIVE,
            })
            .collect();
        let text = page(&steps, &problem);
        assert_eq!(parse(text.as_bytes(), &problem, &Limits::default()), Ok(steps), "{metrics} {hyperparameters}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let cut = |line: &str| refusal(&format!("{line}\n"), "");
    assert_eq!(
        cut("trainpilot_step_metric{step=\"1\",metric=\"loss\"} 1.0"),
        "trainpilot_step_metric is missing for step 1"
    );
    assert_eq!(
        cut("trainpilot_step_elapsed_seconds{step=\"2\"} 1.5"),
        "trainpilot_step_elapsed_seconds is missing for step 2"
    );
    assert_eq!(
        cut("trainpilot_step_policy_version{step=\"0\"} 18446744073709551615"),
        "trainpilot_step_policy_version is missing for step 0"
    );
    assert_eq!(
        cut("trainpilot_step_action{step=\"0\",hyperparameter=\"lr\"} 2"),
        "trainpilot_step_action is missing for step 0"
    );
    assert_eq!(refusal("trainpilot_trajectory_steps{", "other{"), "trainpilot_trajectory_steps is missing");
    assert_eq!(refusal("task=\"wi\\\"de\\\\\\n\"} 3", "task=\"\"} 4"), "the page has 3 steps, but says 4");
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    assert_eq!(
        refusal("metric=\"loss\"", "metric=\"los\""),
        "line 7: trainpilot_step_metric has an unknown metric, expected one of the experiment's"
    );
    assert_eq!(
        refusal("{step=\"1\",metric=\"loss\"}", "{step=\"0\",metric=\"loss\"}"),
        "line 9: trainpilot_step_metric has a sample given twice, expected each once"
    );
    assert_eq!(
        refusal("step=\"0\"", "step=\"-1\""),
        "line 6: trainpilot_step_metric has step=\"-1\", expected a whole number in range"
    );
    assert!(refusal("format=\"1\"", "format=\"2\"").ends_with("expected format 1"));
    assert!(refusal("outcome=\"completed\"", "outcome=\"won\"").contains("an unknown outcome"));
    assert!(refusal("step=\"0\",metric", "step=\"0\",more=\"\",metric").contains("other labels"));
    assert!(refusal("\"} 2\n", "\"} 2.5\n").contains("has 2.5, expected a whole number"));
}

#[test]
fn impossible_steps_are_refused() {
    assert_eq!(refusal("\"} 2\n", "\"} 3\n"), "step 0 has action 3, expected less than 3");
    let number = "must be finite, and seconds not negative";
    assert_eq!(refusal("} 0.30000000000000004", "} NaN"), format!("step 0: metrics {number}"));
    assert_eq!(refusal("} -1.2345679", "} -Inf"), format!("step 0: log-probabilities {number}"));
    assert_eq!(refusal("} 1.5", "} -1.5"), format!("step 0: elapsed seconds {number}"));
    assert_eq!(refusal("epoch=\"2\"", "epoch=\"0\""), "epoch is 0, expected 1 or more");
    let text = page(&whole(), &small()).replace("step=\"1\"", "step=\"3\"");
    assert!(matches!(read(&text), Err(ExpositionError::Content(StepsError::Order { found: 2, .. }))));
}

#[test]
fn decisions_are_where_the_trajectory_goes_on_and_nowhere_else() {
    let check = |change: &dyn Fn(&mut Steps)| {
        let mut steps = whole();
        change(&mut steps);
        steps.check(&small()).map_err(|error| error.to_string())
    };
    let some = whole().steps[0].decision.clone();
    assert_eq!(
        check(&|s| s.steps[2].decision.clone_from(&some)).unwrap_err(),
        "step 2 has a decision, expected none at the end"
    );
    assert!(check(&|s| s.steps[1].decision = None).unwrap_err().starts_with("step 1 has no decision"));
    let cut = |s: &mut Steps, outcome| {
        s.steps.truncate(2);
        s.steps[1].decision = None;
        s.outcome = outcome;
    };
    assert_eq!(check(&|s| cut(s, Some(Outcome::Diverged))), Ok(()));
    assert!(check(&|s| cut(s, None)).is_err());
    assert!(check(&|s| s.steps[0].applied.clear()).unwrap_err().contains("0 applied hyperparameters, expected 1"));
}

#[test]
fn families_of_later_versions_are_passed_over() {
    let text = page(&whole(), &small()) + "trainpilot_news{step=\"x\"} 1 1700000000000\nother_family NaN\n";
    assert_eq!(read(&text), Ok(whole()));
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_]{1,12}", "\\PC{1,8}", "[\"\\\\\n ={},#]{1,6}"]
}

fn distinct(names: &[String]) -> bool {
    names.iter().enumerate().all(|(place, name)| !names[..place].contains(name))
}

fn finite() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |x| x.is_finite())
}

fn finite_f32() -> impl Strategy<Value = f32> {
    any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |x| x.is_finite())
}

prop_compose! {
    fn decision(steered: usize)(
        actions in vec(0_usize..3, steered),
        log_probabilities in prop_oneof![Just(Vec::new()), vec(finite_f32(), steered)],
        value in proptest::option::of(finite_f32()),
        policy_version: u64,
        keep in prop_oneof![Just(None), Just(Some(Keep::NoPolicy)), Just(Some(Keep::PolicyFault))],
    ) -> Decision {
        Decision { actions, log_probabilities, value, policy_version, keep }
    }
}

prop_compose! {
    fn step(measured: usize, steered: usize)(
        metrics in vec(finite(), measured),
        hyperparameters in vec(finite(), steered),
        applied in vec(finite(), steered),
        decision in decision(steered),
        elapsed_seconds in finite(),
    ) -> Step {
        let elapsed_seconds = elapsed_seconds.abs();
        Step { step: 0, metrics, hyperparameters, applied, decision: Some(decision), elapsed_seconds }
    }
}

fn names() -> impl Strategy<Value = Vec<String>> {
    vec(name(), 1..4).prop_filter("distinct", |names| distinct(names))
}

fn outcome() -> impl Strategy<Value = Option<Outcome>> {
    let outcomes = [None, Some(Outcome::Completed), Some(Outcome::Diverged), Some(Outcome::Lost)];
    prop::sample::select(outcomes.to_vec())
}

prop_compose! {
    fn steps(measured: usize, steered: usize)(
        first in 0_u32..5,
        steps in vec(step(measured, steered), 0..6),
        numbers in any::<(u32, u32, u32, u32)>(),
        epoch in 1_u32..,
        task in "\\PC{0,20}",
        outcome in outcome(),
    ) -> Steps {
        let (repetition, index, attempt, seed) = numbers;
        let key = TrajectoryKey { repetition, epoch, index, attempt };
        let steps = (first..).zip(steps).map(|(number, step)| Step { step: number, ..step }).collect();
        Steps { key, seed, task, steps, outcome }
    }
}

/// Steps of which the last may be the end of its trajectory, and the problem that they are of.
fn valid() -> impl Strategy<Value = (Steps, Problem)> {
    let parts = (names(), names()).prop_flat_map(|(metrics, hyperparameters)| {
        let steps = steps(metrics.len(), hyperparameters.len());
        (steps, Just(problem(&metrics, &hyperparameters, u32::MAX)), any::<bool>())
    });
    parts.prop_map(|(mut steps, mut problem, at_end)| {
        if let Some(last) = steps.steps.last_mut().filter(|last| at_end && last.step > 0) {
            problem.env_steps = last.step;
            last.decision = None;
        }
        (steps, problem)
    })
}

proptest! {
    #[test]
    fn parsing_undoes_writing((steps, problem) in valid()) {
        prop_assert_eq!(steps.check(&problem), Ok(()));
        let text = page(&steps, &problem);
        prop_assert_eq!(parse(text.as_bytes(), &problem, &Limits::default()), Ok(steps));
    }

    #[test]
    fn a_page_cut_short_is_refused((steps, problem) in valid(), at: prop::sample::Index) {
        let text = page(&steps, &problem);
        let cut = &text.as_bytes()[..at.index(text.len())];
        prop_assert!(parse(cut, &problem, &Limits::default()).is_err());
        let after_a_line = cut.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
        prop_assert!(parse(&cut[..after_a_line], &problem, &Limits::default()).is_err());
    }

    #[test]
    fn a_page_without_one_line_never_passes_for_another((steps, problem) in valid(), at: prop::sample::Index) {
        let text = page(&steps, &problem);
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let gone = at.index(lines.len());
        let rest: String = lines.iter().enumerate().filter(|(place, _)| *place != gone).map(|(_, line)| *line).collect();
        let optional = ["#", family::OUTCOME, family::VALUE, family::KEPT, family::LOG_PROBABILITY];
        let got = parse(rest.as_bytes(), &problem, &Limits::default());
        prop_assert!(got.is_err() || optional.iter().any(|name| lines[gone].starts_with(name)));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        prop_assert!(parse(&bytes, &small(), &Limits::default()).is_err());
    }

    #[test]
    fn a_page_with_bytes_changed_never_panics((steps, problem) in valid(), changes in vec(any::<(prop::sample::Index, u8)>(), 1..8)) {
        let mut text = page(&steps, &problem).into_bytes();
        for (place, byte) in changes {
            let place = place.index(text.len());
            text[place] = byte;
        }
        if let Ok(steps) = parse(&text, &problem, &Limits::default()) {
            prop_assert_eq!(steps.check(&problem), Ok(()));
        }
    }
}
