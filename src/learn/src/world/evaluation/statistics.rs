//! What forecasts are judged by.

/// E |X − x| − E |X − X'| / 2 of forecasts X, which ascend, and what was measured, x (Gneiting and Raftery 2007, equation
/// 21); pairs of a forecast with itself are left out of the second term, which would else favour few forecasts.
pub fn crps(forecasts: &[f64], measured: f64) -> f64 {
    let n = forecasts.len() as f64;
    let error = forecasts.iter().map(|x| (x - measured).abs()).sum::<f64>() / n;
    // Of ascending numbers the sum of all distances is that of each number times how many are below less above.
    let spread: f64 = forecasts.iter().enumerate().map(|(place, x)| x * (2.0 * place as f64 - n + 1.0)).sum();
    if n < 2.0 { error } else { error - spread / (n * (n - 1.0)) }
}

/// Kendall's τ_b, which counts ties; none where all are tied, or there are not two.
pub fn kendall(pairs: &[(f64, f64)]) -> Option<f64> {
    let (mut agree, mut first, mut second) = (0.0, 0.0, 0.0);
    for (n, a) in pairs.iter().enumerate() {
        for b in &pairs[..n] {
            let sign = |x: f64| if x == 0.0 { 0.0 } else { x.signum() };
            let (x, y) = (sign(a.0 - b.0), sign(a.1 - b.1));
            agree += x * y;
            first += x * x;
            second += y * y;
        }
    }
    (first * second > 0.0).then(|| agree / f64::sqrt(first * second))
}

pub fn mean(xs: &[f64]) -> Option<f64> {
    (!xs.is_empty()).then(|| xs.iter().sum::<f64>() / xs.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crps_is_that_of_a_slow_loop_and_of_one_forecast_the_error() {
        let forecasts: [f64; 4] = [0.1, 0.15, 0.4, 0.9];
        let mut spread = 0.0;
        for a in forecasts {
            spread += forecasts.iter().map(|b| (a - b).abs()).sum::<f64>() / 12.0;
        }
        let error = forecasts.iter().map(|x| (x - 0.3_f64).abs()).sum::<f64>() / 4.0;
        assert!((crps(&forecasts, 0.3) - (error - spread / 2.0)).abs() < 1e-12);
        assert!((crps(&[0.5], 0.3) - 0.2).abs() < 1e-12);
    }

    #[test]
    fn rank_correlation_counts_pairs_in_the_same_order() {
        assert_eq!(kendall(&[(1.0, 10.0), (2.0, 20.0), (3.0, 30.0)]), Some(1.0));
        assert_eq!(kendall(&[(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)]), Some(-1.0));
        assert_eq!(kendall(&[(1.0, 1.0), (2.0, 3.0), (3.0, 2.0)]), Some(1.0 / 3.0));
        assert_eq!((kendall(&[(1.0, 1.0)]), kendall(&[(1.0, 2.0), (1.0, 3.0)])), (None, None));
    }
}
