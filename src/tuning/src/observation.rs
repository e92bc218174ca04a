//! Observations: what a policy sees of a trajectory.

use serde::{Deserialize, Serialize};

use crate::metric::unit_in;
use crate::{Problem, Scale};

/// Which parts of an observation a policy sees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Inputs {
    /// The observed metrics.
    pub metrics: bool,
    /// The hyperparameters in force.
    pub hyperparameters: bool,
    /// t / T.
    pub time: bool,
    /// The best objective so far.
    pub best: bool,
    /// Changes of the observed metrics since the last observation: 1/2 where nothing changed.
    pub differences: bool,
    /// One range for all metrics, without scale, instead of each metric's own (the original code: 0 to 10).
    pub one_range: Option<[f64; 2]>,
}

impl Inputs {
    /// What the talk's policy sees.
    pub const TALK: Self = Self {
        metrics: true,
        hyperparameters: true,
        time: false,
        best: false,
        differences: false,
        one_range: Some([0.0, 10.0]),
    };

    /// All there is.
    pub const ALL: Self =
        Self { metrics: true, hyperparameters: true, time: true, best: true, differences: true, one_range: None };

    /// What ours sees: more was only noise to learn from.
    pub const PLAIN: Self = Self { best: false, differences: false, ..Self::ALL };

    /// Only the clock: the control for whether feedback is worth anything.
    pub const OPEN_LOOP: Self =
        Self { metrics: false, hyperparameters: false, time: true, best: false, differences: false, one_range: None };

    /// Width D of an observation vector.
    pub fn width(&self, problem: &Problem) -> usize {
        let observed = problem.observed().count();
        usize::from(self.metrics) * observed
            + usize::from(self.hyperparameters) * problem.hyperparameters.len()
            + usize::from(self.time)
            + usize::from(self.best)
            + usize::from(self.differences) * observed
    }
}

/// Turns reports into observation vectors, one after the other, as a policy sees them.
#[derive(Clone, Debug)]
pub struct Observer<'a> {
    problem: &'a Problem,
    inputs: Inputs,
    step: u32,
    best: Option<f64>,
    last: Option<Vec<f64>>,
}

impl<'a> Observer<'a> {
    /// An observer at the start of a trajectory.
    pub fn new(problem: &'a Problem, inputs: Inputs) -> Self {
        Self { problem, inputs, step: 0, best: None, last: None }
    }

    /// The next observation vector, of [`Inputs::width`], every entry in [0, 1].
    ///
    /// `metrics` and `hyperparameters` are raw, in the problem's order (unobserved metrics included).
    pub fn observe(&mut self, metrics: &[f64], hyperparameters: &[f64]) -> Vec<f32> {
        let seen = self.seen_metrics(metrics);
        let objective = self.problem.objective_index();
        let sign = self.problem.objective.direction.sign();
        let now = self.problem.metrics[objective].seen(metrics[objective]);
        let best = self.best.map_or(now, |best| if sign * now > sign * best { now } else { best });
        let mut vector = Vec::with_capacity(self.inputs.width(self.problem));
        if self.inputs.metrics {
            vector.extend(&seen);
        }
        if self.inputs.hyperparameters {
            vector.extend(self.problem.hyperparameters.iter().zip(hyperparameters).map(|(h, x)| h.seen(*x)));
        }
        if self.inputs.time {
            vector.push(f64::from(self.step) / f64::from(self.problem.env_steps));
        }
        if self.inputs.best {
            vector.push(best);
        }
        if self.inputs.differences {
            let last = self.last.as_ref().unwrap_or(&seen);
            vector.extend(seen.iter().zip(last).map(|(a, b)| (0.5 + (a - b)).clamp(0.0, 1.0)));
        }
        self.step += 1;
        self.best = Some(best);
        self.last = Some(seen);
        vector.into_iter().map(|x| x as f32).collect()
    }

    fn seen_metrics(&self, metrics: &[f64]) -> Vec<f64> {
        let observed = self.problem.metrics.iter().zip(metrics).filter(|(metric, _)| metric.observed);
        observed
            .map(|(metric, x)| match self.inputs.one_range {
                Some(range) => Scale::Linear.bend(unit_in(range, *x)),
                None => metric.seen(*x),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::problem;
    use crate::{Direction, Hyperparameter};

    const KINDS: [Inputs; 3] = [Inputs::TALK, Inputs::ALL, Inputs::OPEN_LOOP];

    fn observe(problem: &Problem, inputs: Inputs, reports: &[[f64; 3]]) -> Vec<Vec<f32>> {
        let mut observer = Observer::new(problem, inputs);
        reports.iter().map(|metrics| observer.observe(metrics, &[0.01, 0.9])).collect()
    }

    fn only(choose: impl Fn(&mut Inputs)) -> Inputs {
        let mut inputs = Inputs { time: false, ..Inputs::OPEN_LOOP };
        choose(&mut inputs);
        inputs
    }

    #[test]
    fn the_talk_sees_every_metric_on_the_range_0_to_10() {
        let seen = observe(&problem(), Inputs::TALK, &[[2.5, 0.7, 0.5], [12.0, 0.7, -1.0]]);
        assert_eq!(seen[0][..2], [0.25, 0.05]);
        assert_eq!(seen[1][..2], [1.0, 0.0]);
        assert_eq!(seen[0].len(), 4, "two observed metrics and two hyperparameters");
    }

    #[test]
    fn ours_sees_metrics_values_time_best_and_changes_in_this_order() {
        let problem = problem();
        let reports = [[8.0, 0.0, 0.2], [4.0, 0.0, 0.21], [2.0, 0.0, 0.15]];
        let seen = observe(&problem, Inputs::ALL, &reports);
        let [loss, accuracy] = [&problem.metrics[0], &problem.metrics[2]];
        let values: Vec<f64> =
            problem.hyperparameters.iter().zip([0.01, 0.9]).map(|(h, x): (&Hyperparameter, f64)| h.seen(x)).collect();
        let change = 0.5 + accuracy.seen(0.21) - accuracy.seen(0.2);
        let best = accuracy.seen(0.21);
        let fall = 0.5 + loss.seen(4.0) - loss.seen(8.0);
        let second = [loss.seen(4.0), best, values[0], values[1], 0.05, best, fall, change];
        assert!(seen[1].iter().zip(second).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-6), "{:?} {second:?}", seen[1]);
        assert_eq!(seen[0][6..], [0.5, 0.5], "at first nothing has changed");
        assert_eq!(seen[2][5], best as f32, "the best stays");
    }

    #[test]
    fn an_open_loop_sees_only_the_clock() {
        let seen = observe(&problem(), Inputs::OPEN_LOOP, &[[1.0, 0.0, 0.1]; 21]);
        assert!(seen.iter().zip(0..).all(|(vector, t)| *vector == [t as f32 / 20.0]));
    }

    #[test]
    fn the_best_of_a_minimised_objective_is_the_lowest() {
        let mut problem = problem();
        problem.objective.direction = Direction::Minimize;
        let seen =
            observe(&problem, only(|inputs| inputs.best = true), &[[0.0, 0.0, 0.5], [0.0, 0.0, 0.8], [0.0, 0.0, 0.4]]);
        let accuracy = &problem.metrics[2];
        assert_eq!(seen.concat(), [0.5, 0.5, 0.4].map(|x| accuracy.seen(x) as f32));
    }

    #[test]
    fn an_unobserved_metric_is_never_seen() {
        for inputs in KINDS {
            let with = |test: f64| observe(&problem(), inputs, &[[2.0, test, 0.3], [1.0, 1.0 - test, 0.4]]);
            assert_eq!(with(0.1), with(0.9));
        }
    }

    #[test]
    fn each_part_can_be_chosen_alone() {
        let width = |choose: fn(&mut Inputs)| only(choose).width(&problem());
        assert_eq!(width(|_| ()), 0);
        assert_eq!(width(|inputs| inputs.metrics = true), 2);
        assert_eq!(width(|inputs| inputs.hyperparameters = true), 2);
        assert_eq!(width(|inputs| inputs.time = true), 1);
        assert_eq!(width(|inputs| inputs.best = true), 1);
        assert_eq!(width(|inputs| inputs.differences = true), 2);
    }

    proptest! {
        #[test]
        fn vectors_have_their_width_and_stay_within_zero_and_one(
            reports in prop::collection::vec(prop::array::uniform3(prop::num::f64::ANY), 1..20),
        ) {
            let problem = problem();
            for inputs in KINDS {
                for vector in observe(&problem, inputs, &reports) {
                    prop_assert_eq!(vector.len(), inputs.width(&problem));
                    prop_assert!(vector.iter().all(|x| (0.0..=1.0).contains(x)), "{:?}", vector);
                }
            }
        }

        #[test]
        fn the_future_does_not_matter(reports in prop::collection::vec(prop::array::uniform3(0.0..1.0), 2..20)) {
            let problem = problem();
            let (whole, part) = (observe(&problem, Inputs::ALL, &reports), &reports[..reports.len() / 2]);
            prop_assert_eq!(&whole[..part.len()], &observe(&problem, Inputs::ALL, part)[..]);
        }
    }
}
