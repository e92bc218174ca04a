//! Each estimator and loss term against a slow or hand-made computation of the same.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tuning::{Direction, Draw, Hyperparameter, Metric, Objective, Outcome, Scale, Schedule};
use wire::settings::Preset;

use super::*;
use crate::{Env, Order, rollout};

fn episode(index: u32, rewards: &[f64]) -> Episode {
    Episode { index, rewards: rewards.to_vec(), decided: vec![true; rewards.len()], diverged: false, goes_on: false }
}

fn near(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4)
}

/// Equation 16 as it stands: for each t the sum of (γλ)^l δ_{t+l}.
fn slow_gae(rewards: &[f64], values: &[f64], after: f64, discount: f64, lambda: f64) -> Vec<f64> {
    let n = rewards.len();
    let value = |t: usize| if t < n { values[t] } else { after };
    let delta = |t: usize| rewards[t] + discount * value(t + 1) - value(t);
    let from = |t: usize| (t..n).map(|u| (discount * lambda).powi((u - t) as i32) * delta(u)).sum();
    (0..n).map(from).collect()
}

proptest! {
    #[test]
    fn advantages_are_those_of_a_slow_double_loop(
        pairs in prop::collection::vec((-1.0..1.0, -1.0..1.0), 0..40),
        after in -1.0..1.0,
        discount in 0.0..=1.0,
        lambda in 0.0..=1.0,
    ) {
        let (rewards, values): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let (fast, slow) =
            (gae(&rewards, &values, after, discount, lambda), slow_gae(&rewards, &values, after, discount, lambda));
        prop_assert!(fast.iter().zip(&slow).all(|(a, b)| (a - b).abs() < 1e-9), "{fast:?} is not {slow:?}");
    }

    #[test]
    fn undiscounted_and_with_lambda_1_an_advantage_is_what_came_minus_what_was_expected(
        rewards in prop::collection::vec(-1.0..1.0, 1..40),
        value in -1.0..1.0,
    ) {
        let advantages = gae(&rewards, &vec![value; rewards.len()], 0.0, 1.0, 1.0);
        prop_assert!((advantages[0] - (rewards.iter().sum::<f64>() - value)).abs() < 1e-9);
    }
}

#[test]
fn the_policy_loss_is_the_papers_in_all_six_cases() {
    let ratios = [0.5_f32, 1.0, 1.5, 0.5, 1.0, 1.5];
    let advantages = [2_f32, 2.0, 2.0, -2.0, -2.0, -2.0];
    let column = |xs: &[f32]| Tensor::from_slice(xs).view([6, 1, 1]);
    let losses = to_vec(&clipped_policy_loss(&column(&ratios), &column(&advantages), 0.2));
    // A gain counts up to a ratio of 1.2, a loss down to 0.8; what makes things worse always counts in full.
    assert_eq!(losses, [-1.0, -2.0, -2.4, 1.6, 2.0, 3.0]);
}

#[test]
fn a_value_is_not_rewarded_for_moving_further_than_the_clip() {
    let tensor = |xs: &[f32]| Tensor::from_slice(xs);
    let (values, old, returns) = (tensor(&[0.5, 0.1, -0.5, 1.5]), tensor(&[0.0; 4]), tensor(&[1.0; 4]));
    let losses = to_vec(&clipped_value_loss(&values, &old, &returns, 0.2));
    let expected: Vec<f32> = vec![0.64, 0.81, 2.25, 0.64];
    assert!(losses.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{losses:?} is not {expected:?}");
}

#[test]
fn raw_advantages_stay_as_they_are() {
    let mut advantages = vec![vec![1.0, 3.0], vec![5.0]];
    normalise(Advantages::Raw, 1, &[episode(0, &[0.0; 2]), episode(1, &[0.0])], &mut advantages);
    assert_eq!(advantages, [vec![1.0, 3.0], vec![5.0]]);
}

#[test]
fn per_epoch_all_decisions_are_normalised_together() {
    let mut advantages = vec![vec![1.0, 2.0], vec![3.0]];
    normalise(Advantages::PerEpoch, 1, &[episode(0, &[0.0; 2]), episode(1, &[0.0])], &mut advantages);
    assert!(near(&advantages.concat(), &[-1.22474, 0.0, 1.22474]), "{advantages:?}");
}

#[test]
fn per_step_a_shorter_trajectory_counts_only_where_it_lives() {
    let mut advantages = vec![vec![1.0, 10.0], vec![3.0, 30.0], vec![8.0]];
    let episodes = [episode(0, &[0.0; 2]), episode(1, &[0.0; 2]), episode(2, &[0.0])];
    normalise(Advantages::PerStep, 1, &episodes, &mut advantages);
    assert!(near(&advantages.concat(), &[-1.01905, -1.0, -0.33968, 1.0, 1.35873]), "{advantages:?}");
}

#[test]
fn per_group_the_groups_are_told_apart_by_index_even_if_some_are_lost() {
    let mut advantages = vec![vec![1.0], vec![3.0], vec![100.0]];
    // Index 3 of the second group is lost: alone, index 2 has nothing to be compared with.
    let episodes = [episode(0, &[0.0]), episode(1, &[0.0]), episode(2, &[0.0])];
    normalise(Advantages::PerGroup, 2, &episodes, &mut advantages);
    assert!(near(&advantages.concat(), &[-1.0, 1.0, 0.0]), "{advantages:?}");
}

#[test]
fn what_no_policy_decided_is_left_out_of_the_normalisation() {
    let mut advantages = vec![vec![1.0, 77.0], vec![3.0, 5.0]];
    let mut kept = episode(0, &[0.0; 2]);
    kept.decided[1] = false;
    normalise(Advantages::PerEpoch, 1, &[kept, episode(1, &[0.0; 2])], &mut advantages);
    assert_eq!(advantages[0][1], 77.0);
    assert!(near(&[advantages[0][0], advantages[1][0], advantages[1][1]], &[-1.22474, 0.0, 1.22474]));
}

#[test]
fn settings_go_geometrically_from_the_first_epoch_to_the_last() {
    let over_five: Vec<f64> = (1..=6).map(|epoch| anneal(1.0, 1e-4, epoch, 5)).collect();
    assert!(near(&over_five.iter().map(|x| x.log10()).collect::<Vec<_>>(), &[0.0, -1.0, -2.0, -3.0, -4.0, -4.0]));
    assert_eq!((anneal(1e-2, 1e-2, 3, 32), anneal(0.3, 0.1, 1, 1), anneal(0.0, 0.0, 2, 3)), (1e-2, 0.3, 0.0));
}

#[test]
fn a_long_gradient_keeps_its_direction_and_a_short_one_everything() {
    let clipped = |longest| {
        let mut gradient = Tensor::from_slice(&[3_f32, 4.0]);
        let norm = clip_norm(&mut gradient, longest);
        (norm, to_vec(&gradient))
    };
    assert_eq!(clipped(Some(2.5)), (5.0, vec![1.5, 2.0]));
    assert_eq!(clipped(Some(5.0)), (5.0, vec![3.0, 4.0]));
    assert_eq!(clipped(None), (5.0, vec![3.0, 4.0]));
}

#[test]
fn explained_variance_is_1_for_perfect_values_and_0_for_a_constant() {
    let returns = [1.0, 2.0, 4.0];
    assert_eq!(explained_variance(&[0.0; 3], &returns), 1.0);
    assert!(explained_variance(&returns.map(|x| x - 7.0), &returns).abs() < 1e-12);
    assert_eq!(explained_variance(&[0.1, 0.2], &[3.0, 3.0]), 0.0);
}

/// The objective is where the learning rate stands between its bounds; a rate of 0.64 and more diverges.
struct Climb(Vec<f64>);

impl Env for Climb {
    fn reset(&mut self, draws: &[Draw]) -> Vec<Vec<f64>> {
        self.0 = draws.iter().map(|draw| f64::from(draw.seed % 7) / 70.0).collect();
        self.0.iter().map(|noise| vec![*noise]).collect()
    }

    fn step(&mut self, running: &[usize], orders: &[Order]) -> Vec<Option<Vec<f64>>> {
        let rates = orders.iter().map(|order| order.hyperparameters[0]);
        let steered = running.iter().zip(rates);
        steered.map(|(place, rate)| (rate < 0.64).then(|| vec![rate.sqrt() + self.0[*place]])).collect()
    }
}

fn problem() -> Problem {
    let hyperparameter = |name: &str| Hyperparameter {
        name: name.to_owned(),
        initial: Some(0.1),
        initial_range: None,
        min: 1e-3,
        max: 1.0,
        complement: false,
        schedule: Schedule::default(),
    };
    Problem {
        objective: Objective { metric: "score".to_owned(), direction: Direction::Maximize },
        metrics: vec![Metric { name: "score".to_owned(), range: [0.0, 1.0], scale: Scale::Linear, observed: true }],
        hyperparameters: vec![hyperparameter("learning_rate"), hyperparameter("weight_decay")],
        multipliers: vec![0.5, 1.0, 2.0],
        env_steps: 6,
    }
}

fn gathered(ppo: &Ppo, n: u32) -> Vec<Trajectory> {
    let draws: Vec<Draw> = (0..n).map(|seed| Draw { seed, task: None, initial: vec![0.1; 2] }).collect();
    rollout(ppo.policy(), &ppo.problem, &mut Climb(Vec::new()), &draws, 1)
}

fn fresh() -> Ppo {
    Ppo::new(problem(), &PpoSettings::of(Preset::Default, false), 3, Device::Cpu).unwrap()
}

fn losses(ppo: &Ppo, batch: &Batch) -> Losses {
    let targets = Targets::of(&ppo.settings, &ppo.policy, batch);
    Losses::of(&ppo.settings, &ppo.policy, batch, &targets)
}

fn batch(ppo: &Ppo, trajectories: &[Trajectory]) -> Batch {
    Batch::new(
        &ppo.problem,
        ppo.policy.reading(),
        trajectories,
        Span { from: 0, until: ppo.problem.env_steps },
        Device::Cpu,
    )
    .unwrap()
}

#[test]
fn of_a_part_only_what_was_decided_in_it_counts_and_its_end_is_for_the_value_to_judge() {
    let ppo = fresh();
    let mut trajectories = gathered(&ppo, 16);
    trajectories.retain(|t| t.outcome == Some(Outcome::Completed));
    for trajectory in &mut trajectories {
        trajectory.steps.truncate(5);
        let decided = trajectory.steps.iter_mut().take(2).filter_map(|step| step.decision.as_mut());
        decided.for_each(|decision| decision.log_probabilities.clear());
    }
    let span = Span { from: 2, until: 4 };
    let batch = Batch::new(&ppo.problem, ppo.policy.reading(), &trajectories, span, Device::Cpu).unwrap();
    assert_eq!(batch.decisions(), 2 * trajectories.len());
    let first: Vec<f64> = to_vec(&batch.rewarded)[..6].iter().map(|x| f64::from(*x)).collect();
    assert_eq!(first, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    let targets = Targets::of(&ppo.settings, &ppo.policy, &batch);
    let values = ppo.policy.forward(&batch.observations).values;
    let expected = batch.episodes[0].rewards[3] + values.double_value(&[0, 4]);
    assert!((targets.returns.double_value(&[0, 3]) - expected).abs() < 1e-6);
    assert!((targets.returns.double_value(&[0, 4])).abs() < 1e-9, "nothing is said of what follows");
}

#[test]
fn ratios_are_1_but_for_rounding_on_the_first_pass() {
    let ppo = fresh();
    let trajectories = gathered(&ppo, 16);
    assert!(trajectories.iter().any(|t| t.outcome == Some(Outcome::Diverged)), "lengths should differ");
    let batch = batch(&ppo, &trajectories);
    let chosen =
        ppo.policy.forward(&batch.observations).log_probabilities.gather(-1, &batch.actions.unsqueeze(-1), false);
    let ratios = to_vec(&(chosen.squeeze_dim(-1) - &batch.acted).exp());
    let decided = to_vec(&batch.decided);
    let decided = ratios.chunks(2).zip(decided).filter(|(_, decided)| *decided == 1.0);
    assert!(decided.flat_map(|(ratios, _)| ratios).all(|ratio| (ratio - 1.0).abs() < 1e-4));
    let [policy_loss, _, _, kl, clip_share] = losses(&ppo, &batch).read(1, 0).unwrap();
    assert_eq!((kl, clip_share), (0.0, 0.0));
    assert!(policy_loss.abs() < 1e-6, "normalised advantages have mean 0, not {policy_loss}");
}

#[test]
fn what_pads_a_batch_cannot_matter() {
    let ppo = fresh();
    let plain = batch(&ppo, &gathered(&ppo, 16));
    let mut junk = batch(&ppo, &gathered(&ppo, 16));
    let padding = junk.rewarded.eq(0.0).unsqueeze(-1);
    assert!(padding.any().int64_value(&[]) == 1, "some trajectory should be padded");
    junk.observations = junk.observations.masked_fill(&padding, 9.0);
    junk.actions = junk.actions.masked_fill(&padding, 2);
    junk.acted = junk.acted.masked_fill(&padding, -50.0);
    let gradient = |batch| to_vec(&ppo.policy.weights().gradient(&losses(&ppo, batch).total(&ppo.settings, 0.01)));
    assert_eq!(losses(&ppo, &plain).read(1, 0).unwrap(), losses(&ppo, &junk).read(1, 0).unwrap());
    assert_eq!(gradient(&plain), gradient(&junk));
}

#[test]
fn gradients_reach_every_weight() {
    let ppo = fresh();
    let total = losses(&ppo, &batch(&ppo, &gathered(&ppo, 16))).total(&ppo.settings, 0.01);
    let weights = ppo.policy.weights();
    for (name, _, gradient) in weights.cut(&to_vec(&weights.gradient(&total))) {
        let reached = gradient.iter().any(|g| g.abs() > 1e-7);
        // A key's bias adds the same to all scores of a query, so that the softmax cannot see it.
        assert_eq!(reached, !name.ends_with("key.bias"), "{name}: {gradient:?}");
    }
}

#[test]
fn a_kept_decision_trains_the_value_but_not_the_policy() {
    let ppo = fresh();
    let mut trajectories = gathered(&ppo, 4);
    let all = batch(&ppo, &trajectories).decisions();
    let decision = trajectories[0].steps[1].decision.as_mut().unwrap();
    decision.keep = Some(tuning::Keep::PolicyFault);
    trajectories[1].steps[2].decision.as_mut().unwrap().log_probabilities.clear();
    let batch = batch(&ppo, &trajectories);
    assert_eq!(batch.decisions(), all - 2);
    let count = |tensor: &Tensor| to_vec(tensor).iter().sum::<f32>() as usize;
    assert_eq!((count(&batch.decided), count(&batch.rewarded)), (all - 2, all));
    assert!(to_vec(&batch.acted).iter().all(|x| x.is_finite()));
}
