//! What is wrong with a file, where, and what to do about it: shown as a compiler would. Knows nothing of what the file means.

use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::path::Path;

/// Whoever has more to mend than this mends these first; a 16 MiB file of rubbish must not become gigabytes of complaints.
const MAX_LISTED: usize = 50;
/// A longer source line is shown in part: a terminal would fold it, and the carets would point at nothing.
const MAX_EXCERPT: usize = 100;
/// What is left of the fault when a long line is cut.
const LEAD: usize = 40;
/// A word longer than this is no slip of the pen, and comparing it would take long.
const MAX_WORD: usize = 40;

/// What is wrong and how to mend it; where it stands is known by whoever looked there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    reason: String,
    help: String,
}

impl Fault {
    /// `reason` and `help` are each one line: lower case, no full stop.
    #[must_use]
    pub fn new(reason: impl Into<String>, help: impl Into<String>) -> Self {
        Self { reason: reason.into(), help: help.into() }
    }

    /// What is wrong.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// How to mend it.
    #[must_use]
    pub fn help(&self) -> &str {
        &self.help
    }

    /// The same fault, seen from the place that names `file`.
    pub(super) fn within(self, file: &str) -> Self {
        Self { reason: format!("{file}: {}", self.reason), help: self.help }
    }
}

/// Everything that is wrong with a configuration, in the order in which it was found.
#[derive(Debug, Default)]
pub struct Problems {
    listed: Vec<Problem>,
    unlisted: usize,
}

impl Problems {
    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// The whole file is at fault.
    pub(super) fn refuse_file(&mut self, file: &Path, fault: Fault) {
        self.list(|| Problem { file: file.display().to_string(), place: None, fault });
    }

    /// The bytes `span` of `text`, which is what `file` says, are at fault.
    pub(super) fn refuse(&mut self, file: &Path, text: &str, span: Range<usize>, fault: Fault) {
        self.list(|| Problem { file: file.display().to_string(), place: Some(Place::find(text, span)), fault });
    }

    fn list(&mut self, problem: impl FnOnce() -> Problem) {
        if self.listed.len() < MAX_LISTED {
            self.listed.push(problem());
        } else {
            self.unlisted = self.unlisted.saturating_add(1);
        }
    }
}

impl Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.listed.iter().enumerate() {
            let newline = if i == 0 { "" } else { "\n" };
            write!(f, "{newline}{problem}")?;
        }
        match self.unlisted {
            0 => Ok(()),
            1 => write!(f, "\nand 1 problem more"),
            more => write!(f, "\nand {more} problems more"),
        }
    }
}

#[derive(Debug)]
struct Problem {
    file: String,
    place: Option<Place>,
    fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, reason, help) = (printable(&self.file), printable(&self.fault.reason), printable(&self.fault.help));
        match &self.place {
            None => write!(f, "{file}: {reason}\n  help: {help}"),
            Some(Place { line, column, excerpt, indent, width }) => write!(
                f,
                "{file}:{line}:{column}: {reason}\n  {excerpt}\n  {:indent$}{:^<width$}\n  help: {help}",
                "", "",
            ),
        }
    }
}

/// A part of one line; `line` and `column` count from 1, and count characters.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
    excerpt: String,
    indent: usize,
    width: usize,
}

impl Place {
    fn find(text: &str, span: Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline.saturating_add(1));
        let line = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let left = before.get(line_start..).map_or(0, |left| left.chars().count());
        let marked = text.get(span).and_then(|marked| marked.lines().next()).map_or(0, |marked| marked.chars().count());
        let cut = if line.chars().count() > MAX_EXCERPT { left.saturating_sub(LEAD) } else { 0 };
        let excerpt: String = line.chars().skip(cut).take(MAX_EXCERPT).collect();
        let indent = left.saturating_sub(cut);
        let room = excerpt.chars().count().saturating_sub(indent);
        Self {
            line: before.matches('\n').count().saturating_add(1),
            column: left.saturating_add(1),
            width: marked.min(room).max(1),
            excerpt: printable(&excerpt),
            indent,
        }
    }
}

/// Without control characters, one character for one: what a file contains must not steer the terminal that shows it.
fn printable(text: &str) -> String {
    let show = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(show).collect()
}

/// `word` in backticks, cut where it is too long to be read.
pub(super) fn quoted(word: &str) -> String {
    if word.is_empty() {
        return "\"\"".to_owned();
    }
    let cut: String = word.chars().take(MAX_WORD).collect();
    let rest = if cut.len() < word.len() { "..." } else { "" };
    format!("`{cut}{rest}`")
}

/// The candidate that `word` was probably meant to be.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_WORD {
        return None;
    }
    let far = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= far)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, span: Range<usize>) -> String {
        let mut problems = Problems::default();
        problems.refuse(Path::new("f"), text, span, Fault::new("reason", "remedy"));
        problems.to_string()
    }

    #[test]
    fn a_column_counts_characters_and_carets_stand_below_the_fault() {
        assert_eq!(shown("a\nüü = ö5\r\nb", 9..12), "f:2:6: reason\n  üü = ö5\n       ^^\n  help: remedy");
    }

    #[test]
    fn a_fault_at_the_end_of_the_file_or_over_several_lines_has_its_caret_on_one() {
        assert_eq!(shown("a\n", 2..2), "f:2:1: reason\n  \n  ^\n  help: remedy");
        assert_eq!(shown("a = [\n1]", 4..8), "f:1:5: reason\n  a = [\n      ^\n  help: remedy");
        assert_eq!(shown("a", 7..9), "f:1:2: reason\n  a\n   ^\n  help: remedy");
    }

    #[test]
    fn a_long_line_is_shown_around_its_fault() {
        let text = format!("{}x{}", "-".repeat(1000), "+".repeat(1000));
        let (lead, rest) = ("-".repeat(LEAD), "+".repeat(59));
        let expected = format!("f:1:1001: reason\n  {lead}x{rest}\n  {}^\n  help: remedy", " ".repeat(LEAD));
        assert_eq!(shown(&text, 1000..1001), expected);
    }

    #[test]
    fn a_file_cannot_steer_the_terminal() {
        assert!(!shown("\u{1b}[31m\t\u{7}", 0..1).contains(['\u{1b}', '\u{7}', '\t']));
    }

    #[test]
    fn past_a_limit_problems_are_only_counted() {
        let mut problems = Problems::default();
        for _ in 0..1000 {
            problems.refuse(Path::new("f"), "text", 0..1, Fault::new("reason", "remedy"));
        }
        assert!(problems.to_string().ends_with("\nand 950 problems more"));
        assert_eq!(problems.to_string().matches("reason").count(), 50);
    }

    #[test]
    fn a_slip_of_the_pen_finds_its_word_and_another_word_does_not() {
        assert_eq!(nearest("treshold", ["window", "threshold"]), Some("threshold"));
        assert_eq!(nearest("tpc", ["udp", "tcp"]), Some("tcp"));
        assert_eq!(nearest("colour", ["window", "threshold"]), None);
        assert_eq!(nearest("", ["window"]), None);
    }
}
