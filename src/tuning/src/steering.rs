//! Action arithmetic: the one place where a decision becomes hyperparameter values.

use crate::{Problem, Recipe, Schedule};

/// What is in force for one trajectory: levels that multipliers move, and schedules that act under them.
///
/// After action a_t the value of a hyperparameter during env step t is `clip(level · schedule(t))`, in x' (design §2).
#[derive(Clone, Debug, PartialEq)]
pub struct Steering<'a> {
    problem: &'a Problem,
    /// x' without the schedule's factor; one for each hyperparameter.
    levels: Vec<f64>,
    schedules: Vec<Schedule>,
    /// Env step whose training the values are for.
    step: u32,
}

impl<'a> Steering<'a> {
    /// Starts a trajectory from the values in `initial`, one for each hyperparameter.
    pub fn start(problem: &'a Problem, initial: &[f64]) -> Self {
        let levels = problem.hyperparameters.iter().zip(initial).map(|(h, x)| h.clip(h.primed(*x))).collect();
        let schedules = problem.hyperparameters.iter().map(|h| h.schedule).collect();
        Self { problem, levels, schedules, step: 0 }
    }

    /// Values in force: before the first action those that the trajectory starts from.
    pub fn values(&self) -> Vec<f64> {
        let in_force = self.problem.hyperparameters.iter().zip(&self.levels).zip(&self.schedules);
        in_force
            .map(|((h, level), schedule)| h.primed(h.clip(level * schedule.factor(self.step, self.problem.env_steps))))
            .collect()
    }

    /// Takes the action decided at observation `step`: an index into the multipliers for each hyperparameter.
    pub fn act(&mut self, step: u32, actions: &[usize]) {
        self.step = step;
        for ((level, h), action) in self.levels.iter_mut().zip(&self.problem.hyperparameters).zip(actions) {
            *level = h.clip(*level * self.problem.multipliers[*action]);
        }
    }

    /// Follows `recipe` from observation `step` on instead of what the trajectory started from.
    pub fn follow(&mut self, step: u32, recipe: &Recipe) {
        self.step = step;
        if let Some(starts) = &recipe.starts {
            let steered = self.problem.hyperparameters.iter().zip(starts);
            self.levels = steered.map(|(h, x)| h.clip(h.primed(*x))).collect();
        }
        self.schedules.clone_from(&recipe.schedules);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Decay;
    use crate::fixtures::problem;

    const KEEP: usize = 3;
    const DOUBLE: usize = 6;
    const HALVE: usize = 0;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12 * b.abs()
    }

    fn linear() -> Schedule {
        Schedule { decay: Decay::Linear, to: 0.0, warm_up: 0 }
    }

    #[test]
    fn a_trajectory_starts_from_its_initial_values_clipped() {
        let problem = problem();
        assert_eq!(Steering::start(&problem, &[0.01, 0.0]).values(), [0.01, 0.0]);
        let clipped = Steering::start(&problem, &[7.0, 0.999]).values();
        assert!(clipped[0] == 1.0 && close(clipped[1], 0.99));
    }

    #[test]
    fn multipliers_act_on_the_value_and_on_the_distance_from_one_of_a_complement() {
        let problem = problem();
        let mut steering = Steering::start(&problem, &[0.01, 0.9]);
        steering.act(0, &[DOUBLE, HALVE]);
        let values = steering.values();
        assert!(close(values[0], 0.02) && close(values[1], 0.95), "{values:?}");
    }

    #[test]
    fn each_action_moves_only_its_own_hyperparameter() {
        let problem = problem();
        let mut steering = Steering::start(&problem, &[0.01, 0.9]);
        let before = steering.values();
        steering.act(0, &[DOUBLE, KEEP]);
        assert!(steering.values()[0] > before[0] && steering.values()[1] == before[1]);
    }

    #[test]
    fn opposite_moves_cancel_or_nearly_so() {
        let problem = problem();
        for (up, down, left) in [(DOUBLE, HALVE, 1.0), (5, 1, 1.0), (4, 2, 0.9975)] {
            let mut steering = Steering::start(&problem, &[0.01, 0.9]);
            steering.act(0, &[up, up]);
            steering.act(1, &[down, down]);
            let values = steering.values();
            assert!(close(values[0], 0.01 * left) && close(1.0 - values[1], 0.1 * left), "{up} {down}: {values:?}");
        }
    }

    #[test]
    fn a_value_held_at_its_bound_comes_back_at_the_first_opposite_move() {
        let problem = problem();
        let mut steering = Steering::start(&problem, &[0.6, 0.9]);
        for step in 0..5 {
            steering.act(step, &[DOUBLE, KEEP]);
            assert_eq!(steering.values()[0], 1.0);
        }
        steering.act(5, &[HALVE, KEEP]);
        assert_eq!(steering.values()[0], 0.5);
    }

    #[test]
    fn keeping_follows_the_schedule_and_multipliers_act_on_top_of_it() {
        let mut problem = problem();
        problem.hyperparameters[0].schedule = linear();
        let (mut kept, mut doubled) =
            (Steering::start(&problem, &[0.01, 0.9]), Steering::start(&problem, &[0.01, 0.9]));
        for step in 0..20 {
            kept.act(step, &[KEEP, KEEP]);
            doubled.act(step, &[if step == 4 { DOUBLE } else { KEEP }, KEEP]);
            let recipe = 0.01 * (1.0 - f64::from(step) / 20.0);
            assert!(close(kept.values()[0], recipe), "step {step}: {:?}", kept.values());
            assert!(close(doubled.values()[0], if step < 4 { recipe } else { 2.0 * recipe }), "step {step}");
            assert!(close(kept.values()[1], 0.9), "the other one has no schedule");
        }
    }

    #[test]
    fn a_warm_up_holds_before_the_first_action_too() {
        let mut problem = problem();
        problem.hyperparameters[0].schedule.warm_up = 3;
        let mut steering = Steering::start(&problem, &[0.01, 0.9]);
        assert!(close(steering.values()[0], 0.0025));
        steering.act(2, &[KEEP, KEEP]);
        assert!(close(steering.values()[0], 0.0075));
    }

    #[test]
    fn a_schedule_is_clipped_without_pulling_the_level_down() {
        let mut problem = problem();
        problem.hyperparameters[0].min = 0.004;
        problem.hyperparameters[0].schedule = linear();
        let mut steering = Steering::start(&problem, &[0.01, 0.9]);
        steering.act(19, &[KEEP, KEEP]);
        assert_eq!(steering.values()[0], 0.004);
        steering.act(0, &[KEEP, KEEP]);
        assert_eq!(steering.values()[0], 0.01);
    }

    #[test]
    fn a_recipe_replaces_schedules_and_only_if_it_says_so_the_start() {
        let problem = problem();
        let schedules = vec![linear(), Schedule::default()];
        let mut steering = Steering::start(&problem, &[0.01, 0.9]);
        steering.follow(10, &Recipe { starts: None, schedules: schedules.clone() });
        assert!(close(steering.values()[0], 0.005) && close(steering.values()[1], 0.9));
        steering.follow(10, &Recipe { starts: Some(vec![0.4, 0.5]), schedules });
        assert!(close(steering.values()[0], 0.2) && close(steering.values()[1], 0.5));
    }

    proptest! {
        #[test]
        fn values_stay_within_their_bounds_whatever_is_done(
            actions in prop::collection::vec((0_usize..7, 0_usize..7), 1..60),
        ) {
            let mut problem = problem();
            problem.hyperparameters[0].schedule = linear();
            let mut steering = Steering::start(&problem, &[0.01, 0.9]);
            for (step, (a, b)) in actions.into_iter().enumerate() {
                steering.act(step as u32, &[a, b]);
                let values = steering.values();
                prop_assert!((1e-5..=1.0).contains(&values[0]));
                prop_assert!((-1e-12..=0.99 + 1e-12).contains(&values[1]));
            }
        }
    }
}
