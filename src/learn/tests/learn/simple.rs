use std::cell::RefCell;

use learn::{LearnError, Simple, Simulated, Trained};
use tch::Device;
use tuning::{Outcome, Stage, SymbolCode, Trajectory};
use wire::artifact::Tensor;
use wire::settings::{Draws, Output, PolicyKind, PpoSettings, Preset, SimpleSettings, WorldModelSettings};

use crate::common::*;

const TOO_FAST: f64 = 1e30;

fn settings(learning_rate: f64) -> SimpleSettings {
    let settings = SimpleSettings::of(Preset::Default, false);
    let world_model = WorldModelSettings {
        members: 2,
        d_model: 16,
        d_ff: 16,
        layers: 1,
        learning_rate,
        first_optimizer_steps: 100,
        ..settings.world_model
    };
    SimpleSettings { simulated_epochs: 3, simulated_trajectories: 16, world_model, ..settings }
}

fn curves(n: u32) -> Vec<Trajectory> {
    let (problem, ppo) = (quadratic_problem(20), default_settings());
    let stage = Stage::Learning { repetition: 0, epoch: 1 };
    gather(&learner(&problem, &ppo, 1), &problem, &mut Curves::new(), stage, n)
}

/// One epoch: the world model is trained on what is `known` and handed over, and the policy learns in it.
fn learn(settings: &SimpleSettings, known: &[Trajectory]) -> Result<(Simple, Option<Simulated>), LearnError> {
    let problem = quadratic_problem(20);
    let mut model = Simple::world_model(problem.clone(), settings, 1, Device::Cpu)?;
    let fit = Some(model.fit(known)?);
    let trained =
        Trained { uid: "uid".to_owned(), repetition: 0, epoch: 1, fit, refusal: None, scores: None, seconds: 0.0 };
    let mut simple = Simple::new(problem, settings, 1, Device::Cpu)?;
    assert_eq!(simple.take(&model.publish(&trained)).unwrap(), trained);
    let simulated = simple.simulate(1, known, &|_| ())?;
    Ok((simple, simulated))
}

#[test]
fn an_epoch_may_begin_with_real_trajectories_and_goes_through_all_simulated_ones() {
    let (mut simple, simulated) =
        learn(&SimpleSettings { fresh_policy: false, ..settings(1e-3) }, &curves(16)).unwrap();
    assert!(simulated.unwrap().objective.is_finite());
    assert_eq!(simple.ppo().epochs_learned(), 3);
    simple.learn_from_real(&curves(16)).unwrap();
    let told = RefCell::new(Vec::new());
    simple.simulate(2, &curves(16), &|epoch| told.borrow_mut().push(epoch)).unwrap();
    assert_eq!((simple.ppo().epochs_learned(), told.into_inner()), (7, vec![1, 2, 3]));
}

#[test]
fn a_policy_over_symbols_starts_from_the_world_models_weights_if_it_is_told_to() {
    let code = SymbolCode { vocabulary: 32, symbols: 2, one_range: None };
    let output = Output::Symbols { code, significance_decay: 0.8, window: None, draws: Draws::Metrics };
    let base = settings(1e-3);
    let with = |from_world_model| SimpleSettings {
        policy: PolicyKind::Symbols { from_world_model },
        world_model: WorldModelSettings { output: output.clone(), members: 1, ..base.world_model.clone() },
        // The first optimizer step shows where it started.
        simulated_epochs: 1,
        ppo: PpoSettings { optimizer_steps: 0, ..base.ppo.clone() },
        ..base.clone()
    };
    for (from_world_model, equal) in [(true, true), (false, false)] {
        let (simple, simulated) = learn(&with(from_world_model), &curves(16)).unwrap();
        assert!(simulated.unwrap().objective.is_finite());
        let of_policy = simple.ppo().tensors();
        for name in ["embedding.weight", "block0.query.weight", "norm.weight"] {
            let find = |tensors: &[Tensor]| tensors.iter().find(|tensor| tensor.0 == name).unwrap().2.clone();
            assert_eq!(find(&of_policy) == find(&simple.model().tensors()), equal, "{name}");
        }
    }
    let without = SimpleSettings { policy: PolicyKind::Symbols { from_world_model: true }, ..settings(1e-3) };
    assert!(learn(&without, &curves(16)).unwrap_err().to_string().contains("in symbols"));
}

#[test]
fn where_members_disagree_a_pessimist_is_rewarded_less_and_branches_are_learned_from() {
    let base = settings(1e-3);
    // No optimizer step, so that both act alike.
    let with = |pessimism, branch| SimpleSettings {
        pessimism,
        branch,
        simulated_epochs: 1,
        ppo: PpoSettings { optimizer_steps: 0, ..base.ppo.clone() },
        ..base.clone()
    };
    let simulated = |settings: &SimpleSettings| learn(settings, &curves(16)).unwrap().1.unwrap();
    let (plain, pessimist) = (simulated(&with(0.0, None)), simulated(&with(10.0, None)));
    assert!((plain.objective - pessimist.objective).abs() < 1e-3, "{plain:?} and {pessimist:?}");
    assert!(pessimist.figures.mean_return < plain.figures.mean_return - 1e-3, "{plain:?} and {pessimist:?}");
    let branched = simulated(&with(0.0, Some(3)));
    assert!(branched.figures.decisions <= 3 * 16 && branched.figures.decisions > 0, "{branched:?}");
    let whole = SimpleSettings { simulated_epochs: 8, ..SimpleSettings { branch: Some(5), ..base.clone() } };
    assert!(simulated(&whole).objective.is_finite());
}

#[test]
fn a_world_model_whose_numbers_run_away_is_not_trained_and_stays_as_it_was() {
    let mut model = Simple::world_model(quadratic_problem(20), &settings(TOO_FAST), 1, Device::Cpu).unwrap();
    let before = model.tensors();
    assert!(model.fit(&curves(16)).unwrap_err().to_string().contains("not finite"));
    assert_eq!((model.fits(), model.tensors()), (0, before));
}

#[test]
fn few_equal_and_diverged_trainings_are_learned_from_like_any_others() {
    let all = curves(64);
    let diverged: Vec<Trajectory> = all.iter().filter(|t| t.outcome == Some(Outcome::Diverged)).cloned().collect();
    assert!(diverged.len() > 1, "the fixture has some");
    let mut constant = all[..8].to_vec();
    constant.iter_mut().flat_map(|t| &mut t.steps).for_each(|step| step.metrics = vec![0.5, 50.0]);
    for (what, known) in
        [("one training", &all[..1]), ("only diverged ones", &diverged), ("constant metrics", &constant)]
    {
        let simulated = learn(&settings(1e-3), known).unwrap().1;
        assert!(simulated.unwrap().objective.is_finite(), "{what}");
    }
}

#[test]
fn without_any_training_there_is_nothing_to_simulate() {
    let mut lost = curves(4);
    lost.iter_mut().for_each(|trajectory| trajectory.outcome = Some(Outcome::Lost));
    let error = learn(&settings(1e-3), &lost).unwrap_err();
    assert!(error.to_string().contains("no env step to forecast from"));
    let mut untrained = Simple::new(quadratic_problem(20), &settings(1e-3), 1, Device::Cpu).unwrap();
    assert_eq!(untrained.simulate(1, &curves(4), &|_| ()).unwrap(), None);
}
