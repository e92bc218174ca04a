//! What specs mean, and that the shipped files are what they claim to be.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use api::meaning::{algorithm, draws, epoch_sizes, launch, mode, policy_updates, problem, tasks};
use api::{TuningExperimentSpec, validate};
use tuning::{Decay, Inputs, Schedule, Stage, SymbolCode};
use wire::agent::{Mode, PolicyUpdates};
use wire::settings::{Advantages, Algorithm, FrozenPolicy, Order, Output, PpoSettings, Preset, SimpleSettings};

const BASE: &str = include_str!("base.yaml");
const PPO: &str = "ppo: {}";

fn spec(from: &str, to: &str) -> TuningExperimentSpec {
    assert!(BASE.contains(from), "{from:?} is not in the base");
    validate(&BASE.replacen(from, to, 1)).unwrap().spec
}

fn ppo(spec: &TuningExperimentSpec) -> PpoSettings {
    match algorithm(spec) {
        Algorithm::Ppo(settings) => settings,
        other => panic!("expected ppo, got {other:?}"),
    }
}

fn example(name: &str) -> TuningExperimentSpec {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(format!("{name}.yaml"));
    let experiment = validate(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(experiment.metadata.name.as_deref(), Some(name));
    experiment.spec
}

#[test]
fn every_example_is_valid_and_sound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert!(names.len() >= 4, "{names:?}");
    for name in names {
        assert_eq!(problem(&example(&name)).check(), Ok(()), "{name}");
    }
}

#[test]
fn the_digits_examples_differ_in_start_and_algorithm_alone() {
    let [constant, linear, ppo] = ["digits-constant", "digits-linear", "digits-ppo"].map(example);
    let starts = [&constant, &linear, &ppo].map(|spec| problem(spec).hyperparameters[0].initial);
    assert_eq!(starts, [Some(3e-3), Some(1e-2), Some(1e-2)]);
    let hashes = [&constant, &linear, &ppo].map(|spec| problem(spec).action_space_hash());
    assert!(hashes.iter().all(|hash| *hash == hashes[0]));
    assert_eq!(epoch_sizes(&algorithm(&ppo)).iter().sum::<u32>(), 512);
    let linear = match algorithm(&linear) {
        Algorithm::Fixed(recipe) => recipe.schedules.iter().map(|schedule| schedule.decay).collect::<Vec<_>>(),
        other => panic!("expected fixed, got {other:?}"),
    };
    assert_eq!(linear, [Decay::Linear, Decay::Constant, Decay::Constant]);
}

#[test]
fn the_committed_definitions_are_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds/trainpilot.dev_tuningexperiments.yaml");
    assert!(std::fs::read_to_string(path).unwrap() == api::crd_yaml(), "run `cargo xtask generate`");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds/trainpilot.dev_tuningpolicies.yaml");
    assert!(std::fs::read_to_string(path).unwrap() == api::policy_crd_yaml(), "run `cargo xtask generate`");
}

/// The apiserver refuses a definition whose rules may cost too much, and takes the text of a number for endless.
#[test]
fn messages_put_values_in_by_format() {
    let text = api::crd_yaml();
    assert!(text.contains(".format([") && !text.contains("string("));
}

#[test]
fn every_field_is_described() {
    fn undescribed(schema: &serde_json::Value, path: &str, found: &mut Vec<String>) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            if field["description"].as_str().is_none_or(str::is_empty) {
                found.push(path.clone());
            }
            for inner in [Some(field), field.get("items"), field.get("additionalProperties")].into_iter().flatten() {
                undescribed(inner, &path, found);
            }
        }
    }
    let definition = serde_json::to_value(api::crd()).unwrap();
    let mut found = Vec::new();
    undescribed(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"], "", &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_problem_is_what_the_spec_says() {
    let problem =
        problem(&spec("initial: 0.01,", "initialRange: [0.001, 0.1], schedule: {cosine: {to: 0.1, warmUp: 2}},"));
    let rate = &problem.hyperparameters[0];
    assert_eq!((rate.initial, rate.initial_range), (None, Some([1e-3, 0.1])));
    assert_eq!(rate.schedule, Schedule { decay: Decay::Cosine, to: 0.1, warm_up: 2 });
    assert_eq!(problem.multipliers, [0.5, 0.8, 0.95, 1.0, 1.05, 1.25, 2.0]);
    assert_eq!((problem.env_steps, problem.objective.metric.as_str()), (20, "accuracy"));
    assert!(problem.hyperparameters[1].complement && problem.metrics[1].observed);
}

#[test]
fn presets_are_those_of_the_learner() {
    assert_eq!(ppo(&spec(PPO, PPO)), PpoSettings::of(Preset::Default, false));
    assert_eq!(ppo(&spec(PPO, "ppo: {preset: talk}")), PpoSettings::of(Preset::Talk, false));
    let ranged = spec("initial: 0.01,", "initialRange: [0.001, 0.1],");
    assert_eq!(ppo(&ranged), PpoSettings::of(Preset::Default, true));
    assert_eq!((draws(&ranged, false).group, draws(&ranged, true).group), (8, 1));
    let two = spec("env: {WIDTH: \"2\"}}", "env: {WIDTH: \"2\"}}\n    - {name: wide}");
    assert_eq!(ppo(&two), PpoSettings::of(Preset::Default, true));
}

/// The rule about groups in the definition repeats these numbers, since CEL cannot ask the learner.
#[test]
fn the_definition_resolves_groups_as_the_learner_does() {
    for (preset, distribution) in
        [(Preset::Default, false), (Preset::Default, true), (Preset::Talk, false), (Preset::Talk, true)]
    {
        let settings = PpoSettings::of(preset, distribution);
        let (from, to) = if distribution { ("initial: 0.01,", "initialRange: [0.001, 0.1],") } else { (PPO, PPO) };
        let text = BASE.replace(from, to).replace(PPO, &format!("ppo: {{preset: {}, group: 7}}", preset.as_str()));
        let said = validate(&text).unwrap_err()[0].to_string();
        assert!(said.ends_with(&format!("which is {}", settings.trajectories_per_epoch)), "{said}");
        let text = BASE
            .replace(from, to)
            .replace(PPO, &format!("ppo: {{preset: {}, trajectoriesPerEpoch: 1}}", preset.as_str()));
        let said = validate(&text).map(drop).map_err(|violations| violations[0].to_string());
        let expected = format!(
            "spec.algorithm.ppo.group: group is {}: expected a divisor of trajectoriesPerEpoch, which is 1",
            settings.group
        );
        assert_eq!(said, if settings.group == 1 { Ok(()) } else { Err(expected) });
        assert_eq!(settings.advantages == Advantages::PerGroup, distribution && preset == Preset::Default);
    }
}

#[test]
fn every_setting_of_ppo_can_be_set() {
    let settings = ppo(&spec(
        PPO,
        "ppo:
      {epochs: 3, trajectoriesPerEpoch: 12, group: 4, inputs: {metrics: false, hyperparameters: false, time: false,
       best: false, differences: false, oneRange: [1, 2]}, network: {dModel: 12, dFf: 5, layers: 3, heads: 4, blockGain: 0.75}, blockLearningRate: 0.375,
       learningRate: 0.5, finalLearningRate: 0.25, maxGradientNorm: 0, optimizerSteps: 7, clip: 0.125,
       valueWeight: 2, entropyWeight: 3, finalEntropyWeight: 4, targetKl: 5, discount: 0.75, gaeLambda: 0.625,
       advantages: Raw}",
    ));
    let inputs = Inputs {
        metrics: false,
        hyperparameters: false,
        time: false,
        best: false,
        differences: false,
        one_range: Some([1.0, 2.0]),
    };
    let expected = PpoSettings {
        preset: Preset::Default,
        epochs: 3,
        trajectories_per_epoch: 12,
        group: 4,
        inputs,
        d_model: 12,
        d_ff: 5,
        layers: 3,
        heads: 4,
        block_gain: 0.75,
        block_learning_rate: 0.375,
        learning_rate: 0.5,
        final_learning_rate: 0.25,
        max_gradient_norm: None,
        optimizer_steps: 7,
        clip: 0.125,
        value_weight: 2.0,
        entropy_weight: 3.0,
        final_entropy_weight: 4.0,
        target_kl: 5.0,
        discount: 0.75,
        gae_lambda: 0.625,
        advantages: Advantages::Raw,
    };
    assert_eq!(settings, expected);
}

#[test]
fn a_rate_that_is_set_holds_to_the_end_unless_its_end_is_set_too() {
    let settings = ppo(&spec(PPO, "ppo: {learningRate: 0.5, entropyWeight: 0.25}"));
    assert_eq!((settings.final_learning_rate, settings.final_entropy_weight), (0.5, 0.25));
}

#[test]
fn a_fixed_recipe_leaves_complements_alone_unless_they_are_named() {
    let decays = |to: &str| match algorithm(&spec(PPO, to)) {
        Algorithm::Fixed(recipe) => recipe.schedules.iter().map(|schedule| schedule.decay).collect::<Vec<_>>(),
        other => panic!("expected fixed, got {other:?}"),
    };
    assert_eq!(decays("fixed: {}"), [Decay::Constant, Decay::Constant]);
    assert_eq!(decays("fixed: {schedule: {linear: {}}}"), [Decay::Linear, Decay::Constant]);
    assert_eq!(decays("fixed: {overrides: {momentum: {cosine: {}}}}"), [Decay::Constant, Decay::Cosine]);
}

#[test]
fn a_search_draws_from_the_bounds_unless_told_otherwise() {
    let search = |to: &str| match algorithm(&spec(PPO, to)) {
        Algorithm::Search(settings) => settings,
        other => panic!("expected search, got {other:?}"),
    };
    let plain = search("search: {candidates: 9}");
    assert_eq!(plain.space.starts, [[1e-5, 1.0], [0.0, 0.99]]);
    assert_eq!(plain.space.decays, [Decay::Constant, Decay::Linear, Decay::Cosine]);
    assert_eq!(epoch_sizes(&Algorithm::Search(plain)), [9, 16]);
    let narrow =
        search("search: {candidates: 9, finalists: 0, decays: [Linear], startRange: {learning_rate: [0.1, 0.5]}}");
    assert_eq!((narrow.space.starts[0], narrow.space.decays.as_slice()), ([0.1, 0.5], [Decay::Linear].as_slice()));
    assert_eq!(epoch_sizes(&Algorithm::Search(narrow)), [9]);
}

#[test]
fn what_learns_nothing_has_no_epochs() {
    assert!(matches!(algorithm(&spec(PPO, "random: {}")), Algorithm::Random));
    let frozen = algorithm(&spec(PPO, "policy: {from: {path: a/policy.safetensors}}"));
    assert_eq!(frozen, Algorithm::Frozen(FrozenPolicy { place: "a/policy.safetensors".to_owned(), sha256: None }));
    assert_eq!(epoch_sizes(&frozen), [0; 0]);
}

#[test]
fn the_final_evaluation_may_have_tasks_and_starts_of_its_own() {
    let spec = spec(
        "  algorithm:",
        "  policyUpdates: Immediate
  finalEvaluation:
    mode: Greedy
    tasks: [{name: low, initial: {learning_rate: 0.001}}, {name: high, initial: {learning_rate: 0.1}}]
  algorithm:",
    );
    assert_eq!((mode(&spec), policy_updates(&spec)), (Mode::Greedy, PolicyUpdates::Immediate));
    assert_eq!(tasks(&spec, false)[0].name, "narrow");
    let (draws, problem) = (draws(&spec, true), problem(&spec));
    let drawn: Vec<_> = (0..4).map(|index| draws.draw(&problem, Stage::Final, index)).collect();
    assert!(drawn.iter().zip([0.001, 0.1, 0.001, 0.1]).all(|(draw, start)| draw.initial == [start, 0.9]));
}

#[test]
fn a_task_adds_to_the_trainers_arguments_and_environment() {
    let spec = spec(
        "command: [train]",
        "command: [train], args: [-v], env: [{name: WIDTH, value: \"1\"}, {name: HOST, valueFrom: {}}, {name: A, value: b}]",
    );
    let alone = launch(&spec, None);
    assert_eq!(alone.command, ["train", "-v"]);
    assert_eq!(
        alone.env.into_iter().collect::<Vec<_>>(),
        [("A", "b"), ("WIDTH", "1")].map(|(k, v)| (k.to_owned(), v.to_owned()))
    );
    let mut task = tasks(&spec, false)[0].clone();
    task.args = vec!["--deep".to_owned()];
    let launch = launch(&spec, Some(&task));
    assert_eq!(
        (launch.command, launch.env["WIDTH"].as_str()),
        (["train", "-v", "--deep"].map(str::to_owned).to_vec(), "2")
    );
}

#[test]
fn fields_that_are_not_ours_are_passed_on() {
    let spec = spec("- {name: trainer,", "- {name: trainer, resources: {limits: {nvidia.com/gpu: 1}},");
    let template = serde_json::to_value(&spec.trajectory.template).unwrap();
    assert_eq!(template["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"], 1);
}

fn simple(to: &str) -> SimpleSettings {
    match algorithm(&spec(PPO, to)) {
        Algorithm::Simple(settings) => *settings,
        other => panic!("expected simple, got {other:?}"),
    }
}

#[test]
fn simple_without_fields_is_its_preset() {
    let within = |settings: SimpleSettings| {
        let SimpleSettings { simulated_epochs: epochs, simulated_trajectories: trajectories_per_epoch, .. } = settings;
        SimpleSettings { ppo: PpoSettings { epochs, trajectories_per_epoch, ..settings.ppo }, ..settings }
    };
    assert_eq!(simple("simple: {}"), within(SimpleSettings::of(Preset::Default, false)));
    assert_eq!(simple("simple: {preset: talk}"), within(SimpleSettings::of(Preset::Talk, false)));
    assert_eq!(
        epoch_sizes(&Algorithm::Simple(Box::new(simple("simple: {epochs: 3, trajectoriesPerEpoch: 5}")))),
        [5, 5, 5]
    );
}

#[test]
fn every_part_of_simple_can_be_set_alone() {
    let buckets = simple("simple: {worldModel: {output: Buckets, buckets: 7, order: InSequence, patience: 0}}");
    assert_eq!(buckets.world_model.output, Output::Buckets { buckets: 7, order: Order::InSequence });
    assert_eq!((buckets.world_model.patience, buckets.world_model.members), (None, 4));
    let symbols = simple("simple: {worldModel: {output: Symbols, vocabulary: 8, window: 64}}").world_model.output;
    let code = SymbolCode { vocabulary: 8, ..SymbolCode::OURS };
    let draws = wire::settings::Draws::Metrics;
    assert_eq!(symbols, Output::Symbols { code, significance_decay: 0.8, window: Some(64), draws });
    let others = simple("simple: {freshPolicy: false, realEpoch: true, ppo: {learningRate: 0.003}}");
    assert!(!others.fresh_policy && others.real_epoch);
    assert_eq!((others.ppo.learning_rate, others.ppo.final_learning_rate), (0.003, 0.003));
}

#[test]
fn initial_data_are_taken_as_often_as_the_preset_says_unless_it_is_set() {
    let of = |preset: &str, share: &str| {
        let to = format!("simple: {{preset: {preset}}}");
        let mut spec = spec(PPO, &to);
        let initial = format!(r#"{{"from": ["runs/first"]{share}}}"#);
        spec.initial_data = Some(serde_json::from_str(&initial).unwrap());
        let Algorithm::Simple(settings) = algorithm(&spec) else { panic!("it is simple") };
        settings.initial_data
    };
    assert_eq!((of("default", "").from, of("default", "").share), (vec!["runs/first".to_owned()], None));
    assert_eq!((of("talk", "").share, of("talk", r#", "share": 0.5"#).share), (Some(0.9), Some(0.5)));
}
