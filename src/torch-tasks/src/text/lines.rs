//! Lines of a text, and how some of them are held out.

use tuning::Random;

/// Parts of a text that are held out or not: lines beside each other belong together.
const BLOCKS: usize = 200;

/// A line, with the one that it translates if it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What stands before the text and is not learned.
    pub source: Option<String>,
    /// What is learned.
    pub text: String,
}

/// Splits into blocks of neighbouring lines and holds out `share` of them, at least one if it is above 0: what remains, and
/// what is held out, each in the order that it had.
pub fn hold_out(lines: Vec<Line>, share: f64, random: &mut Random) -> (Vec<Line>, Vec<Line>) {
    let count = lines.len();
    let blocks = BLOCKS.min(count);
    let held = if share > 0.0 { ((share * blocks as f64).round() as usize).max(1) } else { 0 };
    let mut is_held = vec![false; blocks];
    random.shuffled(blocks).into_iter().take(held).for_each(|block| is_held[block] = true);
    let mut split = (Vec::new(), Vec::new());
    for (number, line) in lines.into_iter().enumerate() {
        let side = if is_held[number * blocks / count] { &mut split.1 } else { &mut split.0 };
        side.push(line);
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> Vec<Line> {
        (0..count).map(|number| Line { source: None, text: number.to_string() }).collect()
    }

    #[test]
    fn neighbours_stay_together_no_line_is_lost_and_the_seed_says_which() {
        let split = |seed| hold_out(lines(4000), 0.1, &mut Random::stream(seed, &[]));
        let (rest, held) = split(1);
        assert_eq!((rest.len(), held.len()), (3600, 400));
        let number = |line: &Line| line.text.parse::<usize>().unwrap_or(usize::MAX);
        let mut all: Vec<usize> = rest.iter().chain(&held).map(number).collect();
        let breaks = held.windows(2).filter(|pair| number(&pair[1]) != number(&pair[0]) + 1).count();
        assert!(breaks < 20 && held.is_sorted_by_key(number), "{breaks}");
        all.sort_unstable();
        assert!(all.into_iter().eq(0..4000));
        assert_eq!(split(1), (rest, held.clone()));
        assert_ne!(split(2).1, held);
    }

    #[test]
    fn of_few_lines_at_least_one_is_held_out_and_with_no_share_none() {
        let counts = |count, share| {
            let (rest, held) = hold_out(lines(count), share, &mut Random::stream(1, &[]));
            (rest.len(), held.len())
        };
        assert_eq!(
            [counts(3, 0.05), counts(1, 0.05), counts(0, 0.05), counts(5, 0.0)],
            [(2, 1), (0, 1), (0, 0), (5, 0)]
        );
    }
}
