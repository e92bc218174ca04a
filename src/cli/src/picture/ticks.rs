//! Round numbers along an axis.

/// How values are laid along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Equal differences are equally long.
    Linear,
    /// Equal ratios are equally long.
    Log,
}

impl Scale {
    /// Place of a value along the axis; not finite where it has none.
    pub(super) fn to_line(self, x: f64) -> f64 {
        match self {
            Self::Linear => x,
            Self::Log => x.log10(),
        }
    }

    fn at_line(self, place: f64) -> f64 {
        match self {
            Self::Linear => place,
            Self::Log => 10_f64.powf(place),
        }
    }

    /// A little room on either side, or some around a single value.
    pub(super) fn widen(self, [low, high]: [f64; 2]) -> [f64; 2] {
        let (a, b) = (self.to_line(low), self.to_line(high));
        let alone = if self == Self::Log { 0.3 } else { (a.abs() * 0.1).max(1e-3) };
        let room = if b > a { (b - a) * 0.04 } else { alone };
        [self.at_line(a - room), self.at_line(b + room)]
    }

    /// What is shown where there is nothing to show.
    pub(super) fn anywhere(self) -> [f64; 2] {
        match self {
            Self::Linear => [0.0, 1.0],
            Self::Log => [0.1, 10.0],
        }
    }

    /// About `count` round values within `range`, and how they are written.
    pub(super) fn ticks(self, range: [f64; 2], count: u32) -> Vec<(f64, String)> {
        match self {
            Self::Linear => linear(range, count.max(2)),
            Self::Log => logarithmic(range, count.max(2)),
        }
    }
}

fn linear([low, high]: [f64; 2], count: u32) -> Vec<(f64, String)> {
    let rough = (high - low) / f64::from(count);
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(rough);
    // The digits that tell one tick from the next.
    let decimals = (-(step * 1.001).log10().floor()).max(0.0) as usize;
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last).map(|n| n as f64 * step).map(|value| (value, plain(value, decimals))).collect()
}

fn logarithmic([low, high]: [f64; 2], count: u32) -> Vec<(f64, String)> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let within = |value: &f64| *value >= low * 0.999 && *value <= high * 1.001;
    let at = |factor: f64, power: i32| format!("{factor}e{power}").parse::<f64>().unwrap_or(f64::NAN);
    let decades = || (first..=last).map(|power| at(1.0, power)).filter(within);
    let factors: &[f64] = if decades().count() >= 3 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let all = (first..=last).flat_map(|power| factors.iter().map(move |factor| (*factor, power)));
    let values: Vec<f64> = all.map(|(factor, power)| at(factor, power)).filter(within).collect();
    let stride = values.len().div_ceil(count as usize + 2).max(1);
    values.into_iter().step_by(stride).map(|value| (value, short(value))).collect()
}

/// A number with so many decimals; very large and very small ones with a power of ten.
fn plain(value: f64, decimals: usize) -> String {
    let fits = value == 0.0 || (value.abs() < 1e6 && decimals <= 5);
    let text = if fits { format!("{value:.decimals$}") } else { format!("{value:.1e}") };
    text.replace('-', "−")
}

fn short(value: f64) -> String {
    let text = if (1e-3..1e5).contains(&value) { format!("{value}") } else { format!("{value:e}") };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: Scale, range: [f64; 2], count: u32) -> Vec<String> {
        scale.ticks(range, count).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn linear_ticks_are_round_and_have_the_digits_that_matter() {
        assert_eq!(texts(Scale::Linear, [0.0, 1.0], 5), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(Scale::Linear, [0.913, 0.948], 4), ["0.92", "0.93", "0.94"]);
        assert_eq!(texts(Scale::Linear, [-3.0, 512.0], 5), ["0", "200", "400"]);
        assert_eq!(texts(Scale::Linear, [-1.2, 1.2], 3), ["−1", "0", "1"]);
    }

    #[test]
    fn logarithmic_ticks_are_decades_or_if_there_are_few_halves_and_fifths() {
        assert_eq!(texts(Scale::Log, [1e-4, 1.0], 6), ["1e−4", "0.001", "0.01", "0.1", "1"]);
        assert_eq!(texts(Scale::Log, [0.004, 0.03], 6), ["0.005", "0.01", "0.02"]);
        assert!(texts(Scale::Log, [1e-12, 1e3], 5).len() <= 8);
    }

    #[test]
    fn a_single_value_gets_room_around_it() {
        for scale in [Scale::Linear, Scale::Log] {
            let [low, high] = scale.widen([0.5, 0.5]);
            assert!(low < 0.5 && 0.5 < high);
        }
        let [low, high] = Scale::Linear.widen([0.0, 0.0]);
        assert!(low < 0.0 && 0.0 < high);
    }

    #[test]
    fn what_has_no_logarithm_has_no_place() {
        assert!([0.0, -1.0, f64::NAN].iter().all(|x| !Scale::Log.to_line(*x).is_finite()));
    }
}
