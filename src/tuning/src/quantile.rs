//! Quantiles of numbers that were measured.

/// Quantile `q` of sorted numbers, linear between them (type 7 of Hyndman and Fan 1996). `sorted` is not empty.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let (below, share) = (place as usize, place.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + share * (sorted[above] - sorted[below])
}

/// Quantiles of numbers in any order. There is at least one number.
pub fn quantiles<const N: usize>(numbers: impl Iterator<Item = f64>, qs: [f64; N]) -> [f64; N] {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    qs.map(|q| quantile(&sorted, q))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_linearly_between_the_numbers() {
        let sorted = [1.0, 2.0, 4.0, 8.0];
        assert_eq!([0.0, 0.25, 0.5, 1.0].map(|q| quantile(&sorted, q)), [1.0, 1.75, 3.0, 8.0]);
        assert_eq!(quantile(&[5.0], 0.975), 5.0);
        assert_eq!(quantiles([8.0, 1.0, 4.0, 2.0].into_iter(), [0.0, 0.25]), [1.0, 1.75]);
    }
}
