//! Statistics of few runs, after Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical
//! Precipice" (<https://arxiv.org/abs/2108.13264>): interval estimates, interquartile means and probabilities of
//! improvement in place of bare averages.

use std::collections::BTreeMap;

use serde::Serialize;
use tuning::{Direction, Random, quantile};

/// Resamples of a bootstrap.
const RESAMPLES: usize = 4000;

/// Seed of the resampling: the same numbers always give the same interval.
const SEED: u64 = 1;

/// What some numbers say about the quantity behind them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Estimate {
    /// Their mean.
    pub(crate) mean: f64,
    /// 95 % interval of that mean, by percentile bootstrap.
    pub(crate) ci95: [f64; 2],
    /// Mean of their middle half.
    pub(crate) iqm: f64,
}

impl Estimate {
    /// Of all numbers of all strata together; none if there is no number.
    ///
    /// The bootstrap draws within each stratum, so the interval speaks of these strata (repetitions, with the policies
    /// that they learned) and new trajectories.
    pub(crate) fn of(strata: &[Vec<f64>]) -> Option<Self> {
        let mut all = strata.concat();
        let mean = mean(&all)?;
        all.sort_by(f64::total_cmp);
        Some(Self { mean, ci95: interval(strata), iqm: interquartile_mean(&all) })
    }
}

/// Mean; none of no numbers.
pub(crate) fn mean(numbers: &[f64]) -> Option<f64> {
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}

/// Mean of the middle half: a quarter of the numbers, rounded down, is left out at each end. `sorted` is not empty.
fn interquartile_mean(sorted: &[f64]) -> f64 {
    let cut = sorted.len() / 4;
    let middle = &sorted[cut..sorted.len() - cut];
    middle.iter().sum::<f64>() / middle.len() as f64
}

/// Percentile bootstrap interval of the mean, 95 %, resampled within each stratum. There is at least one number.
fn interval(strata: &[Vec<f64>]) -> [f64; 2] {
    let count = strata.iter().map(Vec::len).sum::<usize>() as f64;
    let mut random = Random::stream(SEED, &[]);
    let mut resample = || {
        let drawn = strata.iter().flat_map(|stratum| std::iter::repeat_n(stratum, stratum.len()));
        drawn.map(|stratum| stratum[random.below(stratum.len())]).sum::<f64>() / count
    };
    let mut means: Vec<f64> = (0..RESAMPLES).map(|_| resample()).collect();
    means.sort_by(f64::total_cmp);
    [quantile(&means, 0.025), quantile(&means, 0.975)]
}

/// What one run reached at each place that a pair can be made at: the trainings with the same index and seed.
pub(crate) type Places = BTreeMap<(u32, u32), Vec<f64>>;

/// Probability that a training of `ours` ends better than its pair of `theirs`; ties count half.
///
/// Pairs share index and seed of the final evaluation. Where runs have several repetitions, each of ours meets each of
/// theirs there, and every place counts once. None if no place is in both.
pub(crate) fn probability_of_improvement(direction: Direction, ours: &Places, theirs: &Places) -> Option<f64> {
    let at_place = |(place, ours): (_, &Vec<f64>)| {
        let pairs = theirs.get(place)?.iter().flat_map(|b| ours.iter().map(move |a| (*a, *b)));
        mean(&pairs.map(|(a, b)| wins(direction, a, b)).collect::<Vec<_>>())
    };
    mean(&ours.iter().filter_map(at_place).collect::<Vec<_>>())
}

fn wins(direction: Direction, a: f64, b: f64) -> f64 {
    match (direction.better(a, b), direction.better(b, a)) {
        (true, _) => 1.0,
        (_, true) => 0.0,
        _ => 0.5,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn numbers(n: u32) -> Vec<f64> {
        (1..=n).map(f64::from).collect()
    }

    #[test]
    fn the_interquartile_mean_leaves_out_a_quarter_at_each_end() {
        // As scipy.stats.trim_mean(x, 0.25), which rliable uses.
        let with_outliers = [-100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 900.0];
        assert_eq!(Estimate::of(&[with_outliers.to_vec()]).unwrap().iqm, 3.5);
        assert_eq!(interquartile_mean(&[0.0, 2.0, 7.0]), 3.0, "a quarter of three is none");
        assert_eq!(interquartile_mean(&[0.0, 2.0, 4.0, 6.0, 100.0]), 4.0);
    }

    #[test]
    fn of_no_numbers_nothing_can_be_said() {
        assert_eq!((Estimate::of(&[]), Estimate::of(&[vec![], vec![]]), mean(&[])), (None, None, None));
    }

    #[test]
    fn one_number_is_its_own_interval() {
        assert_eq!(Estimate::of(&[vec![0.5]]), Some(Estimate { mean: 0.5, ci95: [0.5, 0.5], iqm: 0.5 }));
    }

    #[test]
    fn the_interval_is_about_two_standard_errors_on_either_side() {
        let estimate = Estimate::of(&[numbers(100)]).unwrap();
        // The standard deviation of 1 .. 100 is 28.87, that of their mean 2.887.
        let [low, high] = estimate.ci95.map(|end| (end - estimate.mean) / 2.887);
        assert!((low + 1.96).abs() < 0.1 && (high - 1.96).abs() < 0.1, "{low} {high}");
    }

    #[test]
    fn the_same_numbers_give_the_same_interval() {
        assert_eq!(Estimate::of(&[numbers(50)]), Estimate::of(&[numbers(50)]));
    }

    #[test]
    fn differences_between_strata_do_not_widen_the_interval() {
        let apart = Estimate::of(&[vec![0.0; 10], vec![1.0; 10]]).unwrap();
        assert_eq!((apart.mean, apart.ci95), (0.5, [0.5, 0.5]));
        let [low, high] = Estimate::of(&[[vec![0.0; 10], vec![1.0; 10]].concat()]).unwrap().ci95;
        assert!(low < 0.4 && high > 0.6);
    }

    #[test]
    fn an_interval_of_95_percent_holds_the_truth_nearly_as_often() {
        let mut random = Random::stream(7, &[]);
        let mut covers = || {
            let sample: Vec<f64> = (0..30).map(|_| random.uniform()).collect();
            let [low, high] = interval(&[sample]);
            low <= 0.5 && 0.5 <= high
        };
        let held = (0..200).filter(|_| covers()).count();
        // The percentile bootstrap of 30 numbers is a little short: 92 to 95 % are expected.
        assert!((176..=198).contains(&held), "{held} of 200");
    }

    fn places(reached: &[&[f64]]) -> Places {
        reached.iter().zip(0..).map(|(values, index)| ((index, 100 + index), values.to_vec())).collect()
    }

    #[test]
    fn improvement_is_counted_over_pairs_and_ties_count_half() {
        let (ours, theirs) = (places(&[&[3.0], &[1.0], &[2.0], &[9.0]]), places(&[&[1.0], &[1.0], &[5.0], &[8.0]]));
        assert_eq!(probability_of_improvement(Direction::Maximize, &ours, &theirs), Some(0.625));
        assert_eq!(probability_of_improvement(Direction::Minimize, &ours, &theirs), Some(0.375));
        assert_eq!(probability_of_improvement(Direction::Maximize, &ours, &ours), Some(0.5));
    }

    #[test]
    fn pairs_matter_where_the_trainings_differ_more_than_the_policies() {
        let (ours, theirs) = (places(&[&[1.1], &[5.1], &[9.1]]), places(&[&[1.0], &[5.0], &[9.0]]));
        assert_eq!(probability_of_improvement(Direction::Maximize, &ours, &theirs), Some(1.0));
    }

    #[test]
    fn every_repetition_meets_every_other_and_every_place_counts_once() {
        let (ours, theirs) = (places(&[&[2.0, 4.0], &[0.0]]), places(&[&[1.0, 3.0, 5.0], &[9.0]]));
        // At the first place 1 + 2 of 6 pairs are won, at the second none.
        assert_eq!(probability_of_improvement(Direction::Maximize, &ours, &theirs), Some(0.25));
    }

    #[test]
    fn only_trainings_of_the_same_index_and_seed_make_a_pair() {
        let theirs = Places::from([((0, 100), vec![0.0]), ((1, 7), vec![9.0])]);
        assert_eq!(probability_of_improvement(Direction::Maximize, &places(&[&[1.0], &[1.0]]), &theirs), Some(1.0));
        let elsewhere = Places::from([((0, 7), vec![0.0])]);
        assert_eq!(probability_of_improvement(Direction::Maximize, &places(&[&[1.0]]), &elsewhere), None);
    }
}
