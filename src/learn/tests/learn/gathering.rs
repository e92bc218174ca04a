use tuning::{Outcome, Stage, Steering, Trajectory};

use crate::common::*;

const FIRST: Stage = Stage::Learning { repetition: 0, epoch: 1 };

fn gathered(trajectories: u32) -> Vec<Trajectory> {
    let problem = quadratic_problem(12);
    let ppo = learner(&problem, &default_settings(), 1);
    gather(&ppo, &problem, &mut Curves::new(), FIRST, trajectories)
}

#[test]
fn a_completed_trajectory_has_an_observation_more_than_decisions() {
    let completed = |t: &Trajectory| t.outcome == Some(Outcome::Completed);
    let trajectories = gathered(32);
    assert!(trajectories.iter().any(completed));
    for trajectory in trajectories.iter().filter(|t| completed(t)) {
        let decided: Vec<bool> = trajectory.steps.iter().map(|step| step.decision.is_some()).collect();
        assert_eq!(decided, [vec![true; 12], vec![false]].concat());
    }
}

#[test]
fn a_diverged_trajectory_ends_with_the_decision_that_did_it() {
    let diverged = |t: &&Trajectory| t.outcome == Some(Outcome::Diverged);
    let trajectories = gathered(32);
    assert!(trajectories.iter().filter(diverged).count() > 0, "a rate above 2 should have been tried");
    for trajectory in trajectories.iter().filter(diverged) {
        assert!(trajectory.steps.len() <= 12);
        assert!(trajectory.steps.iter().all(|step| step.decision.is_some()));
    }
}

#[test]
fn the_values_recorded_are_those_that_the_actions_lead_to() {
    let problem = quadratic_problem(12);
    for trajectory in gathered(8) {
        let mut steering = Steering::start(&problem, &[1.0]);
        for step in &trajectory.steps {
            assert_eq!((&step.hyperparameters, &step.applied), (&steering.values(), &steering.values()));
            if let Some(decision) = &step.decision {
                steering.act(step.step, &decision.actions);
            }
        }
    }
}

#[test]
fn what_else_is_in_the_batch_cannot_matter() {
    let actions = |t: &Trajectory| {
        let decisions = t.steps.iter().filter_map(|step| step.decision.as_ref());
        decisions.map(|decision| decision.actions.clone()).collect::<Vec<_>>()
    };
    let (few, many) = (gathered(3), gathered(9));
    for (a, b) in few.iter().zip(&many) {
        assert_eq!((a.key, a.seed, actions(a)), (b.key, b.seed, actions(b)));
    }
}
