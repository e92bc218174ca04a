//! Numbers, names and tables as people read them.

use comfy_table::{Cell, Table, presets};

/// A table for a terminal, without rows yet.
pub(crate) fn table(header: impl IntoIterator<Item = impl Into<Cell>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header.into_iter().map(Into::into).collect::<Vec<Cell>>());
    table
}

/// Text in which HTML sees no markup.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// A number with four digits that matter, such as 0.9268, 12.35 or 3.2e−7.
pub(crate) fn number(x: f64) -> String {
    let size = x.abs();
    let text = if x == 0.0 {
        "0".to_owned()
    } else if (1e-3..1e6).contains(&size) {
        let decimals = (3.0 - size.log10().floor()).max(0.0) as usize;
        format!("{x:.decimals$}")
    } else {
        format!("{x:.2e}")
    };
    text.replace('-', "−")
}

/// A number that may be missing.
pub(crate) fn number_or_dash(x: Option<f64>) -> String {
    x.map_or_else(|| "–".to_owned(), number)
}

/// `validation_accuracy` as `validation accuracy`.
pub(crate) fn words(name: &str) -> String {
    name.replace(['_', '/'], " ")
}

/// Seconds in the two largest units.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) => format!("{seconds:.1} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}

/// `1 trajectory`, `2 trajectories`.
pub(crate) fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_the_digits_that_matter() {
        let written = [0.0, 0.92684, 0.0025, 3.5, 12.345, 512.0, 4096.4, 2.5e-7, -0.25].map(number);
        assert_eq!(written, ["0", "0.9268", "0.002500", "3.500", "12.35", "512.0", "4096", "2.50e−7", "−0.2500"]);
    }

    #[test]
    fn durations_have_two_units() {
        assert_eq!([0.34, 75.0, 7384.0].map(duration), ["0.3 s", "1 min 15 s", "2 h 03 min"]);
    }

    #[test]
    fn markup_in_names_is_only_text() {
        assert_eq!(escape(r#"<b a="1">&"#), "&lt;b a=&quot;1&quot;&gt;&amp;");
    }
}
