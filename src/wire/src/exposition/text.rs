//! A bounded parser of the Prometheus text format 0.0.4, for text of which nothing is known.

use std::borrow::Cow;

/// What a page may hold; the first excess ends the parsing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole page.
    pub bytes: usize,
    /// Lines, comments included.
    pub lines: usize,
    /// Bytes of a metric's or a label's name.
    pub name: usize,
    /// Labels of a sample.
    pub labels: usize,
    /// Bytes of a label's value, without escapes.
    pub label_value: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 4 << 20, lines: 50_000, name: 128, labels: 16, label_value: 1024 }
    }
}

/// One sample; timestamps are passed over, as nobody here believes another machine's clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<'a> {
    /// Line that it stands on, from 1.
    pub line: usize,
    /// Name of its family.
    pub name: &'a str,
    /// Names, each once, and values of its labels.
    pub labels: Vec<(&'a str, Cow<'a, str>)>,
    /// Its number as written, which parses as an `f64` (perhaps NaN or infinite).
    pub value: &'a str,
}

/// Why a page or a line is not in the format, or too big.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The page is too long.
    #[error("the page has {found} bytes, expected at most {limit}")]
    Bytes {
        /// Bytes it has.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The page does not end with a line feed: it was probably cut short.
    #[error("the last line does not end with a line feed")]
    Cut,
    /// A line can't be parsed.
    #[error("line {line}: {reason}")]
    Line {
        /// Line, from 1.
        line: usize,
        /// What was expected there.
        reason: Reason,
    },
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// There are more lines than allowed.
    #[error("more lines than the {0} allowed")]
    Lines(usize),
    /// The line is not UTF-8.
    #[error("not UTF-8")]
    Encoding,
    /// There is no name where one belongs.
    #[error("expected a name of letters, digits and underscores")]
    Name,
    /// A name is too long.
    #[error("a name of more than the {0} bytes allowed")]
    LongName(usize),
    /// A sample has too many labels.
    #[error("more labels than the {0} allowed")]
    Labels(usize),
    /// A label stands twice in one sample.
    #[error("a label given twice")]
    Repeated,
    /// A label is not written as `name="value"`, or the list has no end.
    #[error("expected labels as {{name=\"value\",…}}")]
    Label,
    /// A backslash is followed by something else than a backslash, a quote or `n`.
    #[error("expected \\\\, \\\" or \\n after a backslash")]
    Escape,
    /// A label's value is too long.
    #[error("a label's value of more than the {0} bytes allowed")]
    LongValue(usize),
    /// There is no number after name and labels.
    #[error("expected a number after name and labels")]
    Number,
    /// Something follows the number that is no timestamp, or follows the timestamp.
    #[error("expected nothing but a timestamp after the number")]
    Rest,
}

/// The samples on a page, line by line; after an error there is nothing more worth reading.
pub fn samples<'a>(
    page: &'a [u8],
    limits: &'a Limits,
) -> Result<impl Iterator<Item = Result<Sample<'a>, TextError>>, TextError> {
    if page.len() > limits.bytes {
        return Err(TextError::Bytes { found: page.len(), limit: limits.bytes });
    }
    let Some(lines) = page.strip_suffix(b"\n").or(page.is_empty().then_some(page)) else {
        return Err(TextError::Cut);
    };
    let numbered = lines.split(|byte| *byte == b'\n').zip(1..);
    Ok(numbered.filter_map(|(bytes, line)| sample(bytes, line, limits).transpose()))
}

fn sample<'a>(bytes: &'a [u8], line: usize, limits: &Limits) -> Result<Option<Sample<'a>>, TextError> {
    let at = |reason| TextError::Line { line, reason };
    if line > limits.lines {
        return Err(at(Reason::Lines(limits.lines)));
    }
    let text = str::from_utf8(bytes).map_err(|_| at(Reason::Encoding))?;
    let mut rest = Rest(text.trim_matches(BLANKS));
    if rest.0.is_empty() || rest.0.starts_with('#') {
        return Ok(None);
    }
    let name = rest.name(":", limits).map_err(at)?;
    let labels = rest.labels(limits).map_err(at)?;
    let value = rest.value().map_err(at)?;
    Ok(Some(Sample { line, name, labels, value }))
}

const BLANKS: [char; 2] = [' ', '\t'];

/// What of a line is still to be read.
pub(super) struct Rest<'a>(pub(super) &'a str);

impl<'a> Rest<'a> {
    fn blanks(&mut self) {
        self.0 = self.0.trim_start_matches(BLANKS);
    }

    fn take(&mut self, wanted: char) -> bool {
        let after = self.0.strip_prefix(wanted);
        self.0 = after.unwrap_or(self.0);
        after.is_some()
    }

    /// A name of letters, digits and underscores, and of `also`, that does not begin with a digit.
    pub(super) fn name(&mut self, also: &str, limits: &Limits) -> Result<&'a str, Reason> {
        let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || also.contains(c);
        let (name, rest) = self.0.split_at(self.0.find(|c| !part(c)).unwrap_or(self.0.len()));
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(Reason::Name);
        }
        if name.len() > limits.name {
            return Err(Reason::LongName(limits.name));
        }
        self.0 = rest;
        Ok(name)
    }

    pub(super) fn labels(&mut self, limits: &Limits) -> Result<Vec<(&'a str, Cow<'a, str>)>, Reason> {
        let mut labels: Vec<(&str, _)> = Vec::new();
        self.blanks();
        let mut more = self.take('{');
        while more {
            self.blanks();
            if self.take('}') {
                break;
            }
            if labels.len() == limits.labels {
                return Err(Reason::Labels(limits.labels));
            }
            let (name, value) = self.label(limits)?;
            if labels.iter().any(|(other, _)| *other == name) {
                return Err(Reason::Repeated);
            }
            labels.push((name, value));
            self.blanks();
            more = self.take(',');
            if !more && !self.take('}') {
                return Err(Reason::Label);
            }
        }
        Ok(labels)
    }

    fn label(&mut self, limits: &Limits) -> Result<(&'a str, Cow<'a, str>), Reason> {
        let name = self.name("", limits)?;
        self.blanks();
        if !self.take('=') {
            return Err(Reason::Label);
        }
        self.blanks();
        if !self.take('"') {
            return Err(Reason::Label);
        }
        Ok((name, self.quoted(limits)?))
    }

    /// What stands up to the closing quote; the opening one is taken already.
    fn quoted(&mut self, limits: &Limits) -> Result<Cow<'a, str>, Reason> {
        let mut value = Cow::Borrowed("");
        loop {
            let special = self.0.find(['"', '\\']).ok_or(Reason::Label)?;
            let (plain, rest) = self.0.split_at(special);
            value += plain;
            self.0 = &rest[1..];
            if rest.starts_with('\\') {
                value.to_mut().push(self.escaped()?);
            }
            if value.len() > limits.label_value {
                return Err(Reason::LongValue(limits.label_value));
            }
            if rest.starts_with('"') {
                return Ok(value);
            }
        }
    }

    fn escaped(&mut self) -> Result<char, Reason> {
        let escapes = [('\\', '\\'), ('"', '"'), ('n', '\n')];
        let found = escapes.into_iter().find(|(written, _)| self.take(*written));
        found.map(|(_, meant)| meant).ok_or(Reason::Escape)
    }

    fn value(&mut self) -> Result<&'a str, Reason> {
        let mut words = self.0.split(BLANKS).filter(|word| !word.is_empty());
        let value = words.next().ok_or(Reason::Number)?;
        if value.parse::<f64>().is_err() {
            return Err(Reason::Number);
        }
        match (words.next().map(str::parse::<i64>), words.next()) {
            (None | Some(Ok(_)), None) => Ok(value),
            _ => Err(Reason::Rest),
        }
    }
}

#[cfg(test)]
mod tests;
