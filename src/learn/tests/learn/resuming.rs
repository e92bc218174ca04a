use learn::{CheckpointError, LearnError, Ppo};
use tch::Device;

use crate::common::*;

/// What the world sees of a learner: the bits of its weights, and of its figures in `epoch`.
fn learned(ppo: &mut Ppo, epoch: u32) -> (Vec<u8>, String) {
    let figures = learn_until(ppo, &quadratic_problem(6), &default_settings(), &mut Curves::new(), epoch);
    (ppo.save(), serde_json::to_string(&figures.last()).unwrap())
}

fn fresh(seed: u64) -> Ppo {
    learner(&quadratic_problem(6), &default_settings(), seed)
}

fn load(checkpoint: &[u8]) -> Result<Ppo, LearnError> {
    Ppo::load(quadratic_problem(6), &default_settings(), checkpoint, Device::Cpu)
}

fn fault(result: Result<Ppo, LearnError>) -> CheckpointError {
    match result {
        Err(LearnError::Checkpoint(fault)) => fault,
        other => panic!("expected a checkpoint to be refused, got {other:?}"),
    }
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let first = learned(&mut fresh(1), 3);
    assert_eq!(learned(&mut fresh(1), 3), first);
    assert_ne!(learned(&mut fresh(2), 3), first);
}

#[test]
fn a_resumed_learner_goes_on_with_identical_bits() {
    let mut whole = fresh(1);
    let checkpoint = learned(&mut whole, 2).0;
    let rest = learned(&mut whole, 4);
    let mut resumed = load(&checkpoint).unwrap();
    assert_eq!((resumed.epochs_learned(), resumed.save()), (2, checkpoint));
    assert_eq!(learned(&mut resumed, 4), rest);
    assert_eq!(resumed.tensors(), whole.tensors());
}

#[test]
fn a_checkpoint_holds_what_an_artifact_needs() {
    let mut ppo = fresh(1);
    learned(&mut ppo, 1);
    let named: Vec<_> = ppo.tensors().into_iter().map(|(name, shape, _)| (name, shape)).collect();
    assert_eq!(named, ppo.shape().tensors(&quadratic_problem(6)));
    assert_eq!(load(&ppo.save()).unwrap().tensors(), ppo.tensors());
}

#[test]
fn a_checkpoint_cut_short_anywhere_is_refused() {
    let checkpoint = fresh(1).save();
    for length in (0..checkpoint.len()).step_by(997).chain([checkpoint.len() - 1]) {
        let fault = fault(load(&checkpoint[..length]));
        assert!(matches!(fault, CheckpointError::File(_)), "{length} bytes: {fault:?}");
    }
}

#[test]
fn a_checkpoint_of_another_problem_or_network_is_refused() {
    let checkpoint = fresh(1).save();
    let other = Ppo::load(small_problem(), &default_settings(), &checkpoint, Device::Cpu);
    assert!(matches!(fault(other), CheckpointError::Other { field: "action space", .. }));
    let wider = wire::settings::PpoSettings { d_model: 128, ..default_settings() };
    let other = Ppo::load(quadratic_problem(6), &wider, &checkpoint, Device::Cpu);
    assert!(matches!(fault(other), CheckpointError::Other { field: "policy", .. }));
}

#[test]
fn a_foreign_file_is_refused() {
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1], &[0; 4]).unwrap();
    let foreign = safetensors::serialize([("norm.weight", view)], None).unwrap();
    assert!(matches!(fault(load(&foreign)), CheckpointError::Foreign));
}

#[test]
fn a_weight_that_is_not_a_number_is_refused() {
    let mut checkpoint = fresh(1).save();
    let end = checkpoint.len();
    checkpoint[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(matches!(fault(load(&checkpoint)), CheckpointError::Tensor { .. }));
}
