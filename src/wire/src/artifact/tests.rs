#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView};
use tuning::{Direction, Hyperparameter, Metric, Objective, Scale, Schedule};

use super::*;

fn problem() -> Problem {
    let metric = |name: &str, observed| Metric { name: name.into(), range: [0.0, 1.0], scale: Scale::Logit, observed };
    let hyperparameter = |name: &str, min, max, complement| Hyperparameter {
        name: name.into(),
        initial: Some(0.5),
        initial_range: None,
        min,
        max,
        complement,
        schedule: Schedule::default(),
    };
    Problem {
        objective: Objective { metric: "accuracy".into(), direction: Direction::Maximize },
        metrics: vec![metric("accuracy", true), metric("loss", true), metric("test", false)],
        hyperparameters: vec![hyperparameter("lr", 1e-4, 1.0, false), hyperparameter("momentum", 0.0, 0.99, true)],
        multipliers: vec![0.5, 1.0, 2.0],
        env_steps: 20,
    }
}

fn header(policy: Policy) -> Header {
    let problem = problem();
    Header {
        format: FORMAT,
        experiment: "digits".into(),
        uid: "0c1d".into(),
        repetition: 0,
        version: 3,
        policy,
        action_space: problem.action_space_hash(),
        problem,
        training: Training { algorithm: "ppo".into(), epochs: 3, fte: 48.5, ..Training::default() },
    }
}

fn network() -> Header {
    let shape = Continuous { inputs: Inputs::ALL, d_model: 8, d_ff: 16, layers: 2, heads: 2 };
    header(Policy::Continuous(shape))
}

fn weights(header: &Header) -> Vec<Tensor> {
    let number = |i: usize| (i as f32 * 0.37).sin();
    let fill = |(name, shape): (String, Vec<usize>)| {
        let numbers = (0..shape.iter().product()).map(number).collect();
        (name, shape, numbers)
    };
    header.policy.tensors(&header.problem).into_iter().map(fill).collect()
}

fn recipes(count: usize) -> Policy {
    let recipe = Recipe { starts: Some(vec![0.1, 0.9]), schedules: vec![Schedule::default(); 2] };
    Policy::Recipes { recipes: vec![recipe; count] }
}

/// A safetensors file with `json` as our header and `tensors`, without any of our checks.
fn raw(json: &str, tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> Vec<u8> {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    let metadata = std::collections::HashMap::from([(METADATA_KEY.to_owned(), json.to_owned())]);
    safetensors::serialize(views, Some(metadata)).unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

#[test]
fn what_is_written_is_read() {
    for header in [network(), header(Policy::Random), header(recipes(3))] {
        let weights = weights(&header);
        let file = write(&header, &weights).unwrap();
        assert_eq!(read(&file).unwrap(), (header.clone(), weights.clone()));
        assert_eq!(write(&header, &weights).unwrap(), file, "equal policies are equal files");
    }
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    let header = network();
    let file = write(&header, &weights(&header)).unwrap();
    for length in (0..file.len()).step_by(7).chain([file.len() - 1]) {
        assert!(matches!(read(&file[..length]), Err(ArtifactError::Safetensors(_))), "{length}");
    }
}

#[test]
fn files_of_others_are_refused() {
    assert_eq!(refusal(b"PK\x03\x04 not a policy at all"), "not a complete safetensors file");
    let foreign = safetensors::serialize(Vec::<(&str, TensorView<'_>)>::new(), None).unwrap();
    assert!(refusal(&foreign).contains("not a policy of trainpilot"));
    assert!(matches!(read(&vec![0; MAX_BYTES + 1]), Err(ArtifactError::TooLarge(_))));
}

#[test]
fn another_version_is_named_even_if_its_fields_differ() {
    assert_eq!(refusal(&raw(r#"{"format": 3, "news": true}"#, &[])), "expected artifact format 2, found 3");
    assert_eq!(refusal(&raw("{}", &[])), "the header of the policy does not parse");
}

#[test]
fn a_header_that_contradicts_itself_is_refused() {
    let mut header = header(Policy::Random);
    header.problem.multipliers = vec![0.25, 1.0];
    let file = raw(&serde_json::to_string(&header).unwrap(), &[]);
    assert!(matches!(read(&file), Err(ArtifactError::ActionSpace { .. })));
    header.problem.objective.metric = "unknown".into();
    assert!(matches!(write(&header, &[]), Err(ArtifactError::Problem(_))));
}

#[test]
fn absurd_sizes_are_refused_by_name() {
    let with = |change: &dyn Fn(&mut Continuous)| {
        let mut shape = Continuous { inputs: Inputs::ALL, d_model: 8, d_ff: 16, layers: 2, heads: 2 };
        change(&mut shape);
        write(&header(Policy::Continuous(shape)), &[]).unwrap_err().to_string()
    };
    assert_eq!(with(&|s| s.d_model = usize::MAX), format!("dModel is {}, expected 1 to 1024", usize::MAX));
    assert_eq!(with(&|s| s.layers = 0), "layers is 0, expected 1 to 16");
    assert_eq!(with(&|s| s.heads = 3), "heads is 3, expected a divisor of dModel, 8");
    assert!(with(&|s| s.inputs.one_range = Some([1.0, 0.0])).starts_with("inputs.oneRange is [1.0, 0.0]"));
    assert!(with(&|s| s.inputs = Inputs { time: false, ..Inputs::OPEN_LOOP }).starts_with("width of inputs is 0"));
}

#[test]
fn a_policy_over_symbols_is_kept_whole_and_absurd_ones_are_refused() {
    let shape = Symbols { code: SymbolCode::TALK, d_model: 8, d_ff: 16, layers: 2, heads: 2, window: Some(256) };
    let whole = header(Policy::Symbols(shape));
    let tensors = weights(&whole);
    assert_eq!(tensors[0].1, [129, 8], "128 symbols and the start");
    assert_eq!(read(&write(&whole, &tensors).unwrap()).unwrap(), (whole, tensors));
    let with = |change: &dyn Fn(&mut Symbols)| {
        let mut shape = shape;
        change(&mut shape);
        write(&header(Policy::Symbols(shape)), &[]).unwrap_err().to_string()
    };
    assert!(with(&|s| s.code.vocabulary = 1).starts_with("code is 2 of 1"));
    assert!(with(&|s| s.code.symbols = 0).starts_with("code is 0 of 128"));
    assert_eq!(with(&|s| s.window = Some(0)), "window is 0, expected 1 to 65536");
    assert!(with(&|s| s.code.one_range = Some([1.0, 1.0])).starts_with("code.oneRange is [1.0, 1.0]"));
}

#[test]
fn recipes_must_fit_the_problem() {
    assert_eq!(write(&header(recipes(0)), &[]).unwrap_err().to_string(), "recipes is 0, expected 1 to 4096");
    let short = Recipe { starts: None, schedules: vec![Schedule::default()] };
    let error = write(&header(Policy::Recipes { recipes: vec![short] }), &[]).unwrap_err();
    assert_eq!(error.to_string(), "recipes.schedules is 1, expected 2");
}

#[test]
fn control_characters_in_names_are_refused() {
    let mut header = header(Policy::Random);
    header.experiment = "a\u{1b}[31m".into();
    assert!(write(&header, &[]).unwrap_err().to_string().starts_with("experiment is \"a\\u{1b}[31m\""));
}

#[test]
fn weights_must_be_exactly_those_of_the_header() {
    let header = network();
    let refuse = |change: &dyn Fn(&mut Vec<Tensor>)| {
        let mut tensors = weights(&header);
        change(&mut tensors);
        write(&header, &tensors).unwrap_err().to_string()
    };
    assert_eq!(refuse(&|t| drop(t.remove(0))), "tensor \"input.weight\" of shape [8, 8] is missing");
    assert_eq!(refuse(&|t| t[0].0 = "other".into()), "tensor \"other\" is not part of such a policy");
    assert_eq!(refuse(&|t| t[0].1 = vec![64]), "tensor \"input.weight\" has shape [64], expected [8, 8]");
    assert_eq!(refuse(&|t| t[0].2.truncate(63)), "tensor \"input.weight\" holds 63 numbers, its shape needs 64");
    assert_eq!(refuse(&|t| t[0].2[5] = f32::NAN), "tensor \"input.weight\" holds a number that is not finite");
    assert_eq!(refuse(&|t| t.push(t[0].clone())), "tensor \"input.weight\" is not part of such a policy");
}

#[test]
fn weights_read_are_checked_like_weights_written() {
    let json = serde_json::to_string(&header(Policy::Random)).unwrap();
    let stray = raw(&json, &[("stray", Dtype::F32, vec![1], vec![0; 4])]);
    assert_eq!(refusal(&stray), "tensor \"stray\" is not part of such a policy");
    let header = network();
    let json = serde_json::to_string(&header).unwrap();
    let half = raw(&json, &[("input.weight", Dtype::F16, vec![8, 8], vec![0; 128])]);
    assert_eq!(refusal(&half), "tensor \"input.weight\" is F16, expected F32");
    let mut file = write(&header, &weights(&header)).unwrap();
    let end = file.len();
    file[end - 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
    assert!(matches!(read(&file), Err(ArtifactError::NotFinite(_))));
}

#[test]
fn a_misfit_names_what_differs() {
    let header = network();
    let differ = |change: &dyn Fn(&mut Problem)| {
        let mut problem = problem();
        change(&mut problem);
        fits(&header.problem, &problem).unwrap_err().to_string()
    };
    assert_eq!(fits(&header.problem, &problem()), Ok(()));
    let had = |what: &str, learned: &str, wanted: &str| {
        format!("{what}: the policy was learned with {learned}, the experiment has {wanted}")
    };
    assert_eq!(differ(&|p| p.metrics[1].range[1] = 10.0), had("range of metric loss", "[0.0, 1.0]", "[0.0, 10.0]"));
    assert_eq!(differ(&|p| p.metrics[0].scale = Scale::Log), had("scale of metric accuracy", "Logit", "Log"));
    assert_eq!(
        differ(&|p| p.metrics[1].observed = false),
        had("metrics that the policy sees", "[\"accuracy\", \"loss\"]", "[\"accuracy\"]")
    );
    assert_eq!(
        differ(&|p| p.hyperparameters[0].max = 2.0),
        had("bounds of hyperparameter lr", "[0.0001, 1.0]", "[0.0001, 2.0]")
    );
    assert_eq!(
        differ(&|p| p.hyperparameters.reverse()),
        had("hyperparameters", "[\"lr\", \"momentum\"]", "[\"momentum\", \"lr\"]")
    );
    assert_eq!(differ(&|p| p.multipliers[0] = 0.8), had("multipliers", "[0.5, 1.0, 2.0]", "[0.8, 1.0, 2.0]"));
    assert_eq!(
        differ(&|p| p.objective.direction = Direction::Minimize),
        had("objective.direction", "Maximize", "Minimize")
    );
}

#[test]
fn what_the_hash_leaves_open_fits() {
    let mut problem = problem();
    problem.env_steps = 400;
    problem.hyperparameters[0].initial = Some(0.3);
    problem.metrics.pop();
    assert_eq!(fits(&network().problem, &problem), Ok(()));
}

proptest! {
    #[test]
    fn a_policy_fits_where_the_hashes_agree_and_nowhere_else(
        metric in 0_usize..3, range in 0_u8..3, hidden in 0_usize..3, observed: bool, complement: bool, step in 0_usize..3, multiplier in 1_u8..3,
    ) {
        let header = network();
        let mut problem = problem();
        problem.metrics[metric].range[1] = f64::from(range) + 1.0;
        problem.metrics[hidden].observed = observed;
        problem.hyperparameters[1].complement = complement;
        problem.multipliers[step] = f64::from(multiplier);
        let agree = header.action_space == problem.action_space_hash();
        prop_assert_eq!(fits(&header.problem, &problem).is_ok(), agree);
    }

    #[test]
    fn any_byte_changed_is_refused_or_harmless(place: prop::sample::Index, byte: u8) {
        let header = network();
        let mut file = write(&header, &weights(&header)).unwrap();
        let place = place.index(file.len());
        file[place] = byte;
        if let Ok((header, tensors)) = read(&file) {
            prop_assert!(header.problem.check().is_ok());
            prop_assert!(tensors.iter().all(|(.., numbers)| numbers.iter().all(|x| x.is_finite())));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        prop_assert!(read(&bytes).is_err());
    }
}
