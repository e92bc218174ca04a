//! What experiments leave for others, and how others take it up.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use api::{ArtifactSpec, FiguresSpec, OriginSpec, Timestamp, TuningPolicySpec, Violation};
use plan::{LearnerObserved, Observed, Plan, Reason, RepetitionObserved, Workload, plan, references, validate};
use wire::learner::{EpochSummary, LearnerState, Publication};
use wire::settings::{Algorithm, LearnerConfig};

const EXPERIMENT: &str = "
apiVersion: trainpilot.dev/v1alpha1
kind: TuningExperiment
metadata: {name: small, namespace: team, uid: 5e8e0b0e-8a3c, generation: 1}
spec:
  repetitions: 2
  objective: {metric: accuracy}
  metrics: [{name: accuracy, range: [0, 1]}]
  hyperparameters: [{name: learning_rate, initial: 0.01, min: 1e-5, max: 1}]
  trajectory:
    envSteps: 10
    template: {spec: {containers: [{name: trainer, command: [train]}]}}
  algorithm: ALGORITHM
  finalEvaluation: {trajectories: 6}
  MORE
";
const APPLIES: &str = "{policy: {from: {policyRef: {name: good}}}}";
const PUBLISHES: &str = "publish: {name: good, to: 's3://bucket/policies/'}";

fn observed(algorithm: &str, more: &str) -> Observed {
    let text = EXPERIMENT.replace("ALGORITHM", algorithm).replace("MORE", more);
    Observed {
        now: "2026-01-01T00:30:00Z".parse::<Timestamp>().unwrap(),
        experiment: api::validate(&text).unwrap(),
        repetitions: Vec::new(),
        policies: BTreeMap::new(),
    }
}

/// What an experiment like this one left.
fn policy(observed: &Observed) -> TuningPolicySpec {
    let spec = &observed.experiment.spec;
    let artifact = |repetition: u32, letter: &str| ArtifactSpec {
        repetition,
        url: format!("s3://bucket/policies/good-r{repetition}.safetensors"),
        sha256: letter.repeat(64),
        version: 3,
        objective: Some(0.9),
    };
    TuningPolicySpec {
        artifacts: vec![artifact(0, "a"), artifact(1, "b")],
        best: 1,
        action_space: String::new(),
        objective: spec.objective.clone(),
        metrics: spec.metrics.clone(),
        hyperparameters: spec.hyperparameters.clone(),
        multipliers: spec.multipliers.clone(),
        env_steps: spec.trajectory.env_steps,
        algorithm: "ppo".to_owned(),
        figures: FiguresSpec::default(),
        experiment: OriginSpec::default(),
        dataset: Some("s3://bucket/data/first-01234567".to_owned()),
    }
}

fn check(observed: &Observed) -> Plan {
    plan(&validate(observed).unwrap())
}

fn config(plan: &Plan) -> LearnerConfig {
    let configs = plan.wanted.iter().filter_map(|workload| match workload {
        Workload::PolicyLearner { config, .. } => Some(config.as_ref().clone()),
        _ => None,
    });
    configs.into_iter().next().unwrap()
}

fn refused(observed: &Observed) -> Violation {
    validate(observed).unwrap_err().remove(0)
}

#[test]
fn a_policy_that_is_not_there_is_waited_for_and_one_that_is_is_held_to() {
    let mut observed = observed(APPLIES, "");
    assert_eq!(references(&observed.experiment), ["good"]);
    let waits = check(&observed);
    assert_eq!(waits.report.overall, Reason::WaitingForPolicy("good".to_owned()));
    assert!(waits.wanted.is_empty() && waits.requeue.is_some());
    observed.experiment.status = Some(waits.status);
    observed.policies.insert("good".to_owned(), policy(&observed));
    let found = check(&observed);
    let applied = |plan: &Plan| match config(plan).algorithm {
        Algorithm::Frozen(frozen) => (frozen.place, frozen.sha256.unwrap()),
        other => panic!("{other:?}"),
    };
    let best = ("s3://bucket/policies/good-r1.safetensors".to_owned(), "b".repeat(64));
    assert_eq!(applied(&found), best);
    observed.experiment.status = Some(found.status);
    assert_eq!(references(&observed.experiment), Vec::<String>::new(), "nobody asks again");
    observed.policies.clear();
    assert_eq!(applied(&check(&observed)), best);
}

#[test]
fn a_policy_that_does_not_fit_is_refused_with_what_differs() {
    let mut observed = observed(APPLIES, "");
    let mut policy = policy(&observed);
    policy.multipliers = vec![0.5, 1.0, 2.0];
    observed.policies.insert("good".to_owned(), policy.clone());
    let Violation { path, message } = refused(&observed);
    assert_eq!(path, "spec.algorithm.policy.from.policyRef");
    assert_eq!(
        message,
        "TuningPolicy good does not fit: multipliers: the policy was learned with [0.5, 1.0, 2.0], the experiment has [0.5, 0.8, 0.95, 1.0, 1.05, 1.25, 2.0]"
    );
    let mut third = observed.clone();
    let other = APPLIES.replace("name: good", "name: good, repetition: 2");
    third.experiment = self::observed(&other, "").experiment;
    policy.multipliers.clone_from(&third.experiment.spec.multipliers);
    third.policies.insert("good".to_owned(), policy);
    assert_eq!(refused(&third).message, "TuningPolicy good has no policy of repetition 2");
}

#[test]
fn a_world_model_begins_with_the_data_of_other_experiments() {
    let mut observed = observed("{simple: {}}", "initialData: {from: [here], policyRefs: [{name: good}]}");
    let mut policy = policy(&observed);
    observed.policies.insert("good".to_owned(), policy.clone());
    let Algorithm::Simple(settings) = config(&check(&observed)).algorithm else { panic!("it is simple") };
    assert_eq!(settings.initial_data.from, ["here", "s3://bucket/data/first-01234567"]);
    policy.dataset = None;
    observed.policies.insert("good".to_owned(), policy.clone());
    assert_eq!(
        refused(&observed).to_string(),
        "spec.initialData.policyRefs: TuningPolicy good has no dataset: its experiment's learners kept it on volumes"
    );
    policy.env_steps = 20;
    observed.policies.insert("good".to_owned(), policy);
    assert_eq!(
        refused(&observed).message,
        "the data of TuningPolicy good does not fit: its number of env steps is 20, expected 10"
    );
}

/// A learner whose final evaluation, which is all there is to do, came to `mean`.
fn over(observed: &Observed, repetition: u32, mean: f64) -> RepetitionObserved {
    let summary = EpochSummary {
        epoch: 1,
        completed: 6,
        diverged: 0,
        lost: 0,
        mean: Some(mean),
        best: Some(mean),
        policy_version: 1,
    };
    let place = config_of(observed, repetition).publish.unwrap();
    let publication = Publication { place, sha256: "c".repeat(64), version: 1 };
    let state = LearnerState {
        repetition,
        epochs_learned: 1,
        policy_version: 1,
        epochs: vec![summary],
        env_steps_trained: 60,
        publication: Some(publication),
        ..LearnerState::default()
    };
    let learner = LearnerObserved { epochs: 0, state: Some(state), failure: None };
    RepetitionObserved { learner: Some(learner), ..RepetitionObserved::default() }
}

fn config_of(observed: &Observed, repetition: u32) -> LearnerConfig {
    let plan = check(observed);
    let configs = plan.wanted.into_iter().filter_map(|workload| match workload {
        Workload::PolicyLearner { config, .. } if config.repetition == repetition => Some(*config),
        _ => None,
    });
    configs.into_iter().next().unwrap()
}

#[test]
fn the_policy_of_the_best_repetition_is_published_once_all_are_complete_and_only_then() {
    let mut observed = observed("{random: {}}", PUBLISHES);
    let place = config_of(&observed, 1).publish.unwrap();
    assert_eq!(place, "s3://bucket/policies/good-5e8e0b0e-r1.safetensors");
    observed.repetitions = vec![over(&observed, 0, 0.7), RepetitionObserved::default()];
    let half = check(&observed);
    assert_eq!(half.policy, None);
    observed.experiment.status = Some(half.status);
    let second = over(&observed, 1, 0.8);
    observed.repetitions = vec![RepetitionObserved::default(), second];
    let complete = check(&observed);
    let policy = complete.policy.unwrap();
    assert_eq!((policy.metadata.name.as_deref(), policy.metadata.namespace.as_deref()), (Some("good"), Some("team")));
    assert_eq!(policy.metadata.owner_references, None, "it outlives the experiment");
    assert_eq!((policy.spec.best, policy.spec.figures.objective), (1, Some(0.8)));
    let urls: Vec<&str> = policy.spec.artifacts.iter().map(|artifact| artifact.url.as_str()).collect();
    assert_eq!(urls, ["s3://bucket/policies/good-5e8e0b0e-r0.safetensors", place.as_str()]);
    assert_eq!(policy.spec.dataset, None, "volumes are nobody else's");
    observed.experiment.status = Some(complete.status);
    observed.repetitions.clear();
    assert_eq!(check(&observed).policy, None, "it is told to be complete already");
}

#[test]
fn a_dataset_on_a_store_is_told_of() {
    let more = format!("{PUBLISHES}\n  learners: {{policy: {{storage: {{url: 's3://bucket/data'}}}}}}");
    let mut observed = observed("{random: {}}", &more);
    observed.repetitions = vec![over(&observed, 0, 0.7), over(&observed, 1, 0.6)];
    let policy = check(&observed).policy.unwrap();
    assert_eq!(policy.spec.dataset.as_deref(), Some("s3://bucket/data/small-5e8e0b0e"));
    assert_eq!(policy.spec.best, 0);
}
